package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/coalesce"
)

// line is where writes wait for the one connection that sends them: all that have come while an exchange with
// Redis was under way are sent together in the next. So a hundred visitors cost Redis, and its disk, hardly
// more than one.
type line struct {
	node  *node
	group coalesce.Group[struct{}, *command]
}

// command is a write and its answer.
type command struct {
	name  string
	args  []any
	reply any
	err   error
}

// do sends one command with the next exchange and waits for its answer, at most until the context's deadline.
func (l *line) do(ctx context.Context, name string, args ...any) (any, error) {
	start := time.Now()
	c := &command{name: name, args: args}
	deadline, _ := ctx.Deadline()
	l.group.Do(struct{}{}, c, deadline, func(ctx context.Context, commands []*command) {
		if refused := l.send(ctx, commands); len(refused) > 0 {
			// The server is a slave now and its connection closed: once more, to where the address leads by now.
			l.send(ctx, refused)
		}
	})
	return c.reply, l.node.note(name, start, c.err)
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
		if isReply(c.err, codeReadOnly) {
			refused = append(refused, c)
		}
	}
	return refused
}
