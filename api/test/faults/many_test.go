//go:build long

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/gomodule/redigo/redis"
	"github.com/rs/zerolog"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// storedBook waits until the slave holds the same as the master, and gives it.
func storedBook(t *testing.T, pod *localpod.Pod) string {
	t.Helper()
	master, slave := podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	value, err := redis.String(master.Do("GET", "messages"))
	if err != nil {
		t.Fatal(err)
	}
	podtest.Await(t, pod.Slave, func(context.Context) error {
		if copied, err := redis.String(slave.Do("GET", "messages")); err != nil || copied != value {
			return errors.New("the slave holds something else")
		}
		return nil
	})
	return value
}

// write has writers post entries each, and checks that the book then holds each of them once, at the id that was
// answered.
func write(t *testing.T, pod *localpod.Pod, writers, entries int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	client := visitors.NewClient(writers + 10)
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	acknowledged := map[int64]string{}
	repeated := 0

	reading, stopReading := context.WithCancel(ctx)
	var readers, posters sync.WaitGroup
	readers.Go(func() { // an old page, which must only ever see the book grow
		v := visitors.Visitor{Base: pod.URL(), Client: client}
		for seen := ""; reading.Err() == nil; {
			data, err := v.Get(ctx, "messages")
			if err != nil {
				t.Errorf("a read failed: %v", err)
				return
			}
			if !strings.HasPrefix(data, seen) {
				t.Errorf("a read of %d bytes is no continuation of one of %d bytes", len(data), len(seen))
				return
			}
			seen = data
		}
	})
	for w := range writers {
		posters.Go(func() {
			v := visitors.Visitor{Base: pod.URL(), Client: client}
			for i := range entries {
				text := fmt.Sprintf("writer %d, entry %d, 100%%25", w, i)
				id, err := v.Post(ctx, text)
				if err != nil {
					t.Errorf("%s: %v", text, err)
					return
				}
				mu.Lock()
				acknowledged[id] = text
				mu.Unlock()
			}
			mu.Lock()
			repeated += v.Repeated
			mu.Unlock()
		})
	}
	posters.Wait()
	stopReading()
	readers.Wait()

	stored, _ := guestbook.Split([]byte(storedBook(t, pod)), 0)
	if len(stored) != writers*entries || len(acknowledged) != writers*entries {
		t.Errorf("%d entries are stored and %d answered, want %d", len(stored), len(acknowledged), writers*entries)
	}
	for _, e := range stored {
		if acknowledged[e.ID] != e.Text {
			t.Errorf("at %d %q is stored, answered was %q", e.ID, e.Text, acknowledged[e.ID])
		}
	}
	t.Logf("%d entries of %d writers, %d requests repeated", len(stored), writers, repeated)
}

func start(t *testing.T, o localpod.Options) *localpod.Pod {
	t.Helper()
	pod, _ := podtest.Pod(t, o)
	podtest.Await(t, pod.Slave, pod.Synced)
	return pod
}

func TestManyWriters(t *testing.T) {
	write(t, start(t, localpod.Options{}), 50, 200)
}

// The connection between API and master goes silent, is reset, or slow, in turn: clients repeat, and nothing is
// stored twice.
func TestManyWritersThroughABadNetwork(t *testing.T) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "master", "127.0.0.1:0", "")
	pod := start(t, localpod.Options{MasterProxy: func(master string) (string, error) {
		proxy.Upstream = master
		err := proxy.Start()
		return proxy.Listen, err
	}})
	defer proxy.Stop()
	done := make(chan struct{})
	var network sync.WaitGroup
	network.Go(func() {
		for i := 0; ; i++ {
			toxic := []string{
				`{"name": "bad", "type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
				`{"name": "bad", "type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 20}}`,
				`{"name": "bad", "type": "latency", "stream": "upstream", "attributes": {"latency": 1200}}`,
			}[i%3]
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				t.Error(err)
			}
			wait(done, 300*time.Millisecond)
			if err := proxy.Toxics.RemoveToxic(context.Background(), "bad"); err != nil {
				t.Error(err)
			}
			if wait(done, 700*time.Millisecond) {
				return
			}
		}
	})
	write(t, pod, 50, 100)
	close(done)
	network.Wait()
}

func wait(done <-chan struct{}, d time.Duration) (ended bool) {
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// Each viewer of one process gets each entry.
func TestManyViewers(t *testing.T) {
	const viewers, entries = 10_000, 10
	pod := start(t, localpod.Options{})
	before := pod.API.Usage().Memory
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var watching sync.WaitGroup
	var got atomic.Int64
	for range viewers {
		watching.Go(func() {
			v := visitors.Visitor{Base: pod.APIURL(), Client: &http.Client{Transport: &http.Transport{ReadBufferSize: 512, WriteBufferSize: 512}}}
			defer v.Client.CloseIdleConnections()
			next := 0
			err := v.Watch(ctx, -1, func(_ int64, text string) bool {
				if text != fmt.Sprint(next) {
					t.Errorf("got %q, want %d", text, next)
				}
				next++
				got.Add(1)
				return next < entries
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	poster := visitors.Visitor{Base: pod.URL(), Client: visitors.NewClient(1)}
	defer poster.Client.CloseIdleConnections()
	var slowest time.Duration
	for i := range entries {
		posted := time.Now()
		if _, err := poster.Post(ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		// Each entry is sent to all before the next is posted: that is what costs most.
		podtest.Await(t, pod.API, func(context.Context) error {
			if n := got.Load(); n < int64(viewers*(i+1)) && i < entries-1 {
				return fmt.Errorf("%d deliveries of entry %d", n, i)
			}
			return nil
		})
		if i > 0 { // the first waits for the last viewers to arrive
			slowest = max(slowest, time.Since(posted))
		}
		if i == entries-2 {
			perViewer := (pod.API.Usage().Memory - before) / viewers
			t.Logf("%d viewers, %.1f KB of memory each; all had an entry within %s of its post", viewers, float64(perViewer)/1024, slowest.Round(time.Millisecond))
		}
	}
	watching.Wait()
	if n := got.Load(); n != viewers*entries {
		t.Errorf("%d deliveries, want %d", n, viewers*entries)
	}
}
