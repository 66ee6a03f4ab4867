//go:build faults

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// Faults that are too much of something.
var edges = []fault{
	{
		name: "300 sets of 1 MiB at once, straight to the API", bound: "every one is answered in time, stored or not, as it says",
		setup:   setup{direct: true, masterArgs: []string{"--maxmemory", "100mb", "--client-output-buffer-limit", "slave", "64mb", "64mb", "0"}},
		writes:  []int{503, 507},
		instead: func(r *rig) { setAtOnce(r, 300) },
	},
	{
		name: "60 sets of 1 MiB at once, 6 MB/s to the master", bound: "every one is answered in time; where it says that nothing was stored, nothing was",
		setup: setup{}, writes: unavailable,
		instead: func(r *rig) {
			const slow = `{"name": "slow", "type": "bandwidth", "stream": "upstream", "attributes": {"rate": 6000}}`
			if _, err := r.masterProxy.Toxics.AddToxicJson(strings.NewReader(slow)); err != nil {
				r.Fatal(err)
			}
			setAtOnce(r, 60)
		},
	},
	{
		name: "as many viewers as may be", bound: "nothing fails; the next viewer is told so, until one leaves",
		setup: setup{slaves: 2}, keeps: keptByNginx,
		inject: allViewers,
	},
	{
		name: "a book of 90 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it is told to read pages",
		setup: setup{slaves: 2}, keeps: keptByNginx,
		prepare: func(r *rig) { makeLongBook(r, 90) },
		inject:  func(r *rig) { longBook(r, 90, http.StatusRequestEntityTooLarge, "read it by pages") },
	},
	{
		name: "a book of 3 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it gets it, or is told to try again",
		setup: setup{slaves: 2}, keeps: keptByNginx,
		prepare: func(r *rig) { makeLongBook(r, 3) },
		inject:  func(r *rig) { longBook(r, 3, http.StatusServiceUnavailable, "try again") },
	},
	{
		name: "the API's clock set back by an hour, just when its connections to the slaves failed", bound: "nothing fails; connections are used again, and the slaves are",
		setup:  setup{slaves: 2, clock: true},
		inject: clockSetBack,
	},
}

// setAtOnce writes n books of a mebibyte each at once, straight to the API, and compares what was answered with what is stored.
func setAtOnce(r *rig, n int) {
	l := newLoad(r.pods[0].APIURL())
	r.load = l
	text := strings.Repeat("x", 1<<20-100)
	client := visitors.NewClient(n)
	defer client.CloseIdleConnections()
	const stored, not, unknown = "stored", "nothing was stored", "did not answer in time"
	said := make([]string, n)
	answers := map[string]int{}
	var asking sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		asking.Go(func() {
			head := fmt.Sprintf("cmd=set&key=large-%d&value=", i)
			q, err := http.NewRequest(http.MethodPost, l.base+"/guestbook/", io.MultiReader(strings.NewReader(head), strings.NewReader(text)))
			if err != nil {
				l.problem("%v", err)
				return
			}
			q.ContentLength = int64(len(head) + len(text))
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			<-begin
			start := time.Now()
			response, err := client.Do(q)
			done := visitors.Request{What: "set", Start: start, Err: err}
			var body []byte
			if err == nil {
				done.Status = response.StatusCode
				body, done.Err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			done.Took = time.Since(start)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.requests = append(l.requests, done)
			switch {
			case done.Status == http.StatusOK:
				said[i] = stored
			case done.Status == http.StatusInsufficientStorage, bytes.Contains(body, []byte(not)):
				said[i] = not
			case bytes.Contains(body, []byte(unknown)):
				said[i] = unknown
			default:
				l.problems[fmt.Sprintf("a set is answered %d %.200s", done.Status, body)] = true
			}
			answers[said[i]]++
		})
	}
	close(begin)
	asking.Wait()
	r.addNote("%d stored, %d not, %d unknown", answers[stored], answers[not], answers[unknown])
	// What is on its way still arrives.
	holds := func() (lengths []int) {
		master := podtest.Dial(r, r.masterPort)
		defer master.Close()
		for i := range n {
			length, err := redis.Int(master.Do("STRLEN", fmt.Sprint("large-", i)))
			if err != nil {
				r.Fatal(err)
			}
			lengths = append(lengths, length)
		}
		return lengths
	}
	lengths := holds()
	for last := ""; last != fmt.Sprint(lengths); lengths = holds() {
		last = fmt.Sprint(lengths)
		time.Sleep(time.Second)
	}
	for i, length := range lengths {
		if said[i] == stored && length != len(text) || said[i] == not && length != 0 {
			l.problem("a set is answered %q, and %d bytes are stored", said[i], length)
		}
	}
}

// watched is the book of those who only watch.
const watched = "watched"

// allViewers opens streams until no more are let in, while visitors come and go.
func allViewers(r *rig) {
	const at = "GET /guestbook/events?key=" + watched + " HTTP/1.1\r\nHost: x\r\n\r\n"
	most := int(limit(r.T, "server.maxViewers")) - viewers
	open := func() (net.Conn, string, error) {
		c, err := net.Dial("tcp", addr(r.pods[0].Ports.Nginx))
		if err != nil {
			return nil, "", err
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // if it is closed, so says Write
		head := make([]byte, 4096)
		n := 0
		if _, err = io.WriteString(c, at); err == nil {
			n, err = c.Read(head)
		}
		return c, string(head[:n]), err
	}
	conns := make([]net.Conn, most)
	var next atomic.Int64
	var opening sync.WaitGroup
	for range 16 {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(most); i = next.Add(1) - 1 {
				c, head, err := open()
				if conns[i] = c; err != nil || !strings.HasPrefix(head, "HTTP/1.1 200") {
					r.load.problem("viewer %d is answered %.300q, %v", i, head, err)
					return
				}
			}
		})
	}
	opening.Wait()
	opened := time.Since(r.started)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	c, head, err := open()
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 503") || !strings.Contains(head, "too many are watching") {
		r.load.problem("one viewer too many is answered %.300q, %v", head, err)
	}
	if c != nil {
		c.Close()
	}
	v := r.load.visitor()
	v.Done = nil
	began := time.Now()
	for i := 0; time.Since(began) < scaled(5*time.Second); i++ {
		response, err := r.load.client.Get(r.load.base + "/")
		if err != nil || response.StatusCode != http.StatusOK {
			r.load.problem("the page is answered %v, %v", response, err)
			return
		}
		response.Body.Close()
		r.redis(r.masterPort, "APPEND", watched, fmt.Sprint(",", i))
		time.Sleep(500 * time.Millisecond)
	}
	r.redis(r.masterPort, "APPEND", watched, ",the last")
	var without atomic.Int64
	var reading sync.WaitGroup
	for part := range 16 {
		reading.Go(func() {
			for i := part; i < most; i += 16 {
				_ = conns[i].SetDeadline(time.Now().Add(10 * time.Second))
				var all bytes.Buffer
				buffer := make([]byte, 4096)
				for !bytes.Contains(all.Bytes(), []byte("the last")) {
					n, err := conns[i].Read(buffer)
					if all.Write(buffer[:n]); err != nil {
						without.Add(1)
						break
					}
				}
			}
		})
	}
	reading.Wait()
	if n := without.Load(); n > 0 {
		r.load.problem("%d viewers of %d did not get the last entry", n, most)
	}
	conns[0].Close()
	for until := time.Now().Add(5 * time.Second); ; {
		c, head, err := open()
		if c != nil {
			c.Close()
		}
		if err == nil && strings.HasPrefix(head, "HTTP/1.1 200") {
			break
		}
		if time.Now().After(until) {
			r.load.problem("after one has left, the next viewer is answered %.300q, %v", head, err)
			break
		}
	}
	p99 := r.load.p99(r.started, time.Now())
	r.addNote("%d viewers and %d of another book, opened in %s; 99 %% of ordinary requests within %d ms", most, viewers, opened.Round(time.Second), p99.Milliseconds())
}

// makeLongBook makes a book of some megabytes.
func makeLongBook(r *rig, megabytes int) {
	master := podtest.Dial(r, r.masterPort)
	piece := strings.Repeat(","+strings.Repeat("x", 999), 1000) // entries
	for range megabytes {
		podtest.Do(r, master, "APPEND", "long", piece)
	}
	for _, pod := range r.pods {
		slave := podtest.Dial(r, pod.Ports.Slave)
		podtest.Await(r, pod.Slave, func(context.Context) error {
			if n, err := redis.Int(slave.Do("STRLEN", "long")); err != nil || n < megabytes*len(piece) {
				return errors.Join(err, errors.New("a slave is behind"))
			}
			return nil
		})
	}
}

// longBook has slow readers of that book, and others who ask for it.
func longBook(r *rig, megabytes int, status int, words string) {
	ctx, cancel := context.WithTimeout(context.Background(), scaled(5*time.Second))
	defer cancel()
	var readers sync.WaitGroup
	for i := range 4 {
		// Two through nginx, which takes all and keeps it on disk, two not.
		to := addr([]int{r.pods[0].Ports.Nginx, r.pods[0].Ports.API}[i%2])
		readers.Go(func() {
			for ctx.Err() == nil {
				beSlow(ctx, to, "GET /guestbook.php?cmd=get&key=long HTTP/1.1\r\nHost: x\r\n\r\n", false, false)
			}
		})
	}
	var got, refused atomic.Int64
	var slowest atomic.Int64
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				response, err := r.load.client.Get(r.load.base + "/guestbook/?cmd=get&key=long")
				if err != nil {
					r.load.problem("get of the long book: %v", err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				for took := int64(time.Since(start)); ; {
					if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
						break
					}
				}
				switch {
				case err == nil && response.StatusCode == http.StatusOK && len(body) == megabytes*1_000_000+len(`{"data": ""}`):
					got.Add(1)
				case err == nil && response.StatusCode == status && strings.Contains(string(body), words):
					refused.Add(1)
				default:
					r.load.problem("get of the long book is answered %d %.100s…, %v", response.StatusCode, body, err)
				}
				time.Sleep(pace)
			}
		})
	}
	readers.Wait()
	if took := time.Duration(slowest.Load()); took > deadline {
		r.slow("a get of the long book took %s", took)
	}
	if status == http.StatusRequestEntityTooLarge && got.Load() > 0 {
		r.load.problem("the long book is answered")
	}
	r.addNote("%d gets of it, %d refused, slowest %s; 99 %% of ordinary requests within %d ms", got.Load()+refused.Load(), refused.Load(),
		seconds(time.Duration(slowest.Load())), r.load.p99(r.started, time.Now()).Milliseconds())
}
