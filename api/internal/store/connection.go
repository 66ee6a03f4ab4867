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

// connection is a connection of a pool, which can discard it before it fails.
type connection struct {
	redis.ConnWithTimeout
	pool     *pool
	dialedAt int64 // uptime
}

var (
	errDiscarded = errors.New("opened before the server was lost")
	errMaster    = errors.New("the slaves' address leads to the master")
	// errNotSent means that the command was not sent.
	errNotSent = errors.New("not sent")
)

// Err returns nil if the connection can be used again. The pool closes every other connection.
func (c *connection) Err() error {
	if c.dialedAt < c.pool.discardedAt.Load() {
		return errDiscarded
	}
	return c.ConnWithTimeout.Err()
}

// dial returns a connection that is ready for use. With WaitSlaves, dial tries up to eight times if the slaves' address leads
// to the master, because the next connection most likely leads to a slave.
func (p *pool) dial(ctx context.Context) (c redis.Conn, err error) {
	for range 8 {
		if c, err = p.dialOnce(ctx); !errors.Is(err, errMaster) {
			break
		}
	}
	return c, err
}

func (p *pool) dialOnce(ctx context.Context) (redis.Conn, error) {
	o := p.options
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	if o.TLS != nil && o.RootCAs != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.RootCAs = o.RootCAs()
	}
	deadline, _ := ctx.Deadline()
	timeout := max(time.Until(deadline), 1) // 0 would be for ever
	dialedAt := uptime()
	dialed, err := redis.DialContext(ctx, "tcp", p.addr,
		redis.DialUseTLS(o.TLS != nil), redis.DialTLSConfig(o.TLS), redis.DialTLSHandshakeTimeout(timeout),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password), redis.DialDatabase(o.Database),
		redis.DialReadTimeout(timeout), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		if err = p.handshake(dialed); err == nil {
			return &connection{ConnWithTimeout: dialed.(redis.ConnWithTimeout), pool: p, dialedAt: dialedAt}, nil
		}
		dialed.Close()
	}
	var network *net.OpError
	switch {
	case isReply(err, ""), errors.Is(err, errUnsynced), errors.Is(err, errMaster), errors.Is(err, errNoMaster), errors.As(err, new(*tls.CertificateVerificationError)),
		errors.As(err, &network) && network.Op == "dial", o.TLS == nil && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, mapError(err) // the error itself says what is wrong
	}
	return nil, fmt.Errorf("%w (TLS here: %t. Does the server speak TLS at this port? With a client's certificate?)", err, o.TLS != nil)
}

// handshake returns nil if the server can be used. A slave that was never in sync with its master answers as if every guestbook
// were empty, so it cannot. A slave that was in sync and lost its master still has its copy.
func (p *pool) handshake(c redis.Conn) error {
	if p.role == master {
		if p.options.WaitSlaves > 0 {
			// If another server is the master by now, a proxy is about to end this connection, and a write might get no answer.
			if info, _ := redis.String(c.Do("INFO", "replication")); strings.Contains(info, roleSlave) {
				return errNoMaster
			}
		}
		_, err := c.Do("PING")
		if isReply(err, codeMisconf) {
			return nil // the master can be read, and answers each write with this error
		}
		return err
	}
	info, err := redis.String(c.Do("INFO", "replication"))
	if p.options.WaitSlaves > 0 && strings.Contains(info, roleMaster) {
		return errMaster // an entry that no slave has yet may be lost with the master, so nobody must have seen it
	}
	return synced(info, err)
}
