// Command load visits a guestbook steadily, as old pages do, and counts what it gets.
//
//	load [-url U] [-readers N] [-viewers N] [-pause D] [-key K] [-keys] [-sign]   run until /stop, serving on port 8000:
//	    GET /report   what was counted so far
//	    GET /begin    the same, and what is away is counted anew
//	    GET /stop     stop writing, look for every message that was acknowledged, report
//	load -for D [-entries] …                                 run for so long, print the report; exit 1 if something failed
//	load -dial HOST:PORT                                     exit 0 if it accepts a connection within 3 s
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"guestbook/api/test/kit/visitors"
)

var (
	address = flag.String("url", "http://frontend", "the guestbook")
	readers = flag.Int("readers", 4, "how many read side by side, every other one over a new connection each time")
	viewers = flag.Int("viewers", 0, "how many follow the book's events")
	pause   = flag.Duration("pause", 20*time.Millisecond, "after each request")
	book    = flag.String("key", "messages", "of the list; empty: requests name no key, as the leader and follower edition's page")
	keys    = flag.Bool("keys", false, "write each message under a key of its own, not all in one list: a lost one stays lost")
	entries = flag.Bool("entries", false, "post single entries and read pages, as the page does")
	sign    = flag.Bool("sign", false, "sign as the page does, too, where a pod knows that")
	period  = flag.Duration("for", 0, "how long to run; 0: until /stop")
	dial    = flag.String("dial", "", "only try this address")
)

// A Report is what the tests read. Failed maps a reason to how often it occurred.
type Report struct {
	Reads, Writes int
	Signed        int // of the writes
	FailedReads   map[string]int
	FailedWrites  map[string]int
	Slowest       float64       // seconds: the longest time that a request took
	Away          float64       // seconds: the longest time between two writes that succeeded, since /begin
	Lost          []string      // acknowledged, but not there after /stop
	Streams       int           // of events, that began
	LongestGap    time.Duration // that a viewer was without
}

var (
	mu      sync.Mutex
	counted = Report{FailedReads: map[string]int{}, FailedWrites: map[string]int{}}
	stopped = make(chan struct{})
)

func main() {
	flag.Parse()
	if *dial != "" {
		c, err := net.DialTimeout("tcp", *dial, 3*time.Second)
		if err != nil {
			log.Fatal(err)
		}
		c.Close()
		return
	}

	writer := &writer{visitor: newVisitor(true)}
	for writer.write() != nil { // readers need a first message
		time.Sleep(*pause)
	}
	counted.FailedWrites = map[string]int{}

	var running sync.WaitGroup
	running.Go(func() {
		for pauseUnlessStopped() {
			_ = writer.write() // it is counted
			if *sign {
				writer.sign()
			}
		}
	})
	for i := range *readers {
		v := newVisitor(i%2 == 0)
		running.Go(func() {
			for pauseUnlessStopped() {
				read(v)
			}
		})
	}

	for range *viewers {
		go watch(newVisitor(false).Client.Transport)
	}
	if *period > 0 {
		time.Sleep(*period)
		close(stopped)
		running.Wait()
		counted.Lost = writer.missing()
		report(os.Stdout)
		if len(counted.FailedReads)+len(counted.FailedWrites)+len(counted.Lost) > 0 {
			os.Exit(1)
		}
		return
	}
	http.HandleFunc("/report", func(w http.ResponseWriter, _ *http.Request) { report(w) })
	http.HandleFunc("/begin", func(w http.ResponseWriter, _ *http.Request) {
		report(w)
		mu.Lock()
		defer mu.Unlock()
		counted.Away = 0
	})
	http.HandleFunc("/stop", func(w http.ResponseWriter, _ *http.Request) {
		close(stopped)
		running.Wait()
		counted.Lost = writer.missing()
		report(w)
	})
	log.Fatal(http.ListenAndServe(":8000", nil))
}

func report(w io.Writer) {
	mu.Lock()
	defer mu.Unlock()
	json.NewEncoder(w).Encode(counted)
}

func pauseUnlessStopped() bool {
	select {
	case <-stopped:
		return false
	case <-time.After(*pause):
		return true
	}
}

// newVisitor makes a visitor who gives a busy network time to send again what it has dropped: a question to DNS goes out
// again after 5 s, the first packet of a connection after 1, 3 and 7 s. Once it is connected, the guestbook has 5 s to answer.
func newVisitor(keepAlive bool) *visitors.Visitor {
	dialer := net.Dialer{Timeout: 12 * time.Second}
	return &visitors.Visitor{
		Base: *address,
		Client: &http.Client{
			Timeout: 20 * time.Second,
			Transport: &http.Transport{
				DisableKeepAlives: !keepAlive, DialContext: dialer.DialContext, ResponseHeaderTimeout: 5 * time.Second,
			},
		},
		Done: func(r visitors.Request) {
			mu.Lock()
			defer mu.Unlock()
			counted.Slowest = max(counted.Slowest, r.Took.Seconds())
			if *sign && r.What == "post" && r.Status != http.StatusCreated && r.Status != http.StatusNotFound {
				counted.FailedWrites[fmt.Sprintf("a signature: %d %v", r.Status, r.Err)]++
			}
		},
	}
}

func read(v *visitors.Visitor) {
	var data string
	var err error
	if *entries {
		_, err = v.Page(context.Background(), -1)
	} else {
		data, err = v.Get(context.Background(), *book)
	}
	if err == nil && !*entries && !strings.HasPrefix(data, ",m0") {
		err = fmt.Errorf("the messages are gone: %.40q", data)
	}
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		counted.FailedReads[err.Error()]++
		return
	}
	counted.Reads++
}

// watch follows the book, over a new connection whenever a stream has ended.
func watch(transport http.RoundTripper) {
	client := &http.Client{Transport: transport} // without a limit of time
	var ended time.Time
	for pauseUnlessStopped() {
		response, err := client.Get(*address + "/guestbook/events")
		if err != nil {
			continue
		}
		if response.StatusCode == http.StatusOK {
			mu.Lock()
			counted.Streams++
			if !ended.IsZero() {
				counted.LongestGap = max(counted.LongestGap, time.Since(ended))
			}
			mu.Unlock()
			_, _ = io.Copy(io.Discard, response.Body) // it ends with the pod
			ended = time.Now()
		}
		response.Body.Close()
	}
}

// A writer writes m0, m1, …: each until it is acknowledged.
type writer struct {
	visitor      *visitors.Visitor
	acknowledged int
	last         time.Time // when one was
	list         string
}

func (w *writer) write() error {
	message := fmt.Sprintf("m%d", w.acknowledged)
	key, value := *book, w.list+","+message
	if *keys && w.acknowledged > 0 {
		key, value = message, message
	}
	var err error
	if *entries {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // it repeats what is not answered
		_, err = w.visitor.Post(ctx, message)
		cancel()
	} else {
		err = w.visitor.Set(context.Background(), key, value)
	}
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		counted.FailedWrites[err.Error()]++
		return err
	}
	counted.Writes++
	w.acknowledged++
	if !w.last.IsZero() {
		counted.Away = max(counted.Away, time.Since(w.last).Seconds())
	}
	w.last = time.Now()
	if key == *book && !*entries {
		w.list = value
	}
	return nil
}

// sign posts the next message as the page does, between two lists of an old page. An old pod does not know such posts: 404. What
// else fails is counted where it is sent.
func (w *writer) sign() {
	message := fmt.Sprintf("m%d", w.acknowledged)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // it repeats what is not answered
	defer cancel()
	if _, err := w.visitor.Post(ctx, message); err != nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	counted.Writes++
	counted.Signed++
	w.acknowledged++
	w.list += "," + message
}

// missing names the acknowledged messages that the guestbook has not. Slaves get a minute to catch up with a new master.
func (w *writer) missing() (missing []string) {
	deadline := time.Now().Add(time.Minute)
	has := func(key, want string) bool {
		for {
			if got, err := w.visitor.Get(context.Background(), key); err == nil && strings.HasPrefix(got, want) {
				return true
			} else if time.Now().After(deadline) {
				return false
			}
			time.Sleep(*pause)
		}
	}
	if *entries { // others may have signed between
		book, _ := w.visitor.Get(context.Background(), *book) // if it fails, all are missing
		for i := range w.acknowledged {
			if !strings.Contains(book+",", fmt.Sprintf(",m%d,", i)) {
				missing = append(missing, fmt.Sprintf("m%d", i))
			}
		}
		return missing
	}
	if !has(*book, w.list) {
		missing = append(missing, "the list")
	}
	for i := 1; *keys && i < w.acknowledged; i++ {
		if key := fmt.Sprintf("m%d", i); !has(key, key) {
			missing = append(missing, key)
		}
	}
	return missing
}
