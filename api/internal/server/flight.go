package server

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// flights let requests for the same thing share one read of the store and one encoded answer. A request never
// takes an answer that is older than itself: it does not join the read under way, but the next one, which
// starts when that ends. A read starts when all requests that have arrived have been looked at.
type flights struct {
	timeout time.Duration // from a flight's first passenger on

	mu     sync.Mutex
	flying map[flightName]*flight
}

// flightName is what is read: by which command, of which book, and how many entries.
type flightName struct {
	command, key string
	limit        int64
}

// flight is one read and its answer, which nobody may change.
type flight struct {
	deadline time.Time
	departed bool // the read has started; guarded by flights.mu, as next is
	next     *flight
	done     chan struct{}
	body     []byte
	err      error
}

func newFlights(timeout time.Duration) *flights {
	return &flights{timeout: timeout, flying: map[flightName]*flight{}}
}

// join gives the body of a read that starts now or later, and ends within the timeout.
func (fs *flights) join(name flightName, read func(context.Context) ([]byte, error)) ([]byte, error) {
	fs.mu.Lock()
	f := fs.flying[name]
	switch {
	case f == nil:
		f = fs.newFlight()
		fs.flying[name] = f
		go fs.fly(name, f, read)
	case f.departed:
		if f.next == nil {
			f.next = fs.newFlight()
		}
		f = f.next
	}
	fs.mu.Unlock()
	<-f.done
	return f.body, f.err
}

func (fs *flights) newFlight() *flight {
	return &flight{deadline: time.Now().Add(fs.timeout), done: make(chan struct{})}
}

// fly makes a read, and those after it until nobody waits for another.
func (fs *flights) fly(name flightName, f *flight, read func(context.Context) ([]byte, error)) {
	for f != nil {
		runtime.Gosched() // lets those who are here get in
		fs.mu.Lock()
		f.departed = true
		fs.mu.Unlock()
		ctx, cancel := context.WithDeadline(context.Background(), f.deadline)
		f.body, f.err = read(ctx)
		cancel()
		fs.mu.Lock()
		next := f.next
		fs.flying[name] = next
		if next == nil {
			delete(fs.flying, name)
		}
		fs.mu.Unlock()
		close(f.done)
		f = next
	}
}
