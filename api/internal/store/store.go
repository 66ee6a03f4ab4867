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

// Store is safe for concurrent use. Every method ends at its context's deadline.
type Store struct {
	master, slave *node
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
	reply, err := s.master.do(ctx, command, args...)
	if isReply(err, "READONLY") && s.slave.isMaster(ctx) {
		return s.slave.do(ctx, command, args...)
	}
	return reply, err
}

// Get reads what key holds, nil where there is no such key: from a slave, or from the master when no slave answers.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := redis.Bytes(s.read(ctx, "GET", key))
	if errors.Is(err, redis.ErrNil) {
		return nil, nil
	}
	return value, err
}

// read asks a slave, and the master when no slave answers.
func (s *Store) read(ctx context.Context, command string, args ...any) (any, error) {
	reply, err := s.slave.do(ctx, command, args...)
	if err == nil || errors.Is(err, guestbook.ErrWrongType) {
		return reply, err
	}
	reply, masterErr := s.master.do(ctx, command, args...)
	return reply, s.fellBack(err, masterErr)
}

// fellBack counts a read that the master answered because no slave could, or gives both errors.
func (s *Store) fellBack(slaveErr, masterErr error) error {
	if masterErr != nil {
		return errors.Join(slaveErr, masterErr)
	}
	s.fallbacks.Inc()
	return nil
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
	}
	return err
}
