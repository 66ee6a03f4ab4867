package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/server"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// stream is an open event stream of a test's client.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

func follow(t *testing.T, base, query, lastEventID string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/guestbook/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	f := &stream{t: t, lines: bufio.NewScanner(response.Body), close: func() { cancel(); response.Body.Close() }}
	t.Cleanup(f.close)
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("answers %d as %q", response.StatusCode, got)
	}
	return f
}

// expect reads the next event and compares its lines with want.
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

func listen(t *testing.T) (*server.Server, string, redis.Conn) {
	t.Helper()
	s, pod := newServer(t)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Drain()
		h.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, h.URL, podtest.Dial(t, pod.Ports.Master)
}

func TestEvents(t *testing.T) {
	s, base, master := listen(t)
	podtest.Do(t, master, "SET", "messages", ",a,b")
	podtest.Do(t, master, "WAIT", 1, 5000)

	live := follow(t, base, "", "")
	fromStart := follow(t, base, "?after=-1", "")
	resumed := follow(t, base, "?after=-1", "0") // the header Last-Event-ID overrides the parameter "after"
	fromStart.expect("event: entry", "id: 0", `data: {"id": 0, "text": "a"}`)
	fromStart.expect("event: entry", "id: 2", `data: {"id": 2, "text": "b"}`)
	resumed.expect("event: entry", "id: 2", `data: {"id": 2, "text": "b"}`)

	post(s, "application/json", `{"text": "c\nd"}`, nil)
	podtest.Do(t, master, "APPEND", "messages", ",e") // a program other than the API appends an entry
	for _, f := range []*stream{live, fromStart, resumed} {
		f.expect("event: entry", "id: 4", `data: {"id": 4, "text": "c\nd"}`)
		f.expect("event: entry", "id: 8", `data: {"id": 8, "text": "e"}`)
	}

	// For each message, the PHP guestbook's page writes the whole guestbook, with the new message at its end. Viewers get only the new
	// entry.
	podtest.Do(t, master, "SET", "messages", ",a,b,c\nd,e,f")
	live.expect("event: entry", "id: 10", `data: {"id": 10, "text": "f"}`)

	// A moderator replaces the whole guestbook.
	podtest.Do(t, master, "SET", "messages", ",x")
	live.expect("event: reset", "id: 0", "data: {}")
	podtest.Do(t, master, "DEL", "messages")
	live.expect("event: reset", "id: -1", "data: {}")
	podtest.Do(t, master, "APPEND", "messages", ",new")
	live.expect("event: entry", "id: 0", `data: {"id": 0, "text": "new"}`)

	gone := follow(t, base, "", "77")
	gone.expect("event: reset", "id: 0", "data: {}")

	s.Drain()
	live.expect() // without arguments, expect waits for the end of the event stream
	if status := statusOf(t, base+"/guestbook/events"); status != 503 {
		t.Errorf("a new stream while draining is answered %d", status)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestEventsRefused(t *testing.T) {
	_, base, master := listen(t)
	podtest.Do(t, master, "RPUSH", "list", "a")
	podtest.Do(t, master, "WAIT", 1, 5000)
	for query, want := range map[string]int{"?after=x": 400, "?after=-2": 400, "?key=": 400, "?key=list": 409} {
		if got := statusOf(t, base+"/guestbook/events"+query); got != want {
			t.Errorf("%s is answered %d, want %d", query, got, want)
		}
	}
	head, err := http.Head(base + "/guestbook/events")
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.StatusCode != http.StatusMethodNotAllowed || head.Header.Get("Allow") != "GET" {
		t.Errorf("HEAD is answered %s, allowed %q", head.Status, head.Header.Get("Allow"))
	}
}

// A viewer that reconnects after a long time misses no entry.
func TestEventsAfterALongAbsence(t *testing.T) {
	_, base, master := listen(t)
	follow(t, base, "", "") // makes the server poll the empty guestbook
	const n = 1000
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, ",%d", i)
	}
	podtest.Do(t, master, "APPEND", "messages", all.String())
	late := follow(t, base, "?after=-1", "")
	id := 0
	for i := range n {
		late.expect("event: entry", fmt.Sprintf("id: %d", id), fmt.Sprintf(`data: {"id": %d, "text": "%d"}`, id, i))
		id += len(fmt.Sprintf(",%d", i))
	}
}

func TestNobodyWatchesNobodyPolls(t *testing.T) {
	s, base, _ := listen(t)
	last := follow(t, base, "", "")
	f := follow(t, base, "", "")
	viewers := func() string {
		_, after, _ := strings.Cut(get(s, "/metrics").Body.String(), "\nguestbook_event_viewers ")
		count, _, _ := strings.Cut(after, "\n")
		return count
	}
	if got := viewers(); got != "2" {
		t.Errorf("%s viewers, want 2", got)
	}
	f.close()
	must.Hold(t, "there is one viewer", 10*time.Second, func() bool { return viewers() == "1" })
	last.close()
	stacks := make([]byte, 1<<20)
	must.Hold(t, "nothing polls a guestbook without viewers", 10*time.Second, func() bool {
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*topic).run"))
	})
}

// The server notices that a guestbook was rewritten if its last 64 bytes differ, even if its last entry is the same.
func TestARewriteThatLeavesTheLastEntryIsNoticed(t *testing.T) {
	_, base, master := listen(t)
	podtest.Do(t, master, "SET", "messages", ",first,last")
	podtest.Do(t, master, "WAIT", 1, 5000)
	live := follow(t, base, "", "")
	podtest.Do(t, master, "SET", "messages", ",other,last")
	live.expect("event: reset", "id: 6", "data: {}")
}

// A viewer that is connected while an entry is hidden gets no reset event. A viewer that connects later does not get the hidden entry.
func TestHidingAnEntryLeavesStreamsAlone(t *testing.T) {
	s, base, master := listen(t)
	podtest.Do(t, master, "SET", "messages", ",a,bad,c")
	podtest.Do(t, master, "WAIT", 1, 5000)
	live := follow(t, base, "", "")
	podtest.Do(t, master, "SETRANGE", "messages", 3, "   ")
	podtest.Do(t, master, "APPEND", "messages", ",d")
	live.expect("event: entry", "id: 8", `data: {"id": 8, "text": "d"}`)
	resumed := follow(t, base, "?after=0", "")
	resumed.expect("event: entry", "id: 6", `data: {"id": 6, "text": "c"}`)
	if got := get(s, "/guestbook/entries?before=6").Body.String(); got != `{"entries": [{"id": 0, "text": "a"}], "before": null}` {
		t.Errorf("a page is %s", got)
	}
	if got := get(s, "/guestbook/?cmd=get&key=messages").Body.String(); got != `{"data": ",a,   ,c,d"}` {
		t.Errorf("an old page reads %s", got)
	}
}

// When the server polls a guestbook, the server reads little from Redis, even if the guestbook's last entry is long.
func TestWatchingALongEntryReadsLittle(t *testing.T) {
	s, pod := newServer(t)
	h := httptest.NewServer(s)
	t.Cleanup(func() { s.Drain(); h.Close(); http.DefaultClient.CloseIdleConnections() })
	master, slave := podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	podtest.Do(t, master, "SET", "messages", ","+strings.Repeat("x", 1<<20))
	podtest.Do(t, master, "WAIT", 1, 5000)
	read := func(field string) (n int) {
		info, err := redis.String(slave.Do("INFO", "all"))
		if err != nil {
			t.Fatal(err)
		}
		_, info, _ = strings.Cut(info, field)
		fmt.Sscan(info, &n) // INFO does not list commands that were never used
		return n
	}
	follow(t, h.URL, "", "")
	polls := func() int { return read("cmdstat_getrange:calls=") }
	before, sent := polls(), read("total_net_output_bytes:")
	must.Hold(t, "ten polls", 20*time.Second, func() bool { return polls() >= before+10 })
	// The bytes that Redis has sent include the replies to the INFO commands of the test.
	if n := read("total_net_output_bytes:") - sent; n > 1<<20 {
		t.Errorf("%d bytes were read for 10 polls", n)
	}
}

// If a guestbook does not change, its event stream sends heartbeats, because the page closes an event stream without events.
func TestASilentStreamHasAHeartbeat(t *testing.T) {
	_, base, _ := listen(t)
	follow(t, base, "?after=-1", "").expect("event: heartbeat", "data: {}")
}
