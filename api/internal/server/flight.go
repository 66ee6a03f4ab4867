package server

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// flights let requests for the same thing share one read of the store and one encoded answer. A request never
// takes an answer that is older than itself: it does not join the read under way, but the next one, which
// starts when that ends.
type flights struct {
	timeout time.Duration // from a flight's first passenger on

	mu     sync.Mutex
	flying map[flightName]*flight
}

// flightName is what is read: by which command, of which book, and how many entries.
type flightName struct {
	command, key string
	limit        int
}

// flight is one read and its answer, which nobody may change.
type flight struct {
	deadline time.Time
	next     *flight // guarded by flights.mu
	done     chan struct{}
	body     []byte
	length   []string // Content-Length
	err      error
}

func newFlights(timeout time.Duration) *flights {
	return &flights{timeout: timeout, flying: map[flightName]*flight{}}
}

// join waits for a read that starts now or later, and ends within the timeout.
func (fs *flights) join(name flightName, read func(context.Context) ([]byte, error)) *flight {
	fs.mu.Lock()
	f := fs.flying[name]
	switch {
	case f == nil:
		f = fs.newFlight()
		fs.flying[name] = f
		go fs.fly(name, f, read)
	case f.next == nil:
		f.next = fs.newFlight()
		f = f.next
	default:
		f = f.next
	}
	fs.mu.Unlock()
	<-f.done
	return f
}

func (fs *flights) newFlight() *flight {
	return &flight{deadline: time.Now().Add(fs.timeout), done: make(chan struct{})}
}

// fly makes a read, and those after it until nobody waits for another.
func (fs *flights) fly(name flightName, f *flight, read func(context.Context) ([]byte, error)) {
	for f != nil {
		ctx, cancel := context.WithDeadline(context.Background(), f.deadline)
		f.body, f.err = read(ctx)
		cancel()
		f.length = []string{strconv.Itoa(len(f.body))}
		fs.mu.Lock()
		next := f.next
		if next == nil {
			delete(fs.flying, name)
		} else {
			fs.flying[name] = next
		}
		fs.mu.Unlock()
		close(f.done)
		f = next
	}
}
