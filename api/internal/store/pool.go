package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"guestbook/api/internal/guestbook"
)

// master and slave are the roles of the pools for MasterAddr and SlaveAddr. After a failover, the master's address may lead to a slave, and
// the slave's address to the master.
const master, slave = "master", "slave"

const (
	// failureMemory is the time after a failure of the slave in which reads ask the master first.
	failureMemory = time.Second
	// idleTime is the time after which the pool tests an unused connection with PING. If a connection was in use less than idleTime ago,
	// Redis cannot have restarted since then, because a restart takes longer.
	idleTime = 10 * time.Millisecond
)

// pool holds the connections to the server at one address.
type pool struct {
	*redis.Pool
	role, addr  string
	options     Options
	failures    *eventLog
	discardedAt atomic.Int64 // result of the function "uptime" in the last call of discardConnections
	failedAt    atomic.Int64 // result of the function "uptime" after the last failed command

	durations prometheus.Histogram
	errors    prometheus.Counter
}

// newPool returns a pool for the server at the address "addr". The argument "role" is master or slave. The function newPool registers the
// pool's metrics, but opens no connection before the first command. The caller must close the pool.
func newPool(role, addr string, o Options) *pool {
	metrics := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, o.Metrics))
	p := &pool{
		role: role, addr: addr, options: o,
		failures: &eventLog{log: o.Log.With("role", role, "addr", addr), began: "redis does not answer", ended: "redis answers again"},
		durations: metrics.NewHistogram(prometheus.HistogramOpts{
			Name:    "guestbook_redis_call_duration_seconds",
			Help:    "Time of one Redis command, the wait for a connection included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1, 2.5},
		}),
		errors: metrics.NewCounter(prometheus.CounterOpts{Name: "guestbook_redis_errors_total", Help: "Redis commands that failed."}),
	}
	p.failedAt.Store(-int64(failureMemory))
	p.Pool = &redis.Pool{
		MaxActive:           o.PoolSize,
		MaxIdle:             o.PoolSize, // with a smaller MaxIdle, the pool would often close a connection and open another one soon after
		Wait:                true,
		DialContext:         p.dial,
		TestOnBorrowContext: p.test,
	}
	metrics.NewGaugeFunc(prometheus.GaugeOpts{Name: "guestbook_redis_pool_connections", Help: "Open connections."}, func() float64 {
		return float64(p.ActiveCount())
	})
	return p
}

// do sends one command to the server, and returns the reply by the context's deadline. The method "do" returns errNotSent if no connection
// is available, ErrUnknown if the server sends no reply, and the error of mapError if Redis refuses the command. If a slave's reply is
// empty, "do" also sends INFO, and returns errUnsynced if the slave has not finished its first sync.
func (p *pool) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	c, err := p.get(ctx)
	if err != nil {
		return nil, p.observe(command, start, err)
	}
	defer c.Close()
	timeout := p.replyTimeout(ctx)
	reply, err := redis.DoWithTimeout(c, timeout, command, args...)
	if err = p.handleError(err, timeout); err == nil && p.role == slave && isEmpty(reply) {
		// A slave whose reply is empty may have dropped all data since the handshake.
		err = synced(redis.String(redis.DoWithTimeout(c, p.replyTimeout(ctx), "INFO", "replication")))
	}
	return reply, p.observe(command, start, err)
}

// get returns a connection of the pool, which the caller must close. If PoolSize connections are in use, "get" blocks until one is free or
// the context ends. If the context ends or the dial fails, "get" returns errNotSent, wrapped with the cause.
func (p *pool) get(ctx context.Context) (redis.Conn, error) {
	c, err := p.GetContext(ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", errNotSent, err)
	}
	return c, err
}

// test returns nil if the connection can be used. If "test" returns an error, the pool closes the connection, and takes another idle
// connection or opens a new one. The method "test" sends PING over a connection that was not used for idleTime or longer, because Redis may
// have stopped since then. The method "test" waits at most DialTimeout for the reply, so that the caller has time left to ask another
// server.
func (p *pool) test(ctx context.Context, c redis.Conn, lastUsed time.Time) error {
	if err := c.Err(); err != nil || time.Since(lastUsed) < idleTime {
		return err
	}
	_, err := redis.DoWithTimeout(c, min(p.options.DialTimeout, p.replyTimeout(ctx)), "PING")
	if err == nil || isReply(err, "") {
		return nil // a server that refuses PING is up, and its reply to the actual command explains more
	}
	p.discardConnections()
	return err
}

// discardConnections makes the pool replace all its connections, so that the next command resolves the server's host name again.
func (p *pool) discardConnections() { p.discardedAt.Store(uptime()) }

// handleError converts the error of a Redis command with mapError, and returns nil for nil. An error other than a reply of Redis also
// becomes ErrUnknown, because Redis may have executed the command. After an error that may come from a failover, handleError discards the
// open connections, because the address may now lead to another server. After a timeout shorter than ReadTimeout, handleError keeps the
// connections, because the server may only be slow; the argument "timeout" is the time for which the store waited for the reply.
func (p *pool) handleError(err error, timeout time.Duration) error {
	noReply := err != nil && !isReply(err, "")
	shorter := timeout < p.options.ReadTimeout && errors.Is(err, os.ErrDeadlineExceeded)
	err = mapError(err)
	if noReply && !shorter || isReply(err, codeLoading) ||
		p.role == master && (isReply(err, codeReadOnly) || isReply(err, codeNoSlaves)) {
		p.discardConnections()
	}
	if noReply {
		return fmt.Errorf("%w: %w", guestbook.ErrUnknown, err)
	}
	return err
}

// observe records the duration and the error of a command, and logs when a failure of the server begins or ends. An error about the data,
// or with which Redis refuses only writes, is no failure of the server. The method "observe" returns the error with the role of the server
// and the name of the command before it, or nil if err is nil.
func (p *pool) observe(command string, start time.Time, err error) error {
	p.durations.Observe(time.Since(start).Seconds())
	if isAnswer(err) || guestbook.RefusesWrites(err) {
		p.failures.update(nil)
	} else {
		p.failures.update(err)
		p.failedAt.Store(uptime())
	}
	if !isAnswer(err) && !errors.Is(err, guestbook.ErrFull) {
		p.errors.Inc()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", p.role, command, err)
	}
	return err
}

// failedRecently reports whether a command to the server failed less than failureMemory ago.
func (p *pool) failedRecently() bool { return uptime() < p.failedAt.Load()+int64(failureMemory) }

// answers returns nil if the server replies to STRLEN for a guestbook's key, even with WRONGTYPE, or else the error of the method "do". The
// method "answers" sends STRLEN instead of PING, because a node of a Redis Cluster answers PING but may refuse the key.
func (p *pool) answers(ctx context.Context, key string) error {
	_, err := p.do(ctx, "STRLEN", key)
	if errors.Is(err, guestbook.ErrWrongType) {
		return nil // the reply WRONGTYPE proves that the server answers
	}
	return err
}

// hasRole reports whether the server now has the given role, and returns false if the server does not answer INFO. The argument "role" is
// roleMaster or roleSlave.
func (p *pool) hasRole(ctx context.Context, role string) bool {
	info, err := redis.String(p.do(ctx, "INFO", "replication"))
	return err == nil && strings.Contains(info, role)
}

// eventLog logs the beginning and the end of a failure, but not each failed command in between.
type eventLog struct {
	log          *slog.Logger
	began, ended string // log messages for the beginning and the end of a failure

	mu       sync.Mutex
	last     error     // error of the last command; nil: the last command succeeded
	logged   bool      // true if the log has a message about the current failure
	loggedAt time.Time // time of the last log message about a failure
}

// update records the error of a command, or nil after a success. The method "update" logs a failure at most every five seconds, and logs
// the end of a failure only if it has logged the failure.
func (l *eventLog) update(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = err
	switch {
	case err == nil && l.logged:
		l.logged = false
		l.log.Info(l.ended)
	case err != nil && time.Since(l.loggedAt) > 5*time.Second:
		l.logged, l.loggedAt = true, time.Now()
		l.log.Warn(l.began, "error", err)
	}
}

// current returns the error that the last call of "update" got: nil after a success, and before the first call.
func (l *eventLog) current() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
