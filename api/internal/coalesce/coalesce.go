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
	members []T
	started bool          // it takes no more members
	done    chan struct{} // closed when it has ended
}

// Do lets member take part in the key's next exchange, which do carries out, and gives all members of it when it has
// ended. Exchanges end in turn, each by the deadline of the member that came first; do must end at its context's.
func (g *Group[K, T]) Do(key K, member T, deadline time.Time, do func(ctx context.Context, members []T)) []T {
	g.mu.Lock()
	e := g.last[key]
	if e == nil || e.started {
		before := e
		e = &exchange[T]{done: make(chan struct{})}
		if g.last == nil {
			g.last = map[K]*exchange[T]{}
		}
		g.last[key] = e
		go g.run(key, e, before, deadline, do)
	}
	e.members = append(e.members, member)
	g.mu.Unlock()
	<-e.done
	return e.members
}

func (g *Group[K, T]) run(key K, e, before *exchange[T], deadline time.Time, do func(context.Context, []T)) {
	if before != nil {
		<-before.done
	}
	runtime.Gosched() // lets those who are about to ask take part
	g.mu.Lock()
	e.started = true
	g.mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	do(ctx, e.members)
	g.mu.Lock()
	if g.last[key] == e {
		delete(g.last, key)
	}
	g.mu.Unlock()
	close(e.done)
}
