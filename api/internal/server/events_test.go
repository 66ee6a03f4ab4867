package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/server"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// stream is an open event stream of a test's client.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func() error
}

func follow(t *testing.T, base, query string) *stream {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	response := must.Get(client.Get(base + "/guestbook/events" + query))(t)
	f := &stream{t, bufio.NewScanner(response.Body), response.Body.Close}
	t.Cleanup(func() { f.close() })
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("answers %d as %q", response.StatusCode, got)
	}
	return f
}

// expect reads the next event and compares the event's lines with "want".
func (f *stream) expect(want ...string) {
	f.t.Helper()
	var got []string
	for f.lines.Scan() {
		line := f.lines.Text()
		switch {
		case line != "" && !strings.HasPrefix(line, "retry:"):
			got = append(got, line)
		case line == "" && len(got) > 0:
			if fmt.Sprint(got) != fmt.Sprint(want) {
				f.t.Errorf("event %q, want %q", got, want)
			}
			return
		}
	}
	if len(want) > 0 {
		f.t.Fatalf("the stream ended (%v), want %q", f.lines.Err(), want)
	}
}

// entry expects that the next event is an entry. The parameter "text" is a JSON string without the quotes.
func (f *stream) entry(id int, text string) {
	f.t.Helper()
	f.expect("event: entry", fmt.Sprint("id: ", id), fmt.Sprintf(`data: {"id": %d, "text": "%s"}`, id, text))
}

func (f *stream) reset(id int) {
	f.t.Helper()
	f.expect("event: reset", fmt.Sprint("id: ", id), "data: {}")
}

// serve starts a server that answers HTTP requests until the test ends, and returns the server's URL.
func serve(t *testing.T, s *server.Server) (base string) {
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Drain()
		h.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return h.URL
}

// An event stream continues after other programs have changed the guestbook.
func TestEvents(t *testing.T) {
	s, master := newServer(t)
	base := serve(t, s)
	put(t, master, ",a,bad")
	live := follow(t, base, "")
	ask(s, "POST /guestbook/entries", `{"text": "c\nd"}`)
	live.entry(6, `c\nd`)
	podtest.Do(t, master, "APPEND", "messages", ",e")
	live.entry(10, "e")

	// After an operator has hidden an entry, a connected viewer gets no reset event, and a new viewer does not get the hidden entry.
	podtest.Do(t, master, "SETRANGE", "messages", 3, "   ")
	podtest.Do(t, master, "APPEND", "messages", ",f")
	live.entry(12, "f")
	follow(t, base, "?after=0").entry(6, `c\nd`)

	// If the PHP guestbook's page rewrites the whole guestbook to add a message, viewers get an event only for the added message.
	podtest.Do(t, master, "SET", "messages", ",a,   ,c\nd,e,f,g")
	live.entry(14, "g")

	// A moderator changes the first entry, and later deletes the whole guestbook.
	podtest.Do(t, master, "SET", "messages", ",A,   ,c\nd,e,f,g")
	live.reset(14)
	podtest.Do(t, master, "DEL", "messages")
	live.reset(-1)
	podtest.Do(t, master, "APPEND", "messages", ",new")
	live.entry(0, "new")
	follow(t, base, "?after=77").reset(0)

	s.Drain()
	live.expect() // without arguments, "expect" waits for the end of the event stream
	check(t, s, exchange{request: "GET /guestbook/events", status: 503}, exchange{request: "GET /readyz", status: 503, want: `"draining":true`},
		exchange{request: "GET /healthz", status: 200})
}

func TestNobodyWatchesNobodyPolls(t *testing.T) {
	s, _ := newServer(t)
	base := serve(t, s)
	viewer := follow(t, base, "")
	if metrics := get(s, "/metrics").Body.String(); !strings.Contains(metrics, "\nguestbook_event_viewers 1\n") {
		t.Error("the metrics do not count the viewer")
	}
	viewer.close()
	stacks := make([]byte, 1<<20)
	must.Hold(t, "nothing polls a guestbook without viewers", 10*time.Second, func() bool {
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*topic).run"))
	})
}

func TestAtMost100GuestbooksHaveViewers(t *testing.T) {
	s, _ := newServer(t)
	base := serve(t, s)
	for key := range 100 {
		follow(t, base, fmt.Sprint("?key=", key))
	}
	check(t, s, exchange{request: "GET /guestbook/events?key=100", status: 503, want: "too many are watching already"})
	follow(t, base, "?key=7")
}

func TestViewersThatJoinThroughASlaveThatLagsBehindARewrite(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := newServerAt(t, pod.Ports.Master, pod.Ports.Slave)
	base := serve(t, s)
	master, slave := podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	podtest.Do(t, slave, "REPLICAOF", "127.0.0.1", "1")
	podtest.Do(t, slave, "CONFIG", "SET", "slave-read-only", "no")
	for _, redis := range []redis.Conn{master, slave} {
		podtest.Do(t, redis, "SET", "messages", ",fresh")
	}
	first := follow(t, base, "?after=-1")
	first.entry(0, "fresh")
	podtest.Do(t, slave, "SET", "messages", strings.Repeat(",an old entry", 100))
	joined := []*stream{follow(t, base, ""), follow(t, base, fmt.Sprint("?after=", 99*len(",an old entry")))}
	joined[1].reset(0)
	podtest.Do(t, slave, "REPLICAOF", "127.0.0.1", pod.Ports.Master)
	podtest.Await(t, pod.Slave, pod.Synced)
	for i := range 5 {
		ask(s, "POST /guestbook/entries", fmt.Sprintf(`{"text": "%d"}`, i))
	}
	for i := range 5 {
		for _, f := range append(joined, first) {
			f.entry(len(",fresh")+2*i, fmt.Sprint(i))
		}
	}
}

// The server reads little from Redis for each poll of a guestbook, even if the guestbook's last entry is long.
func TestWatchingALongEntryReadsLittle(t *testing.T) {
	pod, master := podtest.Shared(t)
	base := serve(t, newServerAt(t, pod.Ports.Master, pod.Ports.Slave))
	put(t, master, ","+strings.Repeat("x", 1<<20))
	slave := podtest.Dial(t, pod.Ports.Slave)
	read := func(field string) (n int) {
		info := must.Get(redis.String(slave.Do("INFO", "all")))(t)
		_, info, _ = strings.Cut(info, field)
		fmt.Sscan(info, &n) // n stays 0 if the command was never used, because INFO then omits the command
		return n
	}
	follow(t, base, "")
	polls := func() int { return read("cmdstat_getrange:calls=") }
	before, sent := polls(), read("total_net_output_bytes:")
	must.Hold(t, "ten polls", 20*time.Second, func() bool { return polls() >= before+10 })
	// The bytes that Redis has sent include the replies to the test's own INFO commands.
	if n := read("total_net_output_bytes:") - sent; n > 1<<20 {
		t.Errorf("%d bytes were read for 10 polls", n)
	}
}

// If a guestbook does not change, its event stream sends heartbeats, because the page closes an event stream without events.
func TestASilentStreamHasAHeartbeat(t *testing.T) {
	s, _ := newServer(t)
	follow(t, serve(t, s), "").expect("event: heartbeat", "data: {}")
}
