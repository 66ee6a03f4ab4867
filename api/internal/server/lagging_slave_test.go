package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// switchboard is a TCP proxy that forwards connections to one Redis at a time. When a switchboard switches to another Redis, it closes
// its open connections.
type switchboard struct {
	net.Listener
	mu    sync.Mutex
	to    int // port of the Redis that gets new connections
	conns []net.Conn
}

func newSwitchboard(t *testing.T, to int) *switchboard {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switchboard{Listener: l, to: to}
	t.Cleanup(func() { l.Close(); s.lead(0) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			redis, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.to))
			if s.conns = append(s.conns, c); err == nil {
				s.conns = append(s.conns, redis)
				go func() { io.Copy(redis, c); redis.Close() }()
				go func() { io.Copy(c, redis); c.Close() }()
			}
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *switchboard) lead(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// Two slaves share one address, and one slave still has the guestbook as it was before a rewrite.
func TestViewersThatJoinThroughASlaveThatLagsBehindARewrite(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	ports := podtest.FreePorts(t)
	ports.Master = pod.Ports.Master
	second := podtest.New(t, localpod.Options{Ports: ports})
	podtest.Start(t, second.Slave)
	podtest.Await(t, second.Slave, second.Synced)
	slaves := newSwitchboard(t, ports.Slave)
	s := newServerAt(t, pod.Ports.Master, slaves.Addr().(*net.TCPAddr).Port)
	h := httptest.NewServer(s)
	t.Cleanup(func() { s.Drain(); h.Close(); http.DefaultClient.CloseIdleConnections() })
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Do(t, master, "SET", "messages", strings.Repeat(",an old entry", 100))
	podtest.Do(t, master, "WAIT", 2, 5000)

	stalled := podtest.Dial(t, ports.Slave)
	podtest.Do(t, stalled, "REPLICAOF", "127.0.0.1", "1")
	podtest.Do(t, master, "SET", "messages", ",fresh")
	podtest.Do(t, master, "WAIT", 1, 5000)

	slaves.lead(pod.Ports.Slave)
	first := follow(t, h.URL, "?after=-1", "") // makes the server poll the new guestbook
	first.expect("event: entry", "id: 0", `data: {"id": 0, "text": "fresh"}`)
	slaves.lead(ports.Slave)
	joined := []*stream{follow(t, h.URL, "", ""), follow(t, h.URL, "", fmt.Sprint(99*len(",an old entry")))}
	joined[1].expect("event: reset", "id: 0", "data: {}")
	slaves.lead(pod.Ports.Slave)
	for i := range 5 {
		post(s, "application/json", fmt.Sprintf(`{"text": "%d"}`, i), nil)
	}
	for i := range 5 {
		id := len(",fresh") + 2*i
		for _, f := range append(joined, first) {
			f.expect("event: entry", fmt.Sprintf("id: %d", id), fmt.Sprintf(`data: {"id": %d, "text": "%d"}`, id, i))
		}
	}
}
