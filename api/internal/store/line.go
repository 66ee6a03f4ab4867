package store

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// line is where writes wait for the one connection that sends them: all that have come while an exchange with
// Redis was under way are sent together in the next. So a hundred visitors cost Redis, and its disk, hardly
// more than one.
type line struct {
	node *node

	mu      sync.Mutex
	waiting *batch        // takes what comes
	sent    chan struct{} // closed when the batch before has its answers
}

// batch is writes that are sent together.
type batch struct {
	commands []*command
	deadline time.Time     // the earliest of all
	done     chan struct{} // closed when the commands have their answers
}

// command is a write and its answer.
type command struct {
	name  string
	args  []any
	reply any
	err   error
}

// do sends one command with the next batch and waits for its answer, at most until the context's deadline: batches end
// in turn, each by the deadline of the command that came first.
func (l *line) do(ctx context.Context, name string, args ...any) (any, error) {
	start := time.Now()
	c := &command{name: name, args: args}
	l.mu.Lock()
	b := l.waiting
	if b == nil {
		deadline, _ := ctx.Deadline()
		b = &batch{deadline: deadline, done: make(chan struct{})}
		go l.serve(b, l.sent)
		l.waiting = b
	}
	b.commands = append(b.commands, c)
	l.mu.Unlock()
	<-b.done
	return c.reply, l.node.note(name, start, c.err)
}

// serve sends a batch when the one before has its answers.
func (l *line) serve(b *batch, before chan struct{}) {
	if before != nil {
		<-before
	}
	runtime.Gosched() // lets those who are here get in line
	l.mu.Lock()
	l.waiting, l.sent = nil, b.done
	l.mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), b.deadline)
	defer cancel()
	if refused := l.send(ctx, b.commands); len(refused) > 0 {
		// The server is a slave now and its connection closed: once more, to where the address leads by now.
		l.send(ctx, refused)
	}
	close(b.done)
}

// send sends commands together and fills in their answers. It gives those that a slave refused.
func (l *line) send(ctx context.Context, commands []*command) (refused []*command) {
	conn, err := l.node.pool.GetContext(ctx)
	if err != nil {
		err = fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Close()
	var replies []any
	if err == nil {
		for _, c := range commands {
			_ = conn.Send(c.name, c.args...) // what fails here makes the next line fail
		}
		replies, err = redis.Values(redis.DoWithTimeout(conn, l.node.patience(ctx), "")) // the answers to all
		err = l.node.judge(err)
	}
	for i, c := range commands {
		if c.reply, c.err = nil, err; err != nil {
			continue
		}
		c.reply = replies[i]
		if refusal, ok := c.reply.(redis.Error); ok {
			c.err = l.node.judge(refusal)
		}
		if isReply(c.err, "READONLY") {
			refused = append(refused, c)
		}
	}
	return refused
}
