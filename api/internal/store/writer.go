package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

const (
	// maxBatchBytes and maxBatchCommands bound how much the writer sends at once, because Redis answers nobody else meanwhile.
	maxBatchBytes, maxBatchCommands = 64 << 10, 64
)

// writer sends all writes to the master over one connection at a time: while it waits for the answers to one batch, the next
// commands queue up for the next batch. So a hundred visitors cost hardly more round trips than one.
type writer struct {
	master      *pool
	waitSlaves  int
	queue       chan *write
	stop        context.CancelFunc
	stopped     chan struct{} // closed when run has returned
	unconfirmed prometheus.Counter
}

// write is a command that waits for its answer.
type write struct {
	command string
	args    []any
	answer  chan answer // has room for the one answer, so that the writer never waits for the caller
}

type answer struct {
	reply any
	err   error
}

var errNotSent = errors.New("not sent in time")

func newWriter(master *pool, o Options) *writer {
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{
		master: master, waitSlaves: o.WaitSlaves, queue: make(chan *write), stop: stop, stopped: make(chan struct{}),
		unconfirmed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "guestbook_redis_unconfirmed_total",
			Help: "Writes that too few slaves confirmed in time.",
		}),
	}
	o.Metrics.MustRegister(w.unconfirmed)
	go w.run(ctx)
	return w
}

func (w *writer) close() {
	w.stop()
	<-w.stopped
}

// do queues one command and returns its reply. If the context ends before the writer has taken the command, nothing was
// stored; if it ends later, the error is ErrUnknown.
func (w *writer) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	sent := &write{command: command, args: args, answer: make(chan answer, 1)}
	var a answer
	select {
	case w.queue <- sent:
		select {
		case a = <-sent.answer:
		case <-ctx.Done():
			a.err = guestbook.ErrUnknown
		}
	case <-ctx.Done():
		a.err = errNotSent
	}
	return a.reply, w.master.observe(command, start, a.err)
}

// run sends what is in the queue until the writer is closed.
func (w *writer) run(ctx context.Context) {
	defer close(w.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-w.queue:
			connectCtx, cancel := context.WithTimeout(ctx, w.master.options.DialTimeout+w.master.options.ReadTimeout)
			conn, err := w.master.get(connectCtx) // before more commands are taken: until then they count as not sent
			cancel()
			batch := w.take(first)
			answers := make([]answer, len(batch))
			if err == nil {
				w.exchange(conn, batch, answers)
			}
			conn.Close()
			for i, one := range batch {
				one.answer <- answer{answers[i].reply, cmp.Or(err, answers[i].err)}
			}
		}
	}
}

// take returns the batch that begins with first and goes on with the commands that wait in the queue now.
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

// size returns about how many bytes the command has.
func (w *write) size() (size int) {
	for _, arg := range w.args {
		text, _ := arg.(string)
		size += len(text)
	}
	return size
}

// exchange sends the batch and fills in its answers.
func (w *writer) exchange(conn redis.Conn, batch []*write, answers []answer) {
	for _, one := range batch {
		_ = conn.Send(one.command, one.args...) // receive returns its error
	}
	timeout := w.master.options.ReadTimeout
	if w.waitSlaves > 0 {
		// WAIT waits for the last write of this connection, and the repeat of a post writes nothing. An APPEND of nothing is
		// a write, and a slave that has it has all writes before it.
		_ = conn.Send("APPEND", w.bookOf(batch[0]), "")
		_ = conn.Send("WAIT", w.waitSlaves, timeout.Milliseconds()*3/4+1) // 0 would be for ever
	}
	_ = conn.Flush()
	deadline := time.Now().Add(timeout)
	receive := func() (a answer) {
		a.reply, a.err = redis.ReceiveWithTimeout(conn, max(time.Until(deadline), 1)) // 0 would be for ever
		a.err = w.master.handleError(a.err, timeout)
		return a
	}
	for i := range answers {
		answers[i] = receive()
	}
	if w.waitSlaves > 0 {
		_ = receive() // APPEND's
		if err := w.confirmed(receive()); err != nil {
			for i := range answers {
				if answers[i].err == nil {
					w.unconfirmed.Inc()
					answers[i].err = err
				}
			}
		}
	}
}

// bookOf returns the key of the book that a command writes to.
func (w *writer) bookOf(one *write) any {
	if one.command == "EVAL" {
		return one.args[2]
	}
	return one.args[0]
}

// confirmed returns nil if enough slaves have the batch, by WAIT's answer. If too few follow the master, another may have
// taken its place, so confirmed closes the connections to it.
func (w *writer) confirmed(wait answer) error {
	slaves, err := redis.Int(wait.reply, wait.err)
	if err == nil && slaves >= w.waitSlaves {
		return nil
	}
	w.master.discardConnections()
	return errors.Join(fmt.Errorf("%w: %d slaves have it, of %d", guestbook.ErrUnconfirmed, slaves, w.waitSlaves), err)
}
