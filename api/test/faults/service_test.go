//go:build faults

package faults

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"guestbook/api/test/kit/must"
)

// service simulates a Service of Kubernetes. New connections go to the backends in turn. The method "to" sets the backends.
type service struct {
	listener net.Listener

	mu       sync.Mutex
	backends []string
	next     int
}

func newService(t testing.TB, backends ...string) *service {
	s := &service{backends: backends}
	s.listener = listen(t, "127.0.0.1:0", func(client net.Conn) { join(t.Context(), client, s.backend()) })
	return s
}

func (s *service) addr() string { return s.listener.Addr().String() }

func (s *service) to(backends ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backends = backends
}

// backend returns the address for the next connection, or "" if there is no backend.
func (s *service) backend() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backends) == 0 {
		return ""
	}
	s.next++
	return s.backends[s.next%len(s.backends)]
}

// listen accepts connections at an address until the test ends, and calls the function "serve" with each connection.
func listen(t testing.TB, addr string, serve func(net.Conn)) net.Listener {
	t.Helper()
	listener := must.Get(net.Listen("tcp", addr))(t)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener
}

// join copies bytes in both directions between the connection "from" and a new connection to addr, until one of the two or ctx ends. While
// a mutex in the argument "borders" is locked, join copies nothing, as if the network were cut.
func join(ctx context.Context, from net.Conn, addr string, borders ...*sync.RWMutex) {
	to, err := net.Dial("tcp", addr)
	if err != nil {
		_ = from.(*net.TCPConn).SetLinger(0) // Close sends a TCP RST, as a host without a listener does
		from.Close()
		return
	}
	end := func() {
		from.Close()
		to.Close()
	}
	defer context.AfterFunc(ctx, end)()
	defer end()
	go func() {
		defer end()
		_, _ = io.Copy(guarded{to, borders}, from)
	}()
	_, _ = io.Copy(guarded{from, borders}, to)
}

// guarded is a connection whose writes wait while one of its mutexes is locked.
type guarded struct {
	conn    net.Conn
	borders []*sync.RWMutex
}

func (g guarded) Write(b []byte) (int, error) {
	for _, border := range g.borders {
		border.RLock()
		defer border.RUnlock()
	}
	return g.conn.Write(b)
}
