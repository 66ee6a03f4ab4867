package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

type connection struct {
	redis.ConnWithTimeout
	pool     *pool
	dialedAt int64 // result of the function "uptime" at the beginning of the dial
}

var (
	errDiscarded = errors.New("opened before the server was lost")
	errMaster    = errors.New("the slaves' address leads to the master")
	errNoMaster  = errors.New("the master's address leads to a slave: check REDIS_MASTER_ADDR")
	// errNotSent means that the command was not sent to Redis, so that it was certainly not executed.
	errNotSent = errors.New("not sent")
)

// Err returns nil if the pool may use the connection again, or an error if the pool must close the connection. The error is errDiscarded if
// the connection was dialed before the last call of discardConnections, or else the error that broke the connection.
func (c *connection) Err() error {
	if c.dialedAt < c.pool.discardedAt.Load() {
		return errDiscarded
	}
	return c.ConnWithTimeout.Err()
}

// dial returns a connection after a successful handshake, or the error of the last attempt. If the handshake returns errMaster, because it
// finds the master instead of a slave, "dial" makes up to eight attempts. Each attempt may reach another pod of the slaves' Service.
func (p *pool) dial(ctx context.Context) (c redis.Conn, err error) {
	for range 8 {
		if c, err = p.dialOnce(ctx); !errors.Is(err, errMaster) {
			break
		}
	}
	return c, err
}

// dialOnce dials the server once, and returns a connection after the method "handshake" has accepted the server. DialTimeout limits all
// steps together. If a step fails, dialOnce closes the connection and returns the step's error, converted with mapError if it is a reply of
// Redis, or with a hint about TLS if the error does not name its cause.
func (p *pool) dialOnce(ctx context.Context) (redis.Conn, error) {
	o := p.options
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	config, err := o.TLS()
	if err != nil {
		return nil, err
	}
	dial := new(net.Dialer).DialContext
	if config != nil {
		dial = (&tls.Dialer{Config: config}).DialContext // redigo's own TLS handshake would not end with the context
	}
	timeout, dialedAt := p.replyTimeout(ctx), uptime()
	dialed, err := redis.DialContext(ctx, "tcp", p.addr, redis.DialContextFunc(dial),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password), redis.DialDatabase(o.Database),
		redis.DialReadTimeout(timeout), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		if err = p.handshake(ctx, dialed); err == nil {
			return &connection{ConnWithTimeout: dialed.(redis.ConnWithTimeout), pool: p, dialedAt: dialedAt}, nil
		}
		dialed.Close()
	}
	var network *net.OpError
	switch {
	case isReply(err, ""), errors.Is(err, errUnsynced), errors.Is(err, errMaster), errors.Is(err, errNoMaster), errors.As(err, new(*tls.CertificateVerificationError)),
		errors.As(err, &network) && network.Op == "dial", config == nil && (errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil):
		return nil, mapError(err) // the error names the cause, so dialOnce adds no hint about TLS
	}
	return nil, fmt.Errorf("%w (TLS here: %t. Does the server speak TLS at this port? With a client's certificate?)", err, config != nil)
}

// handshake returns nil if the store may use the server. A slave that was never in sync with its master cannot be used (errUnsynced),
// because such a slave answers as if every guestbook were empty. A slave that was in sync and has lost its master can be used, because the
// slave still has its copy of the data. If WaitSlaves is set, "handshake" returns errNoMaster for a slave at the master's address, and
// errMaster for a master at the slave's address. If Redis forbids INFO, "handshake" accepts the server without these checks. The method
// "handshake" also returns the error of PING to the master, except MISCONF, or of INFO to the slave.
func (p *pool) handshake(ctx context.Context, c redis.Conn) error {
	if p.role == master {
		if p.options.WaitSlaves > 0 {
			// The handshake fails if the server has become a slave, because HAProxy (k8s/ha) soon closes all connections to a former
			// master.
			if info, _ := redis.String(redis.DoWithTimeout(c, p.replyTimeout(ctx), "INFO", "replication")); strings.Contains(info, roleSlave) {
				return errNoMaster
			}
		}
		_, err := redis.DoWithTimeout(c, p.replyTimeout(ctx), "PING")
		if isReply(err, codeMisconf) {
			return nil // MISCONF means that Redis cannot write to its disk, but still answers reads
		}
		return err
	}
	info, err := redis.String(redis.DoWithTimeout(c, p.replyTimeout(ctx), "INFO", "replication"))
	if p.options.WaitSlaves > 0 && strings.Contains(info, roleMaster) {
		return errMaster // the API prefers to read from slaves, because an entry that only the master has can still be lost
	}
	return synced(info, err)
}

// replyTimeout returns the shorter of ReadTimeout and the time until the context's deadline, or one nanosecond if the deadline has passed.
func (p *pool) replyTimeout(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return min(p.options.ReadTimeout, max(time.Until(deadline), 1)) // with a timeout of 0, redigo would wait forever
}

// uptime returns the nanoseconds since this process started, by the monotonic clock.
func uptime() int64 { return int64(time.Since(started)) }

var started = time.Now()
