//go:build faults

package faults

import (
	"io"
	"net"
	"sync"
	"testing"

	"guestbook/api/test/kit/must"
)

// connections holds the open connections of a TCP relay. The zero value of "connections" is ready for use.
type connections struct {
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// join copies bytes in both directions between the connection "from" and a new connection to addr, until one of the two ends. The function
// "may", if not nil, is called before each write. If "may" returns false, "join" ends.
func (c *connections) join(from net.Conn, addr string, may func() bool) {
	to, err := net.Dial("tcp", addr)
	if err != nil {
		reset(from)
		return
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		if c.open == nil {
			c.open = map[net.Conn]bool{}
		}
		c.open[from], c.open[to] = true, true
	}
	c.mu.Unlock()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			defer func() { ended <- struct{}{} }()
			if may == nil {
				_, _ = io.Copy(way[1], way[0])
				return
			}
			piece := make([]byte, 64<<10)
			for {
				n, err := way[0].Read(piece)
				if !may() || n == 0 && err != nil {
					return
				}
				if _, writeErr := way[1].Write(piece[:n]); writeErr != nil || err != nil {
					return
				}
			}
		}()
	}
	if !closed {
		<-ended
	}
	from.Close()
	to.Close()
	<-ended
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, from)
	delete(c.open, to)
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		conn.Close()
	}
}

func accept(t testing.TB, listener net.Listener, serve func(net.Conn)) {
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	t.Cleanup(func() { listener.Close() })
}

// reset closes the connection with a TCP RST, as a host without a listener does.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// service stands for a Service of Kubernetes. New connections go to the backends in turn. Open connections stay at their backends.
type service struct {
	connections
	listener net.Listener
	backends []string
	next     int
}

func newService(t testing.TB, backends ...string) *service {
	s := &service{listener: must.Get(net.Listen("tcp", "127.0.0.1:0"))(t), backends: backends}
	t.Cleanup(s.close)
	accept(t, s.listener, func(client net.Conn) {
		s.mu.Lock()
		if len(s.backends) == 0 {
			s.mu.Unlock()
			reset(client)
			return
		}
		s.next++
		backend := s.backends[s.next%len(s.backends)]
		s.mu.Unlock()
		s.join(client, backend, nil)
	})
	return s
}

func (s *service) addr() string { return s.listener.Addr().String() }

func (s *service) to(backends ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backends = backends
}
