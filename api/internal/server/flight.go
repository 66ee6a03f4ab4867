package server

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// flights let requests for the same thing share one read of the store and one encoded answer. A request never takes an
// answer that is older than itself: it joins the read that is to start next, when all requests that have arrived have
// been looked at and the one under way has ended.
type flights struct {
	timeout time.Duration // from a flight's first passenger on

	mu       sync.Mutex
	boarding map[flightName]*flight
	flying   map[flightName]*flight
}

// flightName is what is read: by which command, of which book, and how many entries.
type flightName struct {
	command, key string
	limit        int64
}

// flight is one read and its answer, which nobody may change.
type flight struct {
	deadline time.Time
	done     chan struct{}
	body     []byte
	err      error
}

func newFlights(timeout time.Duration) *flights {
	return &flights{timeout: timeout, boarding: map[flightName]*flight{}, flying: map[flightName]*flight{}}
}

// join gives the body of a read that starts now or later, and ends within the timeout.
func (fs *flights) join(name flightName, read func(context.Context) ([]byte, error)) ([]byte, error) {
	fs.mu.Lock()
	f := fs.boarding[name]
	if f == nil {
		f = &flight{deadline: time.Now().Add(fs.timeout), done: make(chan struct{})}
		fs.boarding[name] = f
		go fs.fly(name, f, fs.flying[name], read)
	}
	fs.mu.Unlock()
	<-f.done
	return f.body, f.err
}

func (fs *flights) fly(name flightName, f, before *flight, read func(context.Context) ([]byte, error)) {
	if before != nil {
		<-before.done
	}
	runtime.Gosched() // lets those who are here get in
	fs.mu.Lock()
	delete(fs.boarding, name)
	fs.flying[name] = f
	fs.mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), f.deadline)
	defer cancel()
	f.body, f.err = read(ctx)
	fs.mu.Lock()
	delete(fs.flying, name)
	fs.mu.Unlock()
	close(f.done)
}
