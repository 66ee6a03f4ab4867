// Package store keeps guestbooks in Redis: one string for each, written on the master and read from a slave. It sends only
// commands that Redis 2.8 knows, unless a setting asks for more.
//
// The calls between its files run one way: book.go (the methods for a book) → store.go (the choice of the server) → writer.go (writes
// share a connection) → pool.go → connection.go → replies.go (the meaning of Redis's words).
package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"guestbook/api/internal/guestbook"
)

// Options say where Redis is and how long to wait for it.
type Options struct {
	MasterAddr, SlaveAddr string // host:port
	Username, Password    string // of both; empty: none
	Database              int
	PoolSize              int           // most connections to each
	WaitSlaves            int           // slaves that must have a write before it is acknowledged
	DialTimeout           time.Duration // for a connection that is ready for use
	ReadTimeout           time.Duration // for an answer
	WriteTimeout          time.Duration // for sending a command
	TLS                   *tls.Config   // nil: no TLS
	// RootCAs returns the authorities that a new connection trusts; nil: those of TLS.
	RootCAs func() *x509.CertPool
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Store is safe for concurrent use. Every method needs a context with a deadline, and returns by then.
type Store struct {
	master, slave *pool
	writer        *writer   // to the master
	refusedWrites *eventLog // of a master that can be read and stores nothing
	fallbacks     prometheus.Counter
	waitSlaves    int
}

// New returns a store. It connects when it is first used.
func New(o Options) *Store {
	s := &Store{
		master:        newPool(master, o.MasterAddr, o),
		slave:         newPool(slave, o.SlaveAddr, o),
		refusedWrites: newEventLog(o.Log, master, o.MasterAddr, "redis takes no messages", "redis takes messages again"),
		fallbacks: promauto.With(o.Metrics).NewCounter(prometheus.CounterOpts{
			Name: "guestbook_redis_fallbacks_total",
			Help: "Reads answered by the master because no slave could.",
		}),
		waitSlaves: o.WaitSlaves,
	}
	s.writer = newWriter(s.master, o)
	return s
}

// Close ends the writer and closes all idle connections. No method may be called after Close.
func (s *Store) Close() error {
	s.writer.close()
	return errors.Join(s.master.Close(), s.slave.Close())
}

// write runs a command on the master. If the server replies READONLY, it has become a slave and its connections are closed by
// then, so write sends the command again, to the server that the master's address leads to now. If that server is a slave as well,
// write tries the slaves' address, because the two may have swapped roles. With WaitSlaves, write repeats a command that certainly
// was not stored until the context's deadline, because another server may be about to become the master.
func (s *Store) write(ctx context.Context, command string, args ...any) (any, error) {
	reply, err := s.writer.do(ctx, command, args...)
	if s.waitSlaves == 0 && isReply(err, codeReadOnly) {
		reply, err = s.writer.do(ctx, command, args...)
	}
	for s.waitSlaves > 0 && (isReply(err, codeReadOnly) || isReply(err, codeNoSlaves) || errors.Is(err, errNotSent)) && pause(ctx) {
		reply, err = s.writer.do(ctx, command, args...)
	}
	if isReply(err, codeReadOnly) && s.waitSlaves == 0 && s.slave.hasRole(ctx, roleMaster) {
		reply, err = s.slave.do(ctx, command, args...)
	}
	if err == nil || guestbook.RefusesWrites(err) {
		s.refusedWrites.update(err)
	}
	return reply, err
}

// read calls ask with the server to read from. With WaitSlaves it repeats until the context's deadline, because another server
// may take the place of one that fails.
func (s *Store) read(ctx context.Context, ask func(context.Context, *pool) error) error {
	for {
		err := s.readOnce(ctx, ask)
		if isAnswer(err) || s.waitSlaves == 0 || !pause(ctx) {
			return err
		}
	}
}

// pause blocks for the time between two tries, and reports false if the context ends first.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// readOnce asks the slave, and then the master if the slave fails or does not hold the entry asked for, which it may not have
// received yet. It asks a slave that failed recently after the master.
func (s *Store) readOnce(ctx context.Context, ask func(context.Context, *pool) error) error {
	servers := [2]*pool{s.slave, s.master}
	if s.slave.failedRecently() {
		servers = [2]*pool{s.master, s.slave}
	}
	// A silent server takes all connections of its pool. A caller that waits for one must have time left to ask the other server.
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

var errNoMaster = errors.New("the master's address leads to a slave: check REDIS_MASTER_ADDR")

// Ping returns, for master and slave, the error with which requests for the key would fail now. masterErr is also the error of the
// last write, if the master refused it and can be read.
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
