package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/coalesce"
	"guestbook/api/internal/guestbook"
)

// writeQueue is where writes wait for the one connection that sends them: all that have come while an exchange with Redis
// was under way are sent together in the next. So a hundred visitors cost Redis, and its disk, hardly more than one.
type writeQueue struct {
	master      *node
	group       coalesce.Group[struct{}, *pendingWrite]
	unconfirmed prometheus.Counter
}

// maxBatch is how many bytes are sent together, unless a single command has more.
const maxBatch = 1 << 20

// pendingWrite is a command and its answer.
type pendingWrite struct {
	command string
	args    []any
	reply   any
	err     error
	taken   atomic.Bool // by whoever sends it, or by the one who gave up waiting for that
}

var errNotSent = errors.New("not sent in time")

// do sends one command with the next exchange and waits for its answer, at most until the context's deadline. By then the
// command was sent, and its outcome is unknown, or it never will be.
func (q *writeQueue) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	w := &pendingWrite{command: command, args: args}
	deadline, _ := ctx.Deadline()
	_, ok := q.group.Do(struct{}{}, w, deadline, q.flush)
	switch {
	case ok:
		return w.reply, q.master.record(command, start, w.err)
	case w.taken.Swap(true):
		return nil, q.master.record(command, start, guestbook.ErrUnknown)
	}
	return nil, q.master.record(command, start, errNotSent)
}

// flush sends the writes, those that fit into maxBatch together.
func (q *writeQueue) flush(ctx context.Context, writes []*pendingWrite) {
	for len(writes) > 0 {
		n, size := 0, 0
		for n < len(writes) && (n == 0 || size+writes[n].size() <= maxBatch) {
			size += writes[n].size()
			n++
		}
		q.send(ctx, writes[:n])
		writes = writes[n:]
	}
}

// size is about how many bytes the command has.
func (w *pendingWrite) size() (size int) {
	for _, arg := range w.args {
		text, _ := arg.(string)
		size += len(text)
	}
	return size
}

// send sends the writes for which somebody waits still, and fills in their answers.
func (q *writeQueue) send(ctx context.Context, batch []*pendingWrite) {
	conn, err := q.master.pool.GetContext(ctx)
	if err != nil {
		err = fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Close()
	batch = slices.DeleteFunc(slices.Clone(batch), func(w *pendingWrite) bool { return w.taken.Swap(true) })
	var replies []any
	calls := join(batch)
	if err == nil && len(batch) > 0 {
		for _, call := range calls {
			args := call[0].args
			for _, w := range call[1:] {
				args = append(args, w.args[postArgs:]...)
			}
			_ = conn.Send(call[0].command, args...) // an error of it comes again with the replies
		}
		timeout := q.master.replyTimeout(ctx)
		if wait := q.master.options.WaitSlaves; wait > 0 {
			// Newer Redis waits only for what this connection has written, and a repeated post writes nothing. This counts as a
			// write, and a slave that has it has all before it.
			if i := slices.IndexFunc(batch, func(w *pendingWrite) bool { return w.command == "EVAL" }); i >= 0 {
				_ = conn.Send("APPEND", batch[i].args[2], "")
			}
			_ = conn.Send("WAIT", wait, timeout.Milliseconds()*3/4+1) // 0 would be for ever
		}
		replies, err = redis.Values(redis.DoWithTimeout(conn, timeout, ""))
		err = q.master.classify(err, timeout)
	}
	unconfirmed := q.confirm(replies[min(len(calls), len(replies)):])
	for i, call := range calls {
		for j, w := range call {
			if w.err = err; err != nil {
				continue
			}
			w.reply = replies[i]
			refusal, refused := w.reply.(redis.Error)
			if done, ok := w.reply.([]any); ok && isPost(w) {
				w.reply = done[j : j+1]
				refusal, refused = done[j].(redis.Error)
			}
			if refused {
				w.err = q.master.classify(refusal, 0)
			} else if w.err = unconfirmed; unconfirmed != nil {
				q.unconfirmed.Inc()
			}
		}
	}
}

// confirm looks at the answers to what was sent after the writes, the last of them WAIT's. A master that too few slaves follow
// may have been replaced: its address may lead to another one by now.
func (q *writeQueue) confirm(replies []any) error {
	if len(replies) == 0 {
		return nil
	}
	if slaves, err := redis.Int(replies[len(replies)-1], nil); err == nil && slaves >= q.master.options.WaitSlaves {
		return nil
	}
	q.master.staleBefore.Store(now())
	return fmt.Errorf("%w: %v", guestbook.ErrUnconfirmed, replies)
}
