//go:build faults

package faults

import (
	"io"
	"net"
	"sync"
	"testing"
)

// service stands for a Service of Kubernetes: each new connection goes to one of the backends, in turn. Connections
// that are open stay where they are when the backends change.
type service struct {
	listener net.Listener

	mu       sync.Mutex
	backends []string
	next     int
	open     map[net.Conn]bool
}

func newService(t *testing.T, backends ...string) *service {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{listener: listener, backends: backends, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.forward(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		for c := range s.open {
			c.Close()
		}
		s.open = nil
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

func (s *service) addr() string { return s.listener.Addr().String() }

// to changes the backends for the connections to come.
func (s *service) to(backends ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backends = backends
}

func (s *service) forward(client net.Conn) {
	defer client.Close()
	s.mu.Lock()
	if len(s.backends) == 0 {
		s.mu.Unlock()
		reset(client)
		return
	}
	s.next++
	addr := s.backends[s.next%len(s.backends)]
	s.mu.Unlock()
	backend, err := net.Dial("tcp", addr)
	if err != nil {
		reset(client)
		return
	}
	defer backend.Close()
	if !s.keep(client, backend) {
		return
	}
	defer s.drop(client, backend)
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, backend}, {backend, client}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			ended <- struct{}{}
		}()
	}
	<-ended
	client.Close()
	backend.Close()
	<-ended
}

// reset closes the connection as a host does on which nothing listens.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func (s *service) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		if s.open != nil {
			s.open[c] = true
		}
	}
	return s.open != nil
}

func (s *service) drop(conns ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		delete(s.open, c)
	}
}
