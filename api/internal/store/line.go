package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// line is where writes wait for the one connection that sends them: all that have come while an exchange with
// Redis was under way are sent together in the next. So a hundred visitors cost Redis, and its disk, hardly
// more than one.
type line struct {
	node *node

	mu      sync.Mutex
	waiting []*command
	busy    bool
}

// command is a write that somebody waits for.
type command struct {
	name     string
	args     []any
	deadline time.Time
	done     chan struct{} // closed when reply and err are there
	reply    any
	err      error
}

// do sends one command with the next batch and waits for its answer, until the context's deadline.
func (l *line) do(ctx context.Context, name string, args ...any) (any, error) {
	deadline, _ := ctx.Deadline()
	c := &command{name: name, args: args, deadline: deadline, done: make(chan struct{})}
	start := time.Now()
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	if !l.busy {
		l.busy = true
		go l.serve()
	}
	l.mu.Unlock()

	select {
	case <-c.done:
		return c.reply, l.node.note(name, start, c.err)
	case <-ctx.Done():
		return nil, l.node.note(name, start, l.giveUp(c))
	}
}

// giveUp takes a command out of the line if it is still there.
func (l *line) giveUp(c *command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, c); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return errors.New("it waited in line until its deadline and was not sent")
	}
	return guestbook.ErrUnknown // it was sent, or is being sent
}

// serve sends batches until nobody waits.
func (l *line) serve() {
	for {
		runtime.Gosched() // lets those who are here get in line
		l.mu.Lock()
		batch := l.waiting
		l.waiting, l.busy = nil, len(batch) > 0
		l.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if refused := l.send(batch); len(refused) > 0 {
			// The server is a slave now and its connection closed: once more, to where the address leads by now.
			l.send(refused)
		}
		for _, c := range batch {
			close(c.done)
		}
	}
}

// send sends the commands together and fills in their answers. It gives those that a slave refused.
func (l *line) send(batch []*command) (refused []*command) {
	latest := slices.MaxFunc(batch, func(a, b *command) int { return a.deadline.Compare(b.deadline) })
	ctx, cancel := context.WithDeadline(context.Background(), latest.deadline)
	defer cancel()
	conn, err := l.node.pool.GetContext(ctx)
	if err != nil {
		for _, c := range batch {
			c.err = fmt.Errorf("get a connection: %w", err)
		}
		return nil
	}
	defer conn.Close()
	for _, c := range batch {
		_ = conn.Send(c.name, c.args...) // to memory; what does not fit goes out, and if that fails so does Flush
	}
	err = conn.Flush()
	for _, c := range batch {
		c.reply, c.err = nil, err
		if err == nil {
			c.reply, c.err = redis.ReceiveWithTimeout(conn, l.node.patience(ctx))
		}
		if c.err = l.node.judge(c.err); isReply(c.err, "READONLY") {
			refused = append(refused, c)
		} else if errors.Is(c.err, guestbook.ErrUnknown) {
			err = c.err
		}
	}
	return refused
}
