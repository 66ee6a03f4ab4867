package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/server"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Run(m)) }

// newServer returns a server with a real Redis, and a connection to the master. The tests in api/test/contract test each command through
// nginx.
func newServer(t testing.TB) (*server.Server, redis.Conn) {
	t.Helper()
	pod, master := podtest.Shared(t)
	return newServerAt(t, pod.Ports.Master, pod.Ports.Slave), master
}

func newServerAt(t testing.TB, master, slave int, change ...func(*server.Options)) *server.Server {
	t.Helper()
	metrics := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	redis := store.New(store.Options{
		MasterAddr: fmt.Sprintf("127.0.0.1:%d", master),
		SlaveAddr:  fmt.Sprintf("127.0.0.1:%d", slave),
		PoolSize:   4, TLS: podtest.TLS(nil), DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
		Log: log, Metrics: metrics,
	})
	t.Cleanup(func() { redis.Close() })
	o := server.Options{Store: redis, RequestTimeout: 2 * time.Second, Log: log, Metrics: metrics}
	for _, c := range change {
		c(&o)
	}
	return server.New(o)
}

func TestTheLogOfFailuresIsASCII(t *testing.T) {
	var log strings.Builder
	debug := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := newServerAt(t, 1, 1, func(o *server.Options) { o.Log = debug })
	ask(s, "POST /guestbook/entries", "text=x", "Origin", "http://\u009b2J\u202e\x7f.example")
	if got := log.String(); !strings.Contains(got, `"status":403`) || strings.ContainsFunc(got, func(c rune) bool { return c > '~' }) {
		t.Errorf("%+q is logged", got)
	}
}

// put writes the guestbook to the master, and waits until the slave has received the write.
func put(t testing.TB, master redis.Conn, text string) {
	t.Helper()
	podtest.Do(t, master, "SET", "messages", text)
	podtest.Do(t, master, "WAIT", 1, 5000)
}

// ask sends a request such as "GET /guestbook/entries". A body that begins with a brace is JSON, and any other body is a form. The
// parameter "headers" is a list such as "Origin", "http://gb.example": each header's name and then its value.
func ask(s http.Handler, request, body string, headers ...string) *httptest.ResponseRecorder {
	method, url, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func get(s http.Handler, url string) *httptest.ResponseRecorder { return ask(s, "GET "+url, "") }

// exchange is a request with the expected status and a part of the expected answer.
type exchange struct {
	request, body string
	status        int
	want          string
	headers       []string
}

func check(t *testing.T, s http.Handler, exchanges ...exchange) {
	t.Helper()
	for _, e := range exchanges {
		w := ask(s, e.request, e.body, e.headers...)
		isJSON := json.Valid(w.Body.Bytes()) && w.Header().Get("Content-Type") == "application/json"
		if w.Code != e.status || !strings.Contains(w.Body.String(), e.want) || !isJSON {
			t.Errorf("%s %.100s %q answers %d %v %.200s, want %d %s", e.request, e.body, e.headers, w.Code, w.Header(), w.Body, e.status, e.want)
		}
		if w.Code >= 400 && w.Body.Len() > 1000 {
			t.Errorf("%s %.100s answers an error of %d bytes", e.request, e.body, w.Body.Len())
		}
		if allow := w.Header().Get("Allow"); (allow != "") != (e.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s answers %d and allows %q", e.request, w.Code, allow)
		}
	}
}

// TestRequests sends requests that the conformance program does not send, and compares the texts of error messages.
func TestRequests(t *testing.T) {
	s, master := newServer(t)
	podtest.Do(t, master, "RPUSH", "list", "a")
	podtest.Do(t, master, "SETRANGE", "long", 4<<20, "x")
	put(t, master, ",é,b%2Cc,d")
	const read, post, events = "GET /guestbook/entries", "POST /guestbook/entries", "GET /guestbook/events"
	check(t, s, []exchange{
		{request: "GET /guestbook/", status: 400, want: "cmd is missing"},
		{request: "GET /guestbook/?cmd=get", status: 400, want: "key is missing"},
		{request: "GET /guestbook/?cmd=get&key=long", status: 413, want: "more than 4194304 bytes: read it by pages"},
		{request: "GET /guestbook/?cmd=set&key=a&value[]=x", status: 400, want: "value is a list"},
		{request: "POST /guestbook/", body: strings.Repeat("a", 1<<20+1), status: 413, want: "longer than 1048576 bytes"},
		{request: "HEAD /guestbook/?cmd=set&key=a&value=x", status: 405, want: "use GET, POST"},
		{request: "DELETE /guestbook/entries", status: 405, want: "use GET, HEAD, POST"},
		{request: "HEAD /guestbook/events", status: 405, want: "use GET"},
		{request: "DELETE /guestbook/openapi.json", status: 405, want: "use GET"},
		{request: "GET /other", status: 404, want: "the guestbook is at /guestbook/"},

		{request: post, body: "text=x", headers: []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, status: 400, want: "Idempotency-Key"},
		{request: post, body: "text=" + strings.Repeat("a", 4097), status: 413, want: "at most 4096"},
		{request: post, body: `{"text": " \n\t "}`, status: 400, want: "text is missing or blank"},
		{request: post, body: `{"text": "x", "key": ""}`, status: 400, want: "key is empty"},
		{request: post, body: `{"text": "x"`, status: 400, want: "not the JSON object"},
		{request: post, body: `{"` + strings.Repeat("\xff", 500<<10) + `": 1}`, status: 400, want: "not the JSON object"},
		{request: post, body: "text=x", headers: []string{"Sec-Fetch-Site", "cross-site"}, status: 403, want: "other sites"},
		{request: post, body: "text=x&key=list", status: 409, want: "another type"},
		{request: post, body: "text=x&key=list", headers: []string{"Idempotency-Key", "a"}, status: 409, want: "another type"},

		{request: read + "?after=-1&limit=2", status: 200, want: `{"entries": [{"id": 0, "text": "é"}, {"id": 3, "text": "b,c"}], "after": 3}`},
		{request: read + "?after=3&limit=2", status: 200, want: `{"entries": [{"id": 9, "text": "d"}], "after": null}`},
		{request: read + "?after=9", status: 200, want: `{"entries": [], "after": null}`},
		{request: read + "?after=-1&key=missing", status: 200, want: `{"entries": [], "after": null}`},
		{request: read + "?after=1", status: 400, want: "no entry starts there"},
		{request: read + "?after=-2", status: 400, want: "-1 or more"},
		{request: read + "?before=x", status: 400, want: `before is \"x\": use a whole number, 0 or more`},
		{request: read + "?limit=501", status: 400, want: "1 or more, at most 500"},
		{request: read + "?key=list", status: 409, want: "another type"},
		{request: read + "?key=long", status: 413, want: "one entry of it, is too long"},
		{request: read + "?key=long&after=-1", status: 413, want: "one entry of it, is too long"},
		{request: events + "?key=list", status: 409, want: "another type"},
	}...)
}

// A page has few entries if they are long, and the pages together have all entries.
func TestPagesOfLongEntries(t *testing.T) {
	s, master := newServer(t)
	put(t, master, ",a,"+strings.Repeat("x", 20_000)+strings.Repeat(", ", 20_000)+",b,"+strings.Repeat("y", 20_000))
	for after, want := range map[int]string{0: `"id": 2,`, 2: `"text": "b"`, 60_003: `"y`, 60_005: `{"entries": [], "after": null}`} {
		if answer := get(s, fmt.Sprint("/guestbook/entries?after=", after)).Body.String(); !strings.Contains(answer, want) {
			t.Errorf("after %d: %.200s, want %s", after, answer, want)
		}
	}
	put(t, master, ",a,"+strings.Repeat("x", 5<<20))
	if answer := get(s, "/guestbook/entries?after=-1").Body.String(); answer != `{"entries": [{"id": 0, "text": "a"}], "after": 0}` {
		t.Errorf("before an entry that is too long: %.200s", answer)
	}
	put(t, master, strings.Repeat(","+strings.Repeat("x", 2999), 100))
	for parameter, next := range map[string]int64{"after": -1, "before": 297_000} { // 297,000 is the id of the last entry
		entries, pages := 0, 0
		for more := true; more; pages++ {
			answer := get(s, fmt.Sprintf("/guestbook/entries?limit=500&%s=%d", parameter, next))
			var page map[string]json.RawMessage
			must.OK(t, json.Unmarshal(answer.Body.Bytes(), &page))
			entries += strings.Count(string(page["entries"]), `"id"`)
			more = json.Unmarshal(page[parameter], &next) == nil && string(page[parameter]) != "null"
		}
		if want := map[string]int{"after": 100, "before": 99}; entries != want[parameter] || pages < 100*3000/(32<<10) {
			t.Errorf("%d pages by %q have %d entries", pages, parameter, entries)
		}
	}
}

// Requests may name only the keys in ALLOWED_KEYS. Even without ALLOWED_KEYS, no request may name a key at which the API stores an
// Idempotency-Key.
func TestKeysThatAreNotAllowed(t *testing.T) {
	s, master := newServer(t)
	limited := newServerAt(t, 1, 1, func(o *server.Options) { o.AllowedKeys = []string{"messages", "other"} }) // no program listens on port 1
	for _, c := range []struct {
		server     *server.Server
		key, words string
	}{
		{limited, "secret", "ALLOWED_KEYS"},
		{s, "{messages}:idempotency:", "use another"},
		{s, "{a}b}:idempotency:x", "use another"},
		{s, "{}:idempotency:\x00", "use another"},
	} {
		key := url.QueryEscape(c.key)
		for _, request := range []string{"/?cmd=get&key=", "/?cmd=set&value=x&key=", "/entries?key=", "/events?key="} {
			check(t, c.server, exchange{request: "GET /guestbook" + request + key, status: 403, want: c.words})
		}
		check(t, c.server, exchange{request: "POST /guestbook/entries", body: "text=x&key=" + key, status: 403, want: c.words})
	}
	if keys := must.Get(redis.Strings(master.Do("KEYS", "*")))(t); len(keys) > 0 {
		t.Errorf("Redis holds %q", keys)
	}
	check(t, limited, exchange{request: "GET /guestbook/?cmd=get&key=other", status: 503, want: "Redis cannot be reached, nothing was stored"})
	for _, key := range []string{"{messages}", "messages:idempotency:x", "a{messages}:idempotency:", "{messages:idempotency:}"} {
		check(t, s, exchange{request: "GET /guestbook/?cmd=set&value=x&key=" + url.QueryEscape(key), status: 200})
	}
}

// If a client disconnects during a Redis command, the server's connection to Redis stays open.
func TestAClientThatGoesAwayCostsNoConnection(t *testing.T) {
	s, master := newServer(t)
	get(s, "/guestbook/?cmd=set&key=a&value=1") // makes the server open a connection to Redis
	podtest.Do(t, master, "CLIENT", "PAUSE", 300, "WRITE")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/guestbook/?cmd=set&key=a&value=2", nil))
	if ctx.Err() == nil {
		t.Fatal("the client did not go away in time")
	}
	get(s, "/guestbook/")
	metrics := get(s, "/metrics").Body.String()
	for _, want := range []string{
		`guestbook_http_request_duration_seconds_count{command="set",status="200"} 2`,
		`guestbook_http_request_duration_seconds_count{command="invalid",status="400"} 1`,
		`guestbook_redis_call_duration_seconds_count{role="master"} 2`,
		`guestbook_redis_pool_connections{role="master"} 1`,
		`guestbook_redis_errors_total{role="master"} 0`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, metrics)
		}
	}
	if value := podtest.Do(t, master, "GET", "a"); string(value.([]byte)) != "2" {
		t.Errorf("the command was lost: %q", value)
	}
}

func TestABodyThatDoesNotArriveWritesNothing(t *testing.T) {
	s, master := newServer(t)
	half := io.MultiReader(strings.NewReader("value=half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	r := httptest.NewRequest(http.MethodPost, "/guestbook/?cmd=set&key=a", half)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if value := podtest.Do(t, master, "GET", "a"); w.Code != http.StatusBadRequest || value != nil {
		t.Errorf("answers %d %s, and %q is written", w.Code, w.Body, value)
	}
}
