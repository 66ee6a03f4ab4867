package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// node is the Redis of one role, master or slave, at one address.
type node struct {
	role, addr string
	options    Options
	pool       *redis.Pool
	// lost is when this node turned out to be gone or to have changed its role. Connections that are older are not
	// used again, so that the next command resolves the address anew. All such times are in nanoseconds
	// since 1970.
	lost, restUntil atomic.Int64

	trouble *trouble

	duration prometheus.Histogram
	failures prometheus.Counter
}

func newNode(role, addr string, o Options) *node {
	label := prometheus.Labels{"role": role}
	n := &node{
		role: role, addr: addr, options: o,
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
	n.trouble = &trouble{log: o.Log.With("role", role, "addr", addr), began: "redis does not answer", ended: "redis answers again"}
	n.pool = &redis.Pool{
		MaxActive:    o.PoolSize,
		MaxIdle:      o.PoolSize, // with fewer, connections would be closed and opened all the time
		Wait:         true,
		DialContext:  n.dial,
		TestOnBorrow: func(c redis.Conn, _ time.Time) error { return c.(*conn).reusable() },
	}
	stat := func(name, help string, value func(redis.PoolStats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "guestbook_redis_pool_" + name, Help: help, ConstLabels: label},
			func() float64 { return value(n.pool.Stats()) })
	}
	o.Metrics.MustRegister(n.duration, n.failures,
		stat("connections", "Open connections.", func(s redis.PoolStats) float64 { return float64(s.ActiveCount) }),
		stat("idle_connections", "Open connections that are not in use.", func(s redis.PoolStats) float64 { return float64(s.IdleCount) }),
		stat("waits", "Times that a command had to wait for a connection.", func(s redis.PoolStats) float64 { return float64(s.WaitCount) }),
		stat("wait_seconds", "Time that commands waited for connections.", func(s redis.PoolStats) float64 { return s.WaitDuration.Seconds() }),
	)
	return n
}

// do runs one command until the context's deadline.
func (n *node) do(ctx context.Context, command string, args ...any) (any, error) {
	start := time.Now()
	c, err := n.pool.GetContext(ctx)
	if err != nil {
		return nil, n.note(command, start, fmt.Errorf("get a connection: %w", err))
	}
	defer c.Close()
	reply, err := redis.DoWithTimeout(c, n.patience(ctx), command, args...)
	return reply, n.note(command, start, n.judge(err))
}

// patience is how long to wait for an answer.
func (n *node) patience(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return min(n.options.ReadTimeout, max(time.Until(deadline), 1)) // 0 would be for ever
}

// judge gives the error of a command its meaning, and takes in what that says of the server. That was lost, has become a
// slave, or still reads its data in: its address may lead elsewhere by now.
func (n *node) judge(err error) error {
	lost := err != nil && !isReply(err, "")
	err = classify(err)
	if lost || isReply(err, codeLoading) || n.role == "master" && isReply(err, codeReadOnly) {
		n.lost.Store(time.Now().UnixNano())
	}
	if lost {
		// What was sent may have been done, or not.
		return fmt.Errorf("%w: %w", guestbook.ErrUnknown, err)
	}
	return err
}

// rest is how long a slave that failed is left alone: reads that the master can answer need not wait for it.
const rest = time.Second

func (n *node) resting() bool { return time.Now().UnixNano() < n.restUntil.Load() }

// note takes in how a command went, and gives its error with its name.
func (n *node) note(command string, start time.Time, err error) error {
	n.duration.Observe(time.Since(start).Seconds())
	if answered(err) || guestbook.RefusesWrites(err) {
		n.trouble.report(nil)
	} else {
		n.trouble.report(err)
		n.restUntil.Store(time.Now().Add(rest).UnixNano())
	}
	if !answered(err) && !errors.Is(err, guestbook.ErrFull) {
		n.failures.Inc()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", n.role, command, err)
	}
	return err
}

// trouble is what is wrong with a node, or with writing to it. The log tells when it begins and when it has ended.
type trouble struct {
	log          *slog.Logger
	began, ended string

	mu     sync.Mutex
	last   error     // nil: nothing is wrong
	told   bool      // that it began
	warned time.Time // when that was
}

// quiet is how long nothing is logged about the trouble of a node after something was.
const quiet = 5 * time.Second

// report takes in how a command went. It does not log every failure of thousands.
func (t *trouble) report(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = err
	switch {
	case err == nil && t.told:
		t.told = false
		t.log.Info(t.ended)
	case err != nil && time.Since(t.warned) > quiet:
		t.told, t.warned = true, time.Now()
		t.log.Warn(t.began, "error", err)
	}
}

func (t *trouble) now() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// hasRole says whether the node has this role now, whatever it should have: roleMaster or roleSlave.
func (n *node) hasRole(ctx context.Context, role string) bool {
	info, err := redis.String(n.do(ctx, "INFO", "replication"))
	return err == nil && strings.Contains(info, role)
}

// conn is a connection of a node.
type conn struct {
	redis.ConnWithTimeout
	node   *node
	tcp    *net.TCPConn
	opened int64
}

// dial opens a connection that is ready for use.
func (n *node) dial(ctx context.Context) (redis.Conn, error) {
	o := n.options
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c := &conn{node: n, opened: time.Now().UnixNano()}
	opened, err := redis.DialContext(ctx, "tcp", n.addr,
		redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
			opened, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			c.tcp = opened.(*net.TCPConn)
			return opened, opened.SetDeadline(deadline) // for the TLS handshake
		}),
		redis.DialUseTLS(o.TLS != nil), redis.DialTLSConfig(o.TLS),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password), redis.DialDatabase(o.Database),
		redis.DialReadTimeout(time.Until(deadline)), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		c.ConnWithTimeout = opened.(redis.ConnWithTimeout)
		if err = c.greet(); err != nil {
			c.Close()
		}
	}
	switch {
	case err == nil:
		return c, nil
	case c.tcp == nil, isReply(err, ""), errors.Is(err, errUnsynced), o.TLS == nil && errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, new(*tls.CertificateVerificationError)):
		return nil, classify(err) // which says what is wrong
	}
	return nil, fmt.Errorf("%w (TLS here: %t. Does the server speak TLS at this port? With a client's certificate?)", err, o.TLS != nil)
}

// errUnsynced is why a slave is not read.
var errUnsynced = errors.New("the slave has not finished its first sync")

// greet makes sure that the server can be used. A slave that was never in sync with its master answers as if
// every guestbook were empty; one that was and lost its master still has what it had.
func (c *conn) greet() error {
	if c.node.role != "slave" {
		_, err := c.Do("PING")
		if isReply(err, codeMisconf) {
			return nil // it can be read, and says itself that it takes no messages
		}
		return err
	}
	info, err := redis.String(c.Do("INFO", "replication"))
	switch {
	case isReply(err, codeNoPerm), isReply(err, codeUnknown):
		return nil // a managed Redis, which looks after its slaves itself
	case err != nil:
		return err
	case neverSynced(info):
		return errUnsynced
	}
	return nil
}

var errOutdated = errors.New("opened before the server was lost")

// Err says why the connection must not be used again: the pool closes such a connection.
func (c *conn) Err() error {
	if c.opened < c.node.lost.Load() {
		return errOutdated
	}
	return c.ConnWithTimeout.Err()
}

// reusable looks, without waiting, whether there is something to read: nil, or why the connection cannot be used.
// Between commands there must be nothing: an end of file means that the server closed the connection, as it does
// when it stops, and that a command sent now would be lost.
func (c *conn) reusable() error {
	if err := c.Err(); err != nil {
		return err
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		_, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if errors.Is(err, syscall.EAGAIN) {
		return controlErr
	}
	return errors.Join(errors.New("the server closed the connection or spoke out of turn"), err, controlErr)
}
