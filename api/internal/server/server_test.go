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
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/server"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// newServer returns a server with a real Redis. The tests in api/test/contract test each command through nginx.
func newServer(t testing.TB) (*server.Server, *localpod.Pod) {
	t.Helper()
	pod := podtest.Redis(t, localpod.Options{})
	return newServerAt(t, pod.Ports.Master, pod.Ports.Slave), pod
}

// newServerAt returns a server with the Redis at the given ports. No program listens on port 1, so port 1 stands for a Redis that is
// down.
func newServerAt(t testing.TB, master, slave int, change ...func(*server.Options)) *server.Server {
	t.Helper()
	metrics := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	redis := store.New(store.Options{
		MasterAddr: fmt.Sprintf("127.0.0.1:%d", master),
		SlaveAddr:  fmt.Sprintf("127.0.0.1:%d", slave),
		PoolSize:   4, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
		Log: log, Metrics: metrics,
	})
	t.Cleanup(func() { redis.Close() })
	o := server.Options{Store: redis, RequestTimeout: 2 * time.Second, Log: log, Metrics: metrics}
	for _, c := range change {
		c(&o)
	}
	return server.New(o)
}

func serve(s http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func get(s http.Handler, url string) *httptest.ResponseRecorder {
	return serve(s, httptest.NewRequest(http.MethodGet, url, nil))
}

func TestCommands(t *testing.T) {
	s, _ := newServer(t)
	for _, c := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"GET", "/guestbook/?cmd=set&key=messages&value=x", "", 200, `{"message": "Updated"}`},
		{"POST", "/guestbook", "cmd=set&key=messages&value=x", 200, `{"message": "Updated"}`},
		{"GET", "/guestbook/", "", 400, "cmd is missing"},
		{"GET", "/guestbook/?cmd=get", "", 400, "key is missing"},
		{"GET", "/guestbook/?cmd=set&key=a&value[]=x", "", 400, "value is a list"},
		{"POST", "/guestbook/", strings.Repeat("a", 1<<20+1), 413, "longer than 1048576 bytes"},
		{"DELETE", "/guestbook/?cmd=set&key=a&value=x", "", 405, "use GET, HEAD, POST"},
		{"HEAD", "/guestbook/?cmd=set&key=a&value=x", "", 405, "use GET, POST"},
		{"POST", "/guestbook/events", "", 405, "use GET"},
		{"DELETE", "/guestbook/openapi.json", "", 405, "use GET"},
		{"GET", "/other", "", 404, "the guestbook is at /guestbook/"},
	} {
		t.Run(c.method+" "+c.url, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.url, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := serve(s, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("answers %d %s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s is not JSON", w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
}

func TestKeysThatAreNotAllowed(t *testing.T) {
	s := newServerAt(t, 1, 1, func(o *server.Options) { o.AllowedKeys = []string{"messages", "other"} })
	for _, path := range []string{"?cmd=get&key=secret", "?cmd=set&key=secret&value=x", "entries?key=secret", "events?key=secret"} {
		if w := get(s, "/guestbook/"+path); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "ALLOWED_KEYS") {
			t.Errorf("%s answers %d %s", path, w.Code, w.Body)
		}
	}
	if w := post(s, "application/json", `{"text": "x", "key": "secret"}`, nil); w.Code != http.StatusForbidden {
		t.Errorf("a post answers %d %s", w.Code, w.Body)
	}
	if w := get(s, "/guestbook/?cmd=get&key=other"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an allowed key answers %d %s", w.Code, w.Body)
	}
}

// Redis also stores a record for each Idempotency-Key. If a request could overwrite such a record, a later post could fail.
func TestTheRecordsOfPostsAreNoGuestbooks(t *testing.T) {
	s, pod := newServer(t)
	master := podtest.Dial(t, pod.Ports.Master)
	for _, key := range []string{"{messages}:idempotency: 1", "{messages}:idempotency:", "{messages}:idempotency: import", "{a}b}:idempotency:x", "{}:idempotency:\x00"} {
		named := url.QueryEscape(key)
		for _, path := range []string{"?cmd=get&key=" + named, "?cmd=set&value=garbage&key=" + named, "entries?key=" + named, "events?key=" + named} {
			if w := get(s, "/guestbook/"+path); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "use another") {
				t.Errorf("%s answers %d %s", path, w.Code, w.Body)
			}
		}
		if w := post(s, "application/x-www-form-urlencoded", "text=x&key="+named, nil); w.Code != http.StatusForbidden {
			t.Errorf("a post to %q answers %d %s", key, w.Code, w.Body)
		}
	}
	if keys, err := redis.Strings(master.Do("KEYS", "*")); err != nil || len(keys) > 0 {
		t.Errorf("Redis holds %q, %v", keys, err)
	}
	for _, key := range []string{"{messages}", "messages:idempotency:x", "a{messages}:idempotency:", "{messages:idempotency:}"} {
		if w := get(s, "/guestbook/?cmd=set&value=x&key="+url.QueryEscape(key)); w.Code != http.StatusOK {
			t.Errorf("a set of %q answers %d %s", key, w.Code, w.Body)
		}
	}
}

func TestEveryAnswerNamesTheVersion(t *testing.T) {
	s := newServerAt(t, 1, 1, func(o *server.Options) { o.Version = "v1.2-3-gabc" })
	for _, path := range []string{"/guestbook/?cmd=get&key=k", "/guestbook/entries?limit=x", "/guestbook/openapi.json", "/healthz", "/nothing"} {
		if got := get(s, path).Header().Get("X-Guestbook-Version"); got != "v1.2-3-gabc" {
			t.Errorf("%s names %q", path, got)
		}
	}
}

func TestReadiness(t *testing.T) {
	s, pod := newServer(t)
	podtest.Kill(t, pod.Master)
	if w := get(s, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"slave":"up"`) {
		t.Errorf("before the master was reached: %d %s", w.Code, w.Body)
	}
	podtest.Start(t, pod.Master)
	if w := get(s, "/readyz"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"master":"up"`) {
		t.Errorf("once the master is there: %d %s", w.Code, w.Body)
	}
	podtest.Kill(t, pod.Master)
	get(s, "/readyz") // discards the broken connection
	if w := get(s, "/readyz"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "connection refused") {
		t.Errorf("when the master has gone again: %d %s", w.Code, w.Body)
	}
	s.Drain()
	if w := get(s, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"draining":true`) {
		t.Errorf("while draining: %d %s", w.Code, w.Body)
	}
	if w := get(s, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("/healthz answers %d", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	s, _ := newServer(t)
	get(s, "/guestbook/?cmd=get&key=a")
	get(s, "/guestbook/?cmd=set&key=a&value=b")
	get(s, "/guestbook/")
	body := get(s, "/metrics").Body.String()
	for _, want := range []string{
		`guestbook_http_request_duration_seconds_count{command="get",status="200"} 1`,
		`guestbook_http_request_duration_seconds_count{command="set",status="200"} 1`,
		`guestbook_http_request_duration_seconds_count{command="invalid",status="400"} 1`,
		`guestbook_redis_call_duration_seconds_count{role="master"} 1`,
		`guestbook_redis_call_duration_seconds_count{role="slave"} 1`,
		`guestbook_redis_errors_total{role="master"} 0`,
		`guestbook_redis_pool_connections{role="slave"} 1`,
		`guestbook_redis_fallbacks_total 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
}

// If a client disconnects, the connection to Redis that runs the client's command stays open.
func TestAClientThatGoesAwayCostsNoConnection(t *testing.T) {
	s, pod := newServer(t)
	master := podtest.Dial(t, pod.Ports.Master)
	get(s, "/guestbook/?cmd=set&key=a&value=1") // opens the connection to Redis
	podtest.Do(t, master, "CLIENT", "PAUSE", 300, "WRITE")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	serve(s, httptest.NewRequestWithContext(ctx, http.MethodGet, "/guestbook/?cmd=set&key=a&value=2", nil))
	if ctx.Err() == nil {
		t.Fatal("the client did not go away in time")
	}
	if body := get(s, "/metrics").Body.String(); !strings.Contains(body, `guestbook_redis_pool_connections{role="master"} 1`+"\n") ||
		!strings.Contains(body, `guestbook_redis_errors_total{role="master"} 0`+"\n") {
		t.Errorf("the connection is gone:\n%s", body)
	}
	if value := podtest.Do(t, master, "GET", "a"); string(value.([]byte)) != "2" {
		t.Errorf("the command was lost: %q", value)
	}
}

func TestABodyThatDoesNotArriveWritesNothing(t *testing.T) {
	s, pod := newServer(t)
	r := httptest.NewRequest(http.MethodPost, "/guestbook/?cmd=set&key=a", io.MultiReader(strings.NewReader("value=half"), failing{}))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := serve(s, r); w.Code != http.StatusBadRequest {
		t.Errorf("answers %d %s", w.Code, w.Body)
	}
	if value := podtest.Do(t, podtest.Dial(t, pod.Ports.Master), "GET", "a"); value != nil {
		t.Errorf("half a body was written: %q", value)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
