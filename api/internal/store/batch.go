package store

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"guestbook/api/internal/guestbook"
)

// maxBatchBytes and maxBatchCommands limit a batch of commands, because Redis serves no other connection during a batch.
const maxBatchBytes, maxBatchCommands = 64 << 10, 64

// writer sends all writes to the master in batches, over one connection at a time. During one batch, further commands queue up for the next
// batch, so that a hundred visitors cost hardly more round trips than one visitor.
type writer struct {
	master      *pool
	waitSlaves  int
	queue       chan *write
	stop        context.CancelFunc
	running     sync.WaitGroup
	unconfirmed prometheus.Counter
}

// write is a queued command and its reply.
type write struct {
	command string
	args    []any
	reply   any
	err     error
	done    chan struct{} // closed once the fields "reply" and "err" are set
}

// newWriter returns a writer and starts the goroutine that sends the queued commands to the master. The caller must call "close", which
// stops the goroutine.
func newWriter(master *pool, o Options) *writer {
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{
		master: master, waitSlaves: o.WaitSlaves, queue: make(chan *write), stop: stop,
		unconfirmed: promauto.With(o.Metrics).NewCounter(prometheus.CounterOpts{Name: "guestbook_redis_unconfirmed_total", Help: "Writes that too few slaves confirmed in time."}),
	}
	w.running.Go(func() { w.run(ctx) })
	return w
}

// close stops the goroutine of newWriter, and blocks until the current batch has its replies or errors. A command that is still in the
// queue stays there until its context ends.
func (w *writer) close() {
	w.stop()
	w.running.Wait()
}

// do queues one command, blocks until Redis has answered the command, and returns the reply. If the context ends while the command is still
// in the queue, or if no connection is available, "do" returns errNotSent. If the context ends after the command has left the queue, or if
// the connection fails, "do" returns ErrUnknown. The method "do" also returns the error with which Redis refused the command, or
// ErrUnconfirmed.
func (w *writer) do(ctx context.Context, command string, args ...any) (reply any, err error) {
	start := time.Now()
	queued := &write{command: command, args: args, done: make(chan struct{})}
	select {
	case w.queue <- queued:
		select {
		case <-queued.done:
			reply, err = queued.reply, queued.err
		case <-ctx.Done():
			err = guestbook.ErrUnknown
		}
	case <-ctx.Done():
		err = errNotSent
	}
	return reply, w.master.observe(command, start, err)
}

// run sends the queued commands to Redis until the writer is closed, which ends the context. Commands that are still in the queue are then
// not sent.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-w.queue:
			w.send(ctx, first)
		}
	}
}

// send makes a batch of the command "first" and of queued commands, sends the batch to Redis, and closes the channel "done" of each command
// after Redis's replies. If no connection is available within DialTimeout plus ReadTimeout, each command of the batch gets the error
// errNotSent.
func (w *writer) send(ctx context.Context, first *write) {
	ctx, cancel := context.WithTimeout(ctx, w.master.options.DialTimeout+w.master.options.ReadTimeout)
	defer cancel()
	conn, err := w.master.get(ctx) // while "get" waits, the other commands stay in the queue, and are certainly not sent
	batch := w.take(first)
	if err == nil {
		w.exchange(conn, batch)
		conn.Close()
	}
	for _, one := range batch {
		one.err = cmp.Or(err, one.err)
		close(one.done)
	}
}

// take returns a batch of the command "first" and of the commands that are in the queue now, without waiting for further commands. The
// batch ends after maxBatchCommands commands, or once it has maxBatchBytes bytes or more.
func (w *writer) take(first *write) []*write {
	batch, size := []*write{first}, first.size()
	for size < maxBatchBytes && len(batch) < maxBatchCommands {
		select {
		case next := <-w.queue:
			batch, size = append(batch, next), size+next.size()
		default:
			return batch
		}
	}
	return batch
}

// size returns the total number of bytes in the command's string arguments, such as keys, scripts and entries. The command's name and
// numbers do not count.
func (w *write) size() (size int) {
	for _, arg := range w.args {
		text, _ := arg.(string)
		size += len(text)
	}
	return size
}

// exchange sends the batch to Redis, and stores the replies and errors in the batch. A command without a reply within ReadTimeout gets the
// error ErrUnknown. If WaitSlaves is set, "exchange" sends the command WAIT after the batch, so that Redis waits, up to three quarters of
// ReadTimeout, until enough slaves have confirmed the batch. If too few slaves confirm the batch, each write that Redis has executed gets
// the error ErrUnconfirmed.
func (w *writer) exchange(conn redis.Conn, batch []*write) {
	timeout := w.master.options.ReadTimeout
	commands := batch
	wait := &write{command: "WAIT", args: []any{w.waitSlaves, timeout.Milliseconds()*3/4 + 1}} // with a timeout of 0, WAIT would wait forever
	if w.waitSlaves > 0 {
		commands = append(commands, wait)
	}
	for _, one := range commands {
		// If Send fails, ReceiveWithTimeout, below, returns the error.
		_ = conn.Send(one.command, one.args...)
	}
	_ = conn.Flush()
	deadline := time.Now().Add(timeout)
	for _, one := range commands {
		one.reply, one.err = redis.ReceiveWithTimeout(conn, max(time.Until(deadline), 1)) // with a timeout of 0, redigo would wait forever
		one.err = w.master.handleError(one.err, timeout)
	}
	if slaves, err := redis.Int(wait.reply, wait.err); w.waitSlaves > 0 && (err != nil || slaves < w.waitSlaves) {
		w.master.discardConnections() // another server may be the master now
		for _, one := range batch {
			if one.err == nil {
				w.unconfirmed.Inc()
				one.err = fmt.Errorf("%w: %d slaves of %d have it", guestbook.ErrUnconfirmed, slaves, w.waitSlaves)
			}
		}
	}
}
