package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

// redisConn is a connection to a node.
type redisConn struct {
	redis.ConnWithTimeout
	node     *node
	tcp      *net.TCPConn
	dialedAt int64 // on the clock that now reads
}

// dial opens a connection that is ready for use. Where slaves are waited for, the slaves' address may lead to the master:
// then it dials again, as the next connection most likely leads to a slave, at most eight times in all.
func (n *node) dial(ctx context.Context) (c redis.Conn, err error) {
	for range 8 {
		if c, err = n.dialOnce(ctx); !errors.Is(err, errMaster) {
			break
		}
	}
	return c, err
}

func (n *node) dialOnce(ctx context.Context) (redis.Conn, error) {
	o := n.options
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if o.TLS != nil && o.RootCAs != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.RootCAs = o.RootCAs()
	}
	c := &redisConn{node: n, dialedAt: now()}
	dialed, err := redis.DialContext(ctx, "tcp", n.addr,
		redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			c.tcp = conn.(*net.TCPConn)
			return conn, conn.SetDeadline(deadline) // for the TLS handshake
		}),
		redis.DialUseTLS(o.TLS != nil), redis.DialTLSConfig(o.TLS),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password), redis.DialDatabase(o.Database),
		redis.DialReadTimeout(time.Until(deadline)), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		c.ConnWithTimeout = dialed.(redis.ConnWithTimeout)
		if err = c.handshake(); err != nil {
			c.Close()
		}
	}
	switch {
	case err == nil:
		return c, nil
	case c.tcp == nil, isReply(err, ""), errors.Is(err, errUnsynced), errors.Is(err, errMaster), o.TLS == nil && errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, new(*tls.CertificateVerificationError)):
		return nil, mapError(err) // which says what is wrong
	}
	return nil, fmt.Errorf("%w (TLS here: %t. Does the server speak TLS at this port? With a client's certificate?)", err, o.TLS != nil)
}

var (
	errStale  = errors.New("opened before the server was lost")
	errMaster = errors.New("the slaves' address leads to the master")
	errClosed = errors.New("the server closed the connection or spoke out of turn")
)

// handshake makes sure that the server can be used. A slave that was never in sync with its master answers as if every
// guestbook were empty. One that was in sync and lost its master still has what it had.
func (c *redisConn) handshake() error {
	if c.node.role == "master" {
		_, err := c.Do("PING")
		if isReply(err, codeMisconf) {
			return nil // it can be read, and says itself that it takes no messages
		}
		return err
	}
	info, err := redis.String(c.Do("INFO", "replication"))
	if c.node.options.WaitSlaves > 0 && strings.Contains(info, roleMaster) {
		return errMaster // what no slave has yet may be lost with it: nobody must have seen that
	}
	return synced(info, err)
}

// Err says why the connection must not be used again. The pool closes such a connection.
func (c *redisConn) Err() error {
	if c.dialedAt < c.node.staleBefore.Load() {
		return errStale
	}
	return c.ConnWithTimeout.Err()
}

// checkIdle looks, without waiting, whether there is something to read, and says why the connection cannot be used. Between
// two commands there must be nothing to read. An end of file means that the server has closed the connection, as it does
// when it stops: a command sent now would be lost.
func (c *redisConn) checkIdle() error {
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
	return errors.Join(errClosed, err, controlErr)
}
