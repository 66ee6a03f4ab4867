// Package store keeps guestbooks in Redis: one string for each, written on the master and read from a slave.
package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// Options say where Redis is and how long to wait for it.
type Options struct {
	MasterAddr, SlaveAddr string // host:port
	Username, Password    string // of both; "": none
	Database              int
	PoolSize              int // most connections to each
	WaitSlaves            int // that have a write, too, before it is acknowledged
	DialTimeout           time.Duration
	ReadTimeout           time.Duration // for an answer
	WriteTimeout          time.Duration // for sending a command
	TLS                   *tls.Config   // nil: no TLS
	// RootCAs returns the authorities that a new connection trusts; nil: those of TLS.
	RootCAs func() *x509.CertPool
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Store is safe for concurrent use. Every method wants a context with a deadline, and ends at that.
type Store struct {
	master, slave *node
	writes        writeQueue // to the master
	refusal       *trouble   // why Redis, which can be read, stores nothing
	fallbacks     prometheus.Counter
}

// New makes a store. It connects when it is first used.
func New(o Options) *Store {
	s := &Store{
		master:  newNode("master", o.MasterAddr, o),
		slave:   newNode("slave", o.SlaveAddr, o),
		refusal: newTrouble(o.Log, "master", o.MasterAddr, "redis takes no messages", "redis takes messages again"),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "guestbook_redis_fallbacks_total",
			Help: "Reads answered by the master because no slave could.",
		}),
	}
	s.writes.master, s.writes.unconfirmed = s.master, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "guestbook_redis_unconfirmed_total",
		Help: "Writes that too few slaves confirmed in time.",
	})
	o.Metrics.MustRegister(s.fallbacks, s.writes.unconfirmed)
	return s
}

// Close closes all idle connections.
func (s *Store) Close() error {
	return errors.Join(s.master.pool.Close(), s.slave.pool.Close())
}

// Set makes value all that key holds.
func (s *Store) Set(ctx context.Context, key, value string) error {
	_, err := s.write(ctx, "SET", key, value)
	return err
}

// write runs a command on the master. A server that answers READONLY has become a slave, and the connections to it are
// closed by then. So the command is sent again, to where the master's address leads now; and if that is still a slave, to
// the slaves' address, should that lead to the master: the two may have swapped roles.
func (s *Store) write(ctx context.Context, command string, args ...any) (any, error) {
	reply, err := s.writes.do(ctx, command, args...)
	if isReply(err, codeReadOnly) {
		reply, err = s.writes.do(ctx, command, args...)
	}
	if isReply(err, codeReadOnly) && s.slave.options.WaitSlaves == 0 && s.slave.hasRole(ctx, roleMaster) {
		reply, err = s.slave.do(ctx, command, args...)
	}
	if err == nil || guestbook.RefusesWrites(err) {
		s.refusal.report(err)
	}
	return reply, err
}

// Get reads what key holds, "" where there is no such key: from a slave, or from the master when no slave answers.
// ErrTooLong means that it has more bytes than limit.
func (s *Store) Get(ctx context.Context, key string, limit int) (value string, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		value, err = n.get(ctx, key, limit)
		return err
	})
	return value, err
}

func (n *node) get(ctx context.Context, key string, limit int) (string, error) {
	value, err := redis.String(n.do(ctx, "GETRANGE", key, 0, limit)) // a byte more than the limit
	if len(value) > limit {
		return "", guestbook.ErrTooLong
	}
	return value, err
}

// read asks for an answer; where slaves are waited for, again and again: another may take the place of a server that fails.
func (s *Store) read(ctx context.Context, ask func(context.Context, *node) error) error {
	for {
		err := s.readOnce(ctx, ask)
		if conclusive(err) || s.slave.options.WaitSlaves == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// readOnce asks the slave, and then the master if the slave does not answer or does not hold what is asked for: it may only be
// behind. A slave that has just failed is asked last.
func (s *Store) readOnce(ctx context.Context, ask func(context.Context, *node) error) error {
	first, second := s.slave, s.master
	if s.slave.coolingDown() {
		first, second = second, first
	}
	// A silent server takes all connections of its pool, and who waits for one must have time left to ask the other.
	deadline, _ := ctx.Deadline()
	firstCtx, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
	defer cancel()
	err := ask(firstCtx, first)
	if !s.final(first, err) {
		secondErr := ask(ctx, second)
		switch final := s.final(second, secondErr); {
		case conclusive(err): // but the slave may have been behind
			return secondErr
		case conclusive(secondErr) && !final:
			return err
		case !final:
			return errors.Join(err, secondErr)
		}
		first, err = second, secondErr
	}
	if first == s.master {
		s.fallbacks.Inc()
	}
	return err
}

// final says whether a read ends with what the node has answered.
func (s *Store) final(n *node, err error) bool {
	return conclusive(err) && (n == s.master || !errors.Is(err, guestbook.ErrNoEntry))
}

var errNoMaster = errors.New("the master's address leads to a slave: check REDIS_MASTER_ADDR")

// Ping says for master and slave whether they can be asked for the key now: nil, or why not. Of a master that can be read
// it says, too, why it refused the last write.
func (s *Store) Ping(ctx context.Context, key string) (master, slave error) {
	slaveDone := make(chan error, 1)
	go func() { slaveDone <- s.slave.ping(ctx, key) }()
	master = s.master.ping(ctx, key)
	if master == nil && s.master.hasRole(ctx, roleSlave) && !s.slave.hasRole(ctx, roleMaster) {
		master = errNoMaster
	}
	if refusal := s.refusal.current(); master == nil && refusal != nil {
		master = fmt.Errorf("the last write: %w", refusal)
	}
	return master, <-slaveDone
}
