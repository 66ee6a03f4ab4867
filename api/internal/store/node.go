package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// cooldown is how long a node that failed is asked last: reads that the other node can answer need not wait for it.
const cooldown = time.Second

// node is the Redis of one role, master or slave, at one address.
type node struct {
	role, addr string
	options    Options
	pool       *redis.Pool
	trouble    *trouble
	// A connection that was dialed before staleBefore is not used again, so that the next command resolves the address
	// anew. Both are times of the clock that now reads.
	staleBefore, cooldownUntil atomic.Int64

	duration prometheus.Histogram
	failures prometheus.Counter
}

// now is the time in nanoseconds since the process started. Setting the machine's clock does not change it.
func now() int64 { return int64(time.Since(started)) }

var started = time.Now()

func newNode(role, addr string, o Options) *node {
	label := prometheus.Labels{"role": role}
	n := &node{
		role: role, addr: addr, options: o,
		trouble: newTrouble(o.Log, role, addr, "redis does not answer", "redis answers again"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "guestbook_redis_call_duration_seconds", ConstLabels: label,
			Help:    "Time of one Redis command, the wait for a connection included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1, 2.5},
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "guestbook_redis_errors_total", ConstLabels: label,
			Help: "Redis commands that failed.",
		}),
	}
	n.pool = &redis.Pool{
		MaxActive:    o.PoolSize,
		MaxIdle:      o.PoolSize, // with fewer, connections would be closed and opened all the time
		Wait:         true,
		DialContext:  n.dial,
		TestOnBorrow: func(c redis.Conn, _ time.Time) error { return c.(*redisConn).checkIdle() },
	}
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guestbook_redis_pool_connections", ConstLabels: label, Help: "Open connections.",
	}, func() float64 { return float64(n.pool.ActiveCount()) })
	o.Metrics.MustRegister(n.duration, n.failures, connections)
	return n
}

// do runs one command until the context's deadline.
func (n *node) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	c, err := n.pool.GetContext(ctx)
	if err != nil {
		return nil, n.record(command, start, fmt.Errorf("get a connection: %w", err))
	}
	defer c.Close()
	timeout := n.replyTimeout(ctx)
	reply, err := redis.DoWithTimeout(c, timeout, command, args...)
	if err = n.classify(err, timeout); err == nil && n.role == "slave" && isEmpty(reply) {
		// Since the handshake it may have dropped what it had.
		err = synced(redis.String(redis.DoWithTimeout(c, timeout, "INFO", "replication")))
	}
	return reply, n.record(command, start, err)
}

// replyTimeout is how long to wait for an answer: REDIS_READ_TIMEOUT, or less if the context ends before.
func (n *node) replyTimeout(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return min(n.options.ReadTimeout, max(time.Until(deadline), 1)) // 0 would be for ever
}

// classify gives the error of a command its meaning. When that says that the server is gone, still loads its data, has become
// a slave or has lost its slaves, the address may lead to another one by now: the open connections are stale. A timeout shorter than
// usual says nothing of the kind.
func (n *node) classify(err error, timeout time.Duration) error {
	noReply := err != nil && !isReply(err, "")
	hasty := timeout < n.options.ReadTimeout && errors.Is(err, os.ErrDeadlineExceeded)
	err = mapError(err)
	if noReply && !hasty || isReply(err, codeLoading) ||
		n.role == "master" && (isReply(err, codeReadOnly) || isReply(err, codeNoSlaves)) {
		n.staleBefore.Store(now())
	}
	if noReply {
		// Redis may have carried out what was sent, or not.
		return fmt.Errorf("%w: %w", guestbook.ErrUnknown, err)
	}
	return err
}

// record counts a command and its error, and gives the error with the node's and the command's name.
func (n *node) record(command string, start time.Time, err error) error {
	n.duration.Observe(time.Since(start).Seconds())
	if conclusive(err) || guestbook.RefusesWrites(err) {
		n.trouble.report(nil)
	} else {
		n.trouble.report(err)
		n.cooldownUntil.Store(now() + int64(cooldown))
	}
	if !conclusive(err) && !errors.Is(err, guestbook.ErrFull) {
		n.failures.Inc()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", n.role, command, err)
	}
	return err
}

func (n *node) coolingDown() bool { return now() < n.cooldownUntil.Load() }

// conclusive says whether err is an answer to what was asked, be it that what was asked for is not there. Another node
// would answer the same.
func conclusive(err error) bool {
	return err == nil || errors.Is(err, guestbook.ErrWrongType) || errors.Is(err, guestbook.ErrForbidden) ||
		errors.Is(err, guestbook.ErrNoEntry) || errors.Is(err, guestbook.ErrTooLong)
}

// ping asks what is cheapest of that which tells whether requests for the key would be answered. PING would not do: a
// node of a cluster answers it, and so does a Redis whose user may not read the key.
func (n *node) ping(ctx context.Context, key string) error {
	_, err := n.do(ctx, "STRLEN", key)
	if errors.Is(err, guestbook.ErrWrongType) {
		return nil // it answers
	}
	return err
}

// hasRole says whether the node has this role now, whatever it should have: roleMaster or roleSlave.
func (n *node) hasRole(ctx context.Context, role string) bool {
	info, err := redis.String(n.do(ctx, "INFO", "replication"))
	return err == nil && strings.Contains(info, role)
}
