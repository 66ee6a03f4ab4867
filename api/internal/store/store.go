// Package store keeps guestbooks in Redis: one string for each, written on the master and read from a slave.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// Options say where Redis is and how long to wait for it, each as the environment's variable of that name does.
type Options struct {
	MasterAddr   string                `envconfig:"REDIS_MASTER_ADDR" desc:"host:port of the master, whatever GET_HOSTS_FROM says: a managed Redis"`
	SlaveAddr    string                `envconfig:"REDIS_SLAVE_ADDR" desc:"host:port of the slaves, likewise"`
	Username     string                `envconfig:"REDIS_USERNAME" desc:"ACL user, where Redis has users"`
	Password     string                `envconfig:"REDIS_PASSWORD" desc:"password, the same for master and slaves"`
	Database     int                   `envconfig:"REDIS_DB" default:"0" desc:"number of the Redis database"`
	PoolSize     int                   `envconfig:"REDIS_POOL_SIZE" default:"64" desc:"most connections to the master, and to the slaves"`
	DialTimeout  time.Duration         `envconfig:"REDIS_DIAL_TIMEOUT" default:"500ms" desc:"longest wait for a connection to Redis"`
	ReadTimeout  time.Duration         `envconfig:"REDIS_READ_TIMEOUT" default:"1s" desc:"longest wait for an answer of Redis"`
	WriteTimeout time.Duration         `envconfig:"REDIS_WRITE_TIMEOUT" default:"500ms" desc:"longest wait for Redis to take a command"`
	TLS          *tls.Config           `ignored:"true"` // nil: no TLS
	Log          *slog.Logger          `ignored:"true"`
	Metrics      prometheus.Registerer `ignored:"true"`
}

// Store is safe for concurrent use. Every method wants a context with a deadline, and ends at that.
type Store struct {
	master, slave *node
	writes        line     // to the master
	refusal       *trouble // why Redis, which can be read, stores nothing
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
	s.refusal = &trouble{log: o.Log.With("role", "master", "addr", o.MasterAddr), began: "redis takes no messages", ended: "redis takes messages again"}
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
	if isReply(err, codeReadOnly) && s.slave.hasRole(ctx, roleMaster) {
		reply, err = s.slave.do(ctx, command, args...)
	}
	if err == nil || guestbook.RefusesWrites(err) {
		s.refusal.report(err)
	}
	return reply, err
}

// Get reads what key holds, "" where there is no such key: from a slave, or from the master when no slave answers.
func (s *Store) Get(ctx context.Context, key string) (value string, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		value, err = redis.String(n.do(ctx, "GET", key))
		if errors.Is(err, redis.ErrNil) {
			err = nil
		}
		return err
	})
	return value, err
}

// read asks a slave, and the master when no slave answers or when the slave does not hold what is asked for: it may
// only be behind. A slave that has just failed is asked only if the master fails, too.
func (s *Store) read(ctx context.Context, ask func(context.Context, *node) error) error {
	first, second := s.slave, s.master
	if s.slave.resting() {
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
		case answered(err): // but the slave may have been behind
			return secondErr
		case answered(secondErr) && !final:
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
	return answered(err) && (n == s.master || !errors.Is(err, guestbook.ErrNoEntry))
}

// answered says whether Redis has answered, be it that what was asked for is not there.
func answered(err error) bool {
	return err == nil || errors.Is(err, guestbook.ErrWrongType) || errors.Is(err, guestbook.ErrForbidden) || errors.Is(err, guestbook.ErrNoEntry)
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
	if last := s.refusal.now(); master == nil && last != nil {
		master = fmt.Errorf("the last write: %w", last)
	}
	return master, <-slaveDone
}

// ping asks what costs least of that which tells whether requests for the key would be answered. PING does not: a node
// of a cluster answers it, and so does a Redis that forbids its user the key.
func (n *node) ping(ctx context.Context, key string) error {
	_, err := n.do(ctx, "STRLEN", key)
	if errors.Is(err, guestbook.ErrWrongType) {
		return nil // it answers
	}
	return err
}
