// Package coalesce lets what is asked for at the same time be done together.
package coalesce

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Group does one exchange after the other for each key. Whoever asks takes part in the next one: never in the one under
// way, whose outcome may be older than the question. Its zero value is ready for use.
type Group[K comparable, T any] struct {
	mu   sync.Mutex
	last map[K]*exchange[T] // those that have not ended
}

type exchange[T any] struct {
	members  []T
	deadline time.Time     // of the member that can wait longest
	started  bool          // it takes no more members
	done     chan struct{} // closed when it has ended
	panicked any           // what it panicked with, if it did
}

// timers are those of deadlines, to be used again.
var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// Do lets member take part in the key's next exchange, which do carries out, and gives all members of it when it has ended;
// or not ok once the deadline has passed. Exchanges end in turn; do must end at its context's deadline, which is that of the
// member that can wait longest. Where do panics, so does Do for each member.
func (g *Group[K, T]) Do(key K, member T, deadline time.Time, do func(ctx context.Context, members []T)) (members []T, ok bool) {
	g.mu.Lock()
	e := g.last[key]
	if e == nil || e.started {
		before := e
		e = &exchange[T]{done: make(chan struct{})}
		if g.last == nil {
			g.last = map[K]*exchange[T]{}
		}
		g.last[key] = e
		go g.run(key, e, before, do)
	}
	e.members = append(e.members, member)
	if deadline.After(e.deadline) {
		e.deadline = deadline
	}
	g.mu.Unlock()
	timer := timers.Get().(*time.Timer)
	timer.Reset(time.Until(deadline))
	defer timers.Put(timer)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
		return nil, false
	}
	if e.panicked != nil {
		panic(e.panicked)
	}
	return e.members, true
}

func (g *Group[K, T]) run(key K, e, before *exchange[T], do func(context.Context, []T)) {
	if before != nil {
		<-before.done
	}
	runtime.Gosched() // lets those who are about to ask take part
	g.mu.Lock()
	e.started = true
	g.mu.Unlock()
	defer func() {
		e.panicked = recover()
		g.mu.Lock()
		if g.last[key] == e {
			delete(g.last, key)
		}
		g.mu.Unlock()
		close(e.done)
	}()
	ctx, cancel := context.WithDeadline(context.Background(), e.deadline)
	defer cancel()
	do(ctx, e.members)
}
