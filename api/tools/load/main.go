// Command load sends the requests of the PHP guestbook's page at a steady rate, and counts the answers.
//
//	load [-url U] [-readers N] [-viewers N] [-pause D] [-key K] [-keys] [-sign]   run until /stop, serving on port 8000:
//	    GET /report   returns the counts as JSON
//	    GET /begin    returns the counts, and starts to measure Away
//	    GET /stop     stops writing, looks for every acknowledged message, and returns the counts
//	load -for D [-entries] …                                 run for the duration D, print the counts; exit 1 if a request failed or a message is lost
//	load -dial HOST:PORT                                     exit 0 if HOST:PORT accepts a connection within 3 s
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
	readers = flag.Int("readers", 4, "number of concurrent readers, of which every other one opens a connection for each request")
	viewers = flag.Int("viewers", 0, "number of viewers of the book's events")
	pause   = flag.Duration("pause", 20*time.Millisecond, "after each request")
	book    = flag.String("key", "messages", "of the list; empty: requests name no key, as the leader and follower edition's page")
	keys    = flag.Bool("keys", false, "write each message under a key of its own, not all in one list: a lost one stays lost")
	entries = flag.Bool("entries", false, "post single entries and read pages, as the page does")
	sign    = flag.Bool("sign", false, "sign as the page does as well, if a pod knows that")
	period  = flag.Duration("for", 0, "how long to run; 0: until /stop")
	dial    = flag.String("dial", "", "only try this address")
)

// Report holds the counts that the program "load" prints. FailedReads and FailedWrites map the text of an error to the number of requests
// that failed with the error.
type Report struct {
	Reads, Writes int
	Signed        int // number of messages that were sent with POST /guestbook/entries because of the flag -sign
	FailedReads   map[string]int
	FailedWrites  map[string]int
	Slowest       float64       // seconds that the slowest request took
	Away          float64       // longest time without a successful write since GET /begin, in seconds
	Lost          []string      // messages that the guestbook has acknowledged, but lacks at the end
	Streams       int           // number of event streams that were opened
	LongestGap    time.Duration // the longest time that a viewer was without an event stream
}

var (
	mu      sync.Mutex
	counted = Report{FailedReads: map[string]int{}, FailedWrites: map[string]int{}}
	stopped = make(chan struct{})
)

func main() {
	flag.Parse()
	if *dial != "" {
		if _, err := net.DialTimeout("tcp", *dial, 3*time.Second); err != nil {
			log.Fatal(err)
		}
		return
	}

	visitor := &writer{visitor: newVisitor(true), last: time.Now()}
	for visitor.write() != nil { // repeats until the guestbook has the message m0, because readers expect m0
		time.Sleep(*pause)
	}
	counted.FailedWrites, counted.Away = map[string]int{}, 0

	var running sync.WaitGroup
	running.Go(func() {
		for pauseUnlessStopped() {
			_ = visitor.write() // the method "write" itself counts errors
			if *sign {
				visitor.sign()
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
	stop := func(w io.Writer) {
		close(stopped)
		running.Wait()
		counted.Lost = visitor.missing()
		report(w)
	}
	if *period > 0 {
		time.Sleep(*period)
		stop(os.Stdout)
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
	http.HandleFunc("/stop", func(w http.ResponseWriter, _ *http.Request) { stop(w) })
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

// newVisitor returns a visitor with long timeouts for DNS and TCP, because a busy network drops packets. Linux repeats a lost DNS query
// after 5 s, and a lost first packet of a TCP connection after 1, 3 and 7 s.
func newVisitor(keepAlive bool) *visitors.Visitor {
	dialer := net.Dialer{Timeout: 12 * time.Second}
	return &visitors.Visitor{
		Base: *address,
		Client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: !keepAlive, DialContext: dialer.DialContext, ResponseHeaderTimeout: 5 * time.Second,
		}},
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
	var err error
	if *entries {
		_, err = v.Page(context.Background(), -1)
	} else {
		var data string
		if data, err = v.Get(context.Background(), *book); err == nil && !strings.HasPrefix(data, ",m0") {
			err = fmt.Errorf("the messages are gone: %.40q", data)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		counted.FailedReads[err.Error()]++
		return
	}
	counted.Reads++
}

// watch keeps an event stream of the guestbook open. If the event stream ends, "watch" opens another one.
func watch(transport http.RoundTripper) {
	client := &http.Client{Transport: transport} // without a timeout, because an event stream has no end
	ended := time.Now()
	for pauseUnlessStopped() {
		response, err := client.Get(*address + "/guestbook/events")
		if err != nil {
			continue
		}
		if response.StatusCode == http.StatusOK {
			mu.Lock()
			counted.Streams++
			counted.LongestGap = max(counted.LongestGap, time.Since(ended))
			mu.Unlock()
			_, _ = io.Copy(io.Discard, response.Body) // the event stream ends if its pod stops
			ended = time.Now()
		}
		response.Body.Close()
	}
}

// writer writes the messages m0, m1 and so on. writer repeats each message until the guestbook has acknowledged the message.
type writer struct {
	visitor      *visitors.Visitor
	acknowledged int
	last         time.Time // time of the last acknowledgement
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
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // Post repeats the request until an answer arrives or the context ends
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
	counted.Away = max(counted.Away, time.Since(w.last).Seconds())
	w.last = time.Now()
	if key == *book && !*entries {
		w.list = value
	}
	return nil
}

// sign sends the next message with POST /guestbook/entries. The answer 404 does not count as a failure, because the pods of the PHP
// guestbook, which still run during a rollout, do not know this URL.
func (w *writer) sign() {
	message := fmt.Sprintf("m%d", w.acknowledged)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // Post repeats the request until an answer arrives or the context ends
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

// missing compares the guestbook with the acknowledged messages, and returns the messages that the guestbook lacks. If messages are
// missing, the method "missing" retries for a minute, so that slaves can catch up with a new master.
func (w *writer) missing() (missing []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(*pause) {
		missing = nil
		list, err := w.visitor.Get(context.Background(), *book)
		for i := range w.acknowledged {
			message := fmt.Sprintf("m%d", i)
			if *keys && i > 0 {
				list, err = w.visitor.Get(context.Background(), message)
				list = "," + list
			}
			if err != nil || !strings.Contains(list+",", ","+message+",") {
				missing = append(missing, message)
			}
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			return missing
		}
	}
}
