// Package coalesce lets what is asked for at the same time be done together.
package coalesce

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
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
	first    time.Time     // deadline of the first member
	deadline time.Time     // of the member that can wait longest
	started  bool          // it takes no more members
	ended    atomic.Bool   // done is closed, or about to be
	done     chan struct{} // closed when it has ended
	due      chan struct{} // closed when it has ended, or at the first member's deadline if that comes before
	alarm    *time.Timer   // closes due at that deadline
	panicked any           // what it panicked with, if it did
}

// Do lets member take part in the key's next exchange, which do carries out, and gives all members of it when it has ended;
// or not ok once the deadline has passed. Exchanges end in turn; do must end at its context's deadline, which is that of the
// member that can wait longest. Where do panics, so does Do for each member.
func (g *Group[K, T]) Do(key K, member T, deadline time.Time, do func(ctx context.Context, members []T)) (members []T, ok bool) {
	g.mu.Lock()
	e := g.last[key]
	if e == nil || e.started {
		before := e
		e = &exchange[T]{first: deadline, due: make(chan struct{}), done: make(chan struct{})}
		e.alarm = time.AfterFunc(time.Until(deadline), func() { close(e.due) })
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
	// A timer of its own would cost each member more than all else here. One that can wait as long as the first needs none
	// until the first has to give up.
	if !deadline.Before(e.first) {
		<-e.due
	}
	if !e.ended.Load() {
		select {
		case <-e.done:
		case <-time.After(time.Until(deadline)):
			return nil, false
		}
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
		e.ended.Store(true)
		close(e.done)
		if e.alarm.Stop() {
			close(e.due)
		}
	}()
	ctx, cancel := context.WithDeadline(context.Background(), e.deadline)
	defer cancel()
	do(ctx, e.members)
}
