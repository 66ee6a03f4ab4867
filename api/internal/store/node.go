package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// node is the Redis of one role, master or slave, at one address.
type node struct {
	role, addr string
	pool       *redis.Pool
	// epoch counts the times that this node turned out to be gone or to have changed its role. Connections
	// of an earlier epoch are not used again, so that the next command resolves the address anew.
	epoch     atomic.Int64
	health    health
	restUntil atomic.Int64 // in nanoseconds since 1970

	duration prometheus.Observer
	failures prometheus.Counter
}

func newNode(role, addr string, o Options) *node {
	n := &node{role: role, addr: addr, health: health{log: o.Log.With("role", role, "addr", addr)}}
	n.pool = &redis.Pool{
		MaxActive: o.PoolSize,
		MaxIdle:   o.PoolSize, // with fewer, connections would be closed and opened all the time
		Wait:      true,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return n.dial(ctx, o)
		},
		TestOnBorrowContext: func(ctx context.Context, c redis.Conn, _ time.Time) error {
			return c.(*conn).reuse(ctx)
		},
	}
	n.register(o.Metrics)
	return n
}

// register publishes this node's metrics.
func (n *node) register(metrics prometheus.Registerer) {
	label := prometheus.Labels{"role": n.role}
	duration := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "guestbook_redis_call_duration_seconds", ConstLabels: label,
		Help:    "Time of one Redis command, the wait for a connection included.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1, 2.5},
	})
	n.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "guestbook_redis_errors_total", ConstLabels: label,
		Help: "Redis commands that failed.",
	})
	n.duration = duration
	stat := func(name, help string, value func(redis.PoolStats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "guestbook_redis_pool_" + name, Help: help, ConstLabels: label},
			func() float64 { return value(n.pool.Stats()) })
	}
	metrics.MustRegister(duration, n.failures,
		stat("connections", "Open connections.", func(s redis.PoolStats) float64 { return float64(s.ActiveCount) }),
		stat("idle_connections", "Open connections that are not in use.", func(s redis.PoolStats) float64 { return float64(s.IdleCount) }),
		stat("waits", "Times that a command had to wait for a connection.", func(s redis.PoolStats) float64 { return float64(s.WaitCount) }),
		stat("wait_seconds", "Time that commands waited for connections.", func(s redis.PoolStats) float64 { return s.WaitDuration.Seconds() }),
	)
}

// do runs one command until the context's deadline.
func (n *node) do(ctx context.Context, command string, args ...any) (any, error) {
	return n.run(ctx, command, func(c redis.Conn) (any, error) { return c.Do(command, args...) })
}

// run lends a connection to exchange, until the context's deadline. The name is for errors.
func (n *node) run(ctx context.Context, name string, exchange func(redis.Conn) (any, error)) (any, error) {
	start := time.Now()
	reply, err := n.try(ctx, exchange)
	return reply, n.note(name, time.Since(start), err)
}

// note takes in how a command went, and gives its error with its meaning and its name.
func (n *node) note(name string, took time.Duration, err error) error {
	n.duration.Observe(took.Seconds())
	if err == nil {
		n.health.note(nil)
		return nil
	}
	err = fmt.Errorf("%s %s: %w", n.role, name, meaning(err))
	if errors.Is(err, guestbook.ErrWrongType) || errors.Is(err, guestbook.ErrForbidden) || errors.Is(err, guestbook.ErrFull) || isReply(err, "NOSCRIPT") {
		n.health.note(nil)
	} else {
		n.failures.Inc()
		n.health.note(err)
		n.restUntil.Store(time.Now().Add(rest).UnixNano())
	}
	return err
}

// rest is how long a slave that failed is left alone: reads that the master can answer need not wait for it.
const rest = time.Second

func (n *node) resting() bool { return time.Now().UnixNano() < n.restUntil.Load() }

func (n *node) try(ctx context.Context, exchange func(redis.Conn) (any, error)) (any, error) {
	c, err := n.pool.GetContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a connection: %w", err)
	}
	defer c.Close()
	reply, err := exchange(c)
	if err != nil && c.Err() != nil && !isReply(err, "") {
		// What was sent may have been done, or not.
		err = fmt.Errorf("%w: %w", guestbook.ErrUnknown, err)
	}
	return reply, err
}

// health logs that a node stopped to answer and that it answers again: not every failure of thousands.
type health struct {
	log *slog.Logger

	down   atomic.Bool
	mu     sync.Mutex
	logged time.Time
}

// note takes in how the last command went. A change is logged, but no more than one a second; trouble that
// lasts, every ten seconds.
func (h *health) note(err error) {
	down := err != nil
	if !down && !h.down.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	silence := time.Second
	if down == h.down.Load() {
		silence = 10 * time.Second
	}
	if time.Since(h.logged) < silence {
		return
	}
	h.logged = time.Now()
	h.down.Store(down)
	if down {
		h.log.Warn("redis does not answer", "error", err)
	} else {
		h.log.Info("redis answers again")
	}
}

// isMaster says whether the node is a master now, whatever it should be.
func (n *node) isMaster(ctx context.Context) bool {
	info, err := redis.String(n.do(ctx, "INFO", "replication"))
	return err == nil && strings.Contains(info, "role:master\r\n")
}

// isReply says whether err is an error that Redis answered with and that starts with the code.
func isReply(err error, code string) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply) && strings.HasPrefix(string(reply), code)
}
