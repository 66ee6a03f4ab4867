// Package store keeps guestbooks in Redis: one string for each, written on the master and read from a slave.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// Options say where Redis is and how long to wait for it.
type Options struct {
	MasterAddr, SlaveAddr string // host:port
	Username, Password    string
	TLS                   *tls.Config // nil: no TLS
	Database              int
	PoolSize              int           // most connections to each of master and slaves
	DialTimeout           time.Duration // for a connection, its TLS and its greeting together
	ReadTimeout           time.Duration // for one answer
	WriteTimeout          time.Duration // for one command
	Log                   *slog.Logger
	Metrics               prometheus.Registerer
}

// Store is safe for concurrent use. Every method wants a context with a deadline, and ends at that.
type Store struct {
	master, slave *node
	writes        line // to the master
	fallbacks     prometheus.Counter
}

// New makes a store. It connects when it is first used.
func New(o Options) *Store {
	s := &Store{
		master: newNode("master", o.MasterAddr, o),
		slave:  newNode("slave", o.SlaveAddr, o),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "guestbook_redis_fallbacks_total",
			Help: "Reads answered by the master because no slave could.",
		}),
	}
	s.writes.node = s.master
	o.Metrics.MustRegister(s.fallbacks)
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

// write runs a command on the master. When the master's address leads to a slave, the two may have swapped their
// roles: the slaves' address leads to the master then.
func (s *Store) write(ctx context.Context, command string, args ...any) (any, error) {
	reply, err := s.writes.do(ctx, command, args...)
	if isReply(err, "READONLY") && s.slave.isMaster(ctx) {
		return s.slave.do(ctx, command, args...)
	}
	return reply, err
}

// Get reads what key holds, nil where there is no such key: from a slave, or from the master when no slave answers.
func (s *Store) Get(ctx context.Context, key string) (value []byte, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		value, err = redis.Bytes(n.do(ctx, "GET", key))
		if errors.Is(err, redis.ErrNil) {
			value, err = nil, nil
		}
		return err
	})
	return value, err
}

// read asks a slave, and the master when no slave answers or when the slave does not hold what is asked for: it may
// only be behind. A slave that has just failed is asked only if the master fails, too.
func (s *Store) read(ctx context.Context, ask func(context.Context, *node) error) error {
	if s.slave.resting() {
		err := askInTime(ctx, s.master, ask)
		if answered(err) {
			s.fallbacks.Inc()
			return err
		}
		if slaveErr := ask(ctx, s.slave); answered(slaveErr) && !errors.Is(slaveErr, guestbook.ErrNoEntry) {
			return slaveErr
		}
		return err
	}
	err := askInTime(ctx, s.slave, ask)
	if answered(err) && !errors.Is(err, guestbook.ErrNoEntry) {
		return err
	}
	masterErr := ask(ctx, s.master)
	switch {
	case !answered(masterErr):
		return errors.Join(unanswered(err), masterErr)
	case !answered(err):
		s.fallbacks.Inc()
	}
	return masterErr
}

// askInTime asks the first of two, for three quarters of the time: a silent server takes all connections of its pool,
// and who waits for one must have time left to ask the other.
func askInTime(ctx context.Context, n *node, ask func(context.Context, *node) error) error {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
	defer cancel()
	return ask(ctx, n)
}

// answered says whether Redis has answered, be it that what was asked for is not there.
func answered(err error) bool {
	return err == nil || errors.Is(err, guestbook.ErrWrongType) || errors.Is(err, guestbook.ErrForbidden) || errors.Is(err, guestbook.ErrNoEntry)
}

// unanswered drops an answer that does not count because nobody could confirm it.
func unanswered(err error) error {
	if answered(err) {
		return nil
	}
	return err
}

// Ping says for master and slave whether a command would reach them now: nil, or why not.
func (s *Store) Ping(ctx context.Context) (master, slave error) {
	slaveDone := make(chan error, 1)
	go func() {
		_, err := s.slave.do(ctx, "PING")
		slaveDone <- err
	}()
	_, master = s.master.do(ctx, "PING")
	return master, <-slaveDone
}

// meaning finds the meaning here of what a Redis answered.
func meaning(err error) error {
	reply := redis.Error("")
	if !errors.As(err, &reply) {
		return err
	}
	switch text := string(reply); {
	case strings.Contains(text, "WRONGTYPE"):
		return guestbook.ErrWrongType
	case strings.HasPrefix(text, "OOM"), strings.Contains(text, "string exceeds maximum allowed size"):
		return guestbook.ErrFull
	case strings.HasPrefix(text, "NOPERM") && strings.Contains(text, " key"): // not: "to run the 'get' command"
		return guestbook.ErrForbidden
	case strings.HasPrefix(text, "ERR unknown command"):
		// It goes on with the command's arguments: the password, or what somebody has written.
		command, _, _ := strings.Cut(text, ", with args")
		return redis.Error(command)
	}
	return err
}
