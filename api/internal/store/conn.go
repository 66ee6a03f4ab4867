package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

// conn is a connection that keeps to the deadline of whoever uses it.
type conn struct {
	redis.Conn
	socket *socket
	node   *node
	epoch  int64 // the node's when the connection was opened
}

// dial opens a connection that is ready for use.
func (n *node) dial(ctx context.Context, o Options) (redis.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	c := &conn{node: n, epoch: n.epoch.Load()}
	var err error
	c.Conn, err = redis.DialContext(dialCtx, "tcp", n.addr,
		redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
			tcp, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			c.socket = &socket{Conn: tcp}
			secured, err := c.socket.secure(ctx, o.TLS, addr)
			if err != nil {
				tcp.Close()
				return nil, err
			}
			return secured, nil
		}),
		redis.DialUsername(o.Username), redis.DialPassword(o.Password),
		redis.DialDatabase(o.Database),
		redis.DialReadTimeout(o.ReadTimeout), redis.DialWriteTimeout(o.WriteTimeout),
	)
	if err == nil {
		err = c.greet()
	}
	if err != nil {
		if c.Conn != nil {
			c.Close()
		}
		return nil, c.hint(err, o.TLS != nil)
	}
	return c, c.socket.limit(ctx)
}

// errHandshake marks what went wrong before the server could be spoken to.
var errHandshake = errors.New("TLS handshake")

// hint adds to the error of a new connection what it most likely means, where the server did not say.
func (c *conn) hint(err error, overTLS bool) error {
	var network net.Error
	silent := errors.As(err, &network) && network.Timeout()
	gone := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case c.socket == nil: // not even connected
	case errors.Is(err, errHandshake):
		if silent || gone || errors.As(err, new(tls.RecordHeaderError)) {
			return fmt.Errorf("%w (does the server speak TLS at this port?)", err)
		}
	case overTLS && gone:
		return fmt.Errorf("%w (does the server ask for a client's certificate? there is none)", err)
	case !overTLS && (gone || strings.HasPrefix(err.Error(), "redigo:")):
		return fmt.Errorf("%w (does the server want TLS at this port?)", err)
	}
	return err
}

// errUnsynced is why a slave is not read.
var errUnsynced = errors.New("the slave has not finished its first sync")

// greet makes sure that the server can be used. A slave that was never in sync with its master answers as if
// every guestbook were empty; one that was and lost its master still has what it had.
func (c *conn) greet() error {
	if c.node.role != "slave" {
		_, err := c.Do("PING")
		return err
	}
	info, err := redis.String(c.Do("INFO", "replication"))
	switch {
	case isReply(err, "NOPERM"), isReply(err, "ERR unknown command"):
		return nil // a managed Redis, which looks after its slaves itself
	case err != nil:
		return err
	// -1 stands for "never up", see INFO's master_link_down_since_seconds.
	case strings.Contains(info, "role:slave\r\n") &&
		!strings.Contains(info, "master_link_status:up\r\n") &&
		strings.Contains(info, "master_link_down_since_seconds:-1\r\n"):
		return errUnsynced
	}
	return nil
}

// reuse prepares an idle connection for a request with ctx, or says why it cannot be used any more.
func (c *conn) reuse(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return err
	}
	if err := c.socket.idle(); err != nil {
		return err
	}
	return c.socket.limit(ctx)
}

var errOutdated = errors.New("opened before the server was lost")

// Err says why the connection must not be used again: the pool closes such a connection.
func (c *conn) Err() error {
	if c.epoch != c.node.epoch.Load() {
		return errOutdated
	}
	return c.Conn.Err()
}

// Do sends one command and waits for its answer.
func (c *conn) Do(command string, args ...any) (any, error) {
	return c.checked(c.Conn.Do(command, args...))
}

// Receive waits for the answer to the next command sent.
func (c *conn) Receive() (any, error) {
	return c.checked(c.Conn.Receive())
}

// checked makes sure that the connection is not used again if its server was lost, has become a slave, or still
// reads its data in: its address may lead elsewhere by now. That goes for all connections as old as this one.
func (c *conn) checked(reply any, err error) (any, error) {
	if err == nil {
		return reply, nil
	}
	leave := c.node.role == "master" && isReply(err, "READONLY") || isReply(err, "LOADING")
	if leave || c.Conn.Err() != nil {
		c.node.epoch.CompareAndSwap(c.epoch, c.epoch+1)
	}
	return reply, err
}

// socket is a TCP connection whose deadlines never go past that of the request it serves.
type socket struct {
	net.Conn
	deadline time.Time
}

// secure limits the connection to ctx, and makes it one over TLS if there is a configuration for that.
func (s *socket) secure(ctx context.Context, config *tls.Config, addr string) (net.Conn, error) {
	if err := s.limit(ctx); err != nil || config == nil {
		return s, err
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	secured := tls.Client(s, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return secured, nil
}

// limit takes over the deadline of the request.
func (s *socket) limit(ctx context.Context) error {
	s.deadline, _ = ctx.Deadline()
	return s.SetDeadline(s.deadline)
}

// SetReadDeadline sets the earlier of t and the request's deadline.
func (s *socket) SetReadDeadline(t time.Time) error { return s.Conn.SetReadDeadline(s.earlier(t)) }

// SetWriteDeadline sets the earlier of t and the request's deadline.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.Conn.SetWriteDeadline(s.earlier(t)) }

func (s *socket) earlier(t time.Time) time.Time {
	if s.deadline.IsZero() || !t.IsZero() && t.Before(s.deadline) {
		return t
	}
	return s.deadline
}

// idle looks, without waiting, whether there is something to read. Between commands there must be nothing: an
// end of file means that the server closed the connection, as it does when it stops, and that a command
// sent now would be lost.
func (s *socket) idle() error {
	raw, err := s.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var peek [1]byte
	controlErr := raw.Control(func(fd uintptr) {
		n, _, err = syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case controlErr != nil:
		return controlErr
	case errors.Is(err, syscall.EAGAIN):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("the server closed the connection or spoke out of turn (%d bytes)", n)
}
