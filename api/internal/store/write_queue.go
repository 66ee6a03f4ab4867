package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/coalesce"
)

// writeQueue is where writes wait for the one connection that sends them: all that have come while an exchange with Redis
// was under way are sent together in the next. So a hundred visitors cost Redis, and its disk, hardly more than one.
type writeQueue struct {
	master *node
	group  coalesce.Group[struct{}, *pendingWrite]
}

// pendingWrite is a command and its answer.
type pendingWrite struct {
	command string
	args    []any
	reply   any
	err     error
}

// do sends one command with the next exchange and waits for its answer, at most until the context's deadline.
func (q *writeQueue) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	w := &pendingWrite{command: command, args: args}
	deadline, _ := ctx.Deadline()
	q.group.Do(struct{}{}, w, deadline, q.flush)
	return w.reply, q.master.record(command, start, w.err)
}

// flush sends the writes together and fills in their answers.
func (q *writeQueue) flush(ctx context.Context, writes []*pendingWrite) {
	conn, err := q.master.pool.GetContext(ctx)
	if err != nil {
		err = fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Close()
	var replies []any
	if err == nil {
		for _, w := range writes {
			_ = conn.Send(w.command, w.args...) // an error of it comes again with the replies
		}
		replies, err = redis.Values(redis.DoWithTimeout(conn, q.master.replyTimeout(ctx), ""))
		err = q.master.classify(err)
	}
	for i, w := range writes {
		if w.err = err; err != nil {
			continue
		}
		w.reply = replies[i]
		if refusal, ok := w.reply.(redis.Error); ok {
			w.err = q.master.classify(refusal)
		}
	}
}
