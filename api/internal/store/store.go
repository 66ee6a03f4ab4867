// Package store keeps each guestbook in Redis as one string. The package "store" writes to the master and reads from a slave. The package
// "store" sends only commands that Redis 2.8 knows, unless a setting needs a newer Redis.
//
// Calls between the files of the package "store" run in one direction: book.go, store.go, batch.go, pool.go, connection.go, replies.go.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"guestbook/api/internal/guestbook"
)

// Options are the addresses and credentials of Redis, and the timeouts of commands.
type Options struct {
	MasterAddr, SlaveAddr string // host:port
	Username, Password    string // for master and slave; empty: none
	Database              int
	PoolSize              int                         // greatest number of connections to each of MasterAddr and SlaveAddr
	WaitSlaves            int                         // number of slaves that must confirm a write; 0: none
	DialTimeout           time.Duration               // longest time for dialing Redis and the handshake
	ReadTimeout           time.Duration               // longest time until a reply of Redis
	WriteTimeout          time.Duration               // longest time for sending a command
	TLS                   func() (*tls.Config, error) // called for each new connection; a nil configuration means no TLS
	Log                   *slog.Logger
	Metrics               prometheus.Registerer
}

// Store is safe for concurrent use. Every method of Store needs a context with a deadline, and returns by the context's deadline.
type Store struct {
	master, slave *pool
	writer        *writer   // sends all writes to the master
	refusedWrites *eventLog // logs when the master refuses writes, and when it accepts writes again
	fallbacks     prometheus.Counter
}

// New returns a store that connects to Redis at the first call of a method. New registers the store's metrics in o.Metrics, and starts the
// goroutine that sends all writes. The caller must call Close, which stops the goroutine.
func New(o Options) *Store {
	masterLog := o.Log.With("role", master, "addr", o.MasterAddr)
	s := &Store{
		master:        newPool(master, o.MasterAddr, o),
		slave:         newPool(slave, o.SlaveAddr, o),
		refusedWrites: &eventLog{log: masterLog, began: "redis takes no messages", ended: "redis takes messages again"},
		fallbacks:     promauto.With(o.Metrics).NewCounter(prometheus.CounterOpts{Name: "guestbook_redis_fallbacks_total", Help: "Reads answered by the master because no slave could."}),
	}
	s.writer = newWriter(s.master, o)
	return s
}

// Close stops the writer, waits for the replies to its current batch, and closes all idle connections. Close returns the errors of the
// pools. No method of Store may be called after Close.
func (s *Store) Close() error {
	s.writer.close()
	return errors.Join(s.master.Close(), s.slave.Close())
}

// write sends a command to the master, and returns the reply and the error of the last attempt. The reply READONLY means that the server at
// the master's address has become a slave. After the reply READONLY, "write" opens a new connection to the master's address and sends the
// command again. After a second READONLY, "write" sends the command to the slave's address if INFO says that the server there is a master,
// because master and slave may have swapped roles. If WaitSlaves is set, as with high availability, "write" never tries the slave's
// address, but repeats the command every 20 milliseconds after READONLY, NOREPLICAS and errNotSent, until the context ends, because another
// server may soon become the master. The method "write" also records for Ping whether the master refuses writes.
func (s *Store) write(ctx context.Context, command string, args ...any) (any, error) {
	reply, err := s.writer.do(ctx, command, args...)
	if s.writer.waitSlaves == 0 && isReply(err, codeReadOnly) {
		reply, err = s.writer.do(ctx, command, args...)
	}
	for s.writer.waitSlaves > 0 && (isReply(err, codeReadOnly) || isReply(err, codeNoSlaves) || errors.Is(err, errNotSent)) && pause(ctx) {
		reply, err = s.writer.do(ctx, command, args...)
	}
	if isReply(err, codeReadOnly) && s.writer.waitSlaves == 0 && s.slave.hasRole(ctx, roleMaster) {
		reply, err = s.slave.do(ctx, command, args...)
	}
	if err == nil || guestbook.RefusesWrites(err) {
		s.refusedWrites.update(err)
	}
	return reply, err
}

// read calls the function "ask" with the pool of the slave, of the master, or with both in turn. The method "read" returns nil or an error
// about the data, such as ErrNoEntry, if a server answers, or else the errors of the servers that failed. If WaitSlaves is set, as with
// high availability, the method "read" retries until the context's deadline, because another Redis soon replaces a failed Redis.
func (s *Store) read(ctx context.Context, ask func(context.Context, *pool) error) error {
	err := s.readOnce(ctx, ask)
	for s.writer.waitSlaves > 0 && !isAnswer(err) && pause(ctx) {
		err = s.readOnce(ctx, ask)
	}
	return err
}

// pause blocks for 20 milliseconds, or until the context's deadline if less time is left, even if the context is cancelled meanwhile. The
// function "pause" then reports whether the context has not ended, so that the caller may retry.
func pause(ctx context.Context) bool {
	deadline, _ := ctx.Deadline()
	time.Sleep(min(20*time.Millisecond, time.Until(deadline)))
	return ctx.Err() == nil
}

// readOnce asks the slave first. If the slave fails, or has not received a requested entry yet, readOnce asks the master. If the slave
// failed less than failureMemory ago, readOnce asks the master first. The method readOnce returns the result of the server that answered,
// or else the errors of the servers that failed.
func (s *Store) readOnce(ctx context.Context, ask func(context.Context, *pool) error) error {
	servers := [2]*pool{s.slave, s.master}
	if s.slave.failedRecently() {
		servers = [2]*pool{s.master, s.slave}
	}
	// The first server must answer within three quarters of the time, so that readOnce can still ask the second server.
	deadline, _ := ctx.Deadline()
	askCtx, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
	defer cancel()
	var failures []error
	for i, server := range servers {
		err := ask(askCtx, server)
		askCtx = ctx
		switch {
		case !isAnswer(err):
			failures = append(failures, err)
		case server == s.slave && errors.Is(err, guestbook.ErrNoEntry):
		default:
			if server == s.master && (i == 0 || len(failures) > 0) {
				s.fallbacks.Inc()
			}
			return err
		}
	}
	return errors.Join(failures...)
}

// Ping tests whether the master and the slave answer requests for a guestbook's key. masterErr is the error of the master, or nil. slaveErr
// is the error of the slave, or nil. If the master's address leads to a slave, and the slave's address does not lead to a master, masterErr
// is errNoMaster. If the master answers reads but has refused the last write, masterErr is the error of this write.
func (s *Store) Ping(ctx context.Context, key string) (masterErr, slaveErr error) {
	slaveDone := make(chan error, 1)
	go func() { slaveDone <- s.slave.answers(ctx, key) }()
	masterErr = s.master.answers(ctx, key)
	if masterErr == nil && s.master.hasRole(ctx, roleSlave) && !s.slave.hasRole(ctx, roleMaster) {
		masterErr = errNoMaster
	}
	if refused := s.refusedWrites.current(); masterErr == nil && refused != nil {
		masterErr = fmt.Errorf("the last write: %w", refused)
	}
	return masterErr, <-slaveDone
}
