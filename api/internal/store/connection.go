package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
)

// connection is a connection that can be discarded before it fails.
type connection struct {
	redis.ConnWithTimeout
	dialedAt  int64 // uptime
	discarded *atomic.Int64
	idle      bool // for longer than idleTime when the pool gave it out, and not used since
}

// idleTime is the pause after which PING goes before the next command. A server takes longer than this to stop and start.
const idleTime = 10 * time.Millisecond

// ping is the command that sends PING over a connection that was idle, and nothing over another.
const ping = ""

var (
	errDiscarded = errors.New("opened before the server was lost")
	errMaster    = errors.New("the slaves' address leads to the master")
	// errNoConnection means that the command was not sent.
	errNoConnection = errors.New("get a connection")
)

// Err returns why the connection must not be used again. The pool closes such a connection.
func (c *connection) Err() error {
	if c.dialedAt < c.discarded.Load() {
		return errDiscarded
	}
	return c.ConnWithTimeout.Err()
}

// borrow takes note of when the connection was last used, and returns why it must not be used again.
func (c *connection) borrow(lastUsed time.Time) error {
	c.idle = time.Since(lastUsed) > idleTime
	return c.Err()
}

// DoWithTimeout sends a command, or only the PING of an idle connection if the command is ping.
func (c *connection) DoWithTimeout(timeout time.Duration, command string, args ...any) (any, error) {
	if command != ping {
		return c.ConnWithTimeout.DoWithTimeout(timeout, command, args...)
	}
	if c.idle {
		c.idle = false
		if _, err := c.ConnWithTimeout.DoWithTimeout(timeout, "PING"); err != nil && !isReply(err, "") {
			return nil, err
		}
	}
	return nil, nil // a server that refuses PING is there, and says more when it is asked more
}

// dial returns a connection that is ready for use. With WaitSlaves, dial tries up to eight times if the slaves' address leads
// to the master, because the next connection most likely leads to a slave.
func dial(ctx context.Context, role, addr string, o Options, discarded *atomic.Int64) (c redis.Conn, err error) {
	for range 8 {
		if c, err = dialOnce(ctx, role, addr, o, discarded); !errors.Is(err, errMaster) {
			break
		}
	}
	return c, err
}

func dialOnce(ctx context.Context, role, addr string, o Options, discarded *atomic.Int64) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	if o.TLS != nil && o.RootCAs != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.RootCAs = o.RootCAs()
	}
	deadline, _ := ctx.Deadline()
	timeout := max(time.Until(deadline), 1) // 0 would be for ever
	dialedAt := uptime()
	dialed, err := redis.DialContext(ctx, "tcp", addr,
		redis.DialUseTLS(o.TLS != nil), redis.DialTLSConfig(o.TLS), redis.DialTLSHandshakeTimeout(timeout),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password), redis.DialDatabase(o.Database),
		redis.DialReadTimeout(timeout), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		if err = handshake(dialed, role, o.WaitSlaves > 0); err == nil {
			return &connection{ConnWithTimeout: dialed.(redis.ConnWithTimeout), dialedAt: dialedAt, discarded: discarded}, nil
		}
		dialed.Close()
	}
	var network *net.OpError
	switch {
	case isReply(err, ""), errors.Is(err, errUnsynced), errors.Is(err, errMaster), errors.Is(err, errNoMaster), errors.As(err, new(*tls.CertificateVerificationError)),
		errors.As(err, &network) && network.Op == "dial", o.TLS == nil && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, mapError(err) // which says what is wrong
	}
	return nil, fmt.Errorf("%w (TLS here: %t. Does the server speak TLS at this port? With a client's certificate?)", err, o.TLS != nil)
}

// handshake returns an error unless the server can be used. A slave that was never in sync with its master answers as if every
// guestbook were empty. A slave that was in sync and lost its master still has its copy.
func handshake(c redis.Conn, role string, waitSlaves bool) error {
	if role == master {
		if waitSlaves {
			// If another server is the master by now, a proxy is about to end this connection, and a write might get no answer.
			if info, _ := redis.String(c.Do("INFO", "replication")); strings.Contains(info, roleSlave) {
				return errNoMaster
			}
		}
		_, err := c.Do("PING")
		if isReply(err, codeMisconf) {
			return nil // the master can be read, and says itself that it takes no messages
		}
		return err
	}
	info, err := redis.String(c.Do("INFO", "replication"))
	if waitSlaves && strings.Contains(info, roleMaster) {
		return errMaster // an entry that no slave has yet may be lost with the master, so nobody must have seen it
	}
	return synced(info, err)
}
