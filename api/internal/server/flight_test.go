package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// Whoever asks while a read is under way must not get that read's answer: it may be older than the question.
func TestAReadIsNeverOlderThanItsRequest(t *testing.T) {
	fs := newFlights(time.Minute)
	var now atomic.Int64 // what the store holds
	var reads atomic.Int64
	read := func(context.Context) ([]byte, error) {
		reads.Add(1)
		value := now.Load()
		time.Sleep(100 * time.Microsecond) // the answer's way back
		return fmt.Append(nil, value), nil
	}
	var done sync.WaitGroup
	const readers, times = 50, 100
	for range readers {
		done.Go(func() {
			for range times {
				asked := now.Add(1)
				var got int64
				body, _ := fs.join(flightName{key: "messages"}, read)
				if _, err := fmt.Sscan(string(body), &got); err != nil || got < asked {
					t.Errorf("read %d, %v, asked when the store held %d", got, err, asked)
				}
			}
		})
	}
	done.Wait()
	if n := reads.Load(); n > readers*times/2 {
		t.Errorf("%d reads for %d requests: they are not shared", n, readers*times)
	}
	if len(fs.flying)+len(fs.boarding) != 0 {
		t.Errorf("%d flights are left", len(fs.flying)+len(fs.boarding))
	}
}

func TestFlightsOfDifferentThingsAreApart(t *testing.T) {
	fs := newFlights(time.Minute)
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			want := fmt.Sprint(i)
			body, _ := fs.join(flightName{key: want}, func(context.Context) ([]byte, error) { return []byte(want), nil })
			if string(body) != want {
				t.Errorf("got %s, want %s", body, want)
			}
		})
	}
	done.Wait()
}

// A read that hangs holds up those after it no longer than their own deadline.
func TestADeadlineCountsFromTheFirstPassenger(t *testing.T) {
	fs := newFlights(100 * time.Millisecond)
	hang := func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	start := time.Now()
	var done sync.WaitGroup
	for range 10 {
		done.Go(func() {
			if _, err := fs.join(flightName{}, hang); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	done.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s, the deadline is 100ms", took)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	fs := newFeeds(Options{Metrics: prometheus.NewRegistry()})
	fs.watching = maxViewers
	if _, _, err := fs.join("messages", guestbook.Start); err == nil {
		t.Error("one more than the most may watch")
	}
	fs.watching = 0
	for i := range maxFeeds {
		fs.byKey[fmt.Sprint(i)] = &feed{}
	}
	if _, _, err := fs.join("messages", guestbook.Start); err == nil {
		t.Error("one more than the most books can be watched")
	}
	if _, _, err := fs.join("7", guestbook.Start); err != nil {
		t.Errorf("a book that is watched already: %v", err)
	}
}
