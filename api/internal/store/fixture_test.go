package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/server"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// TestMain fails if a test has left a goroutine behind.
func TestMain(m *testing.M) {
	before, code := runtime.NumGoroutine(), podtest.Run(m)
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			os.Exit(1)
		}
	}
	os.Exit(code)
}

type fixture struct {
	*store.Store
	metrics *prometheus.Registry
	log     *localpod.Output
}

// shortTimeouts shortens the timeouts for tests in which Redis does not answer.
func shortTimeouts(o *store.Options) {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 500*time.Millisecond, time.Second, 500*time.Millisecond
}

func open(t testing.TB, pod *localpod.Pod, change ...func(*store.Options)) fixture {
	t.Helper()
	f := fixture{metrics: prometheus.NewRegistry(), log: new(localpod.Output)}
	o := store.Options{
		MasterAddr: address(pod.Ports.Master), SlaveAddr: address(pod.Ports.Slave), PoolSize: 4, TLS: podtest.TLS(nil),
		DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 2 * time.Second,
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Metrics: f.metrics,
	}
	for _, c := range change {
		c(&o)
	}
	f.Store = store.New(o)
	t.Cleanup(func() { must.OK(t, f.Close()) })
	return f
}

// openShared returns a store with the Redis that the tests of this package share, and a connection to the master.
func openShared(t testing.TB) (fixture, redis.Conn) {
	t.Helper()
	pod, master := podtest.Shared(t)
	return open(t, pod), master
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

const book = "messages"

func set(t *testing.T, s fixture, value string) {
	t.Helper()
	must.OK(t, s.Set(within(t, 2*time.Second), book, value))
}

// wantGet waits until the store reads the value from the slave, because the slave receives a write later than the master.
func wantGet(t *testing.T, s fixture, want string) {
	t.Helper()
	must.Await(t, fmt.Sprintf("%.100q is read", want), 5*time.Second, func() error {
		got, err := s.Get(within(t, 2*time.Second), book, 1<<20)
		if err == nil && got != want {
			err = fmt.Errorf("got %.100q", got)
		}
		return err
	})
}

// put writes the guestbook to the master, and waits until the slave has received the write.
func put(t *testing.T, s fixture, text string) {
	t.Helper()
	set(t, s, text)
	wantGet(t, s, text)
}

func wantBook(t *testing.T, c redis.Conn, want string) {
	t.Helper()
	if got := must.Get(redis.String(c.Do("GET", book)))(t); got != want {
		t.Errorf("the book is %q, want %q", got, want)
	}
}

// connectionsOpened returns the number of connections that a Redis has accepted since its start.
func connectionsOpened(t *testing.T, c redis.Conn) (n int) {
	t.Helper()
	_, info, _ := strings.Cut(must.Get(redis.String(c.Do("INFO", "stats")))(t), "total_connections_received:")
	must.Get(fmt.Sscan(info, &n))(t)
	return n
}

// metric returns the value of a metric, or the master's value if master and slave each have the metric.
func metric(t *testing.T, s fixture, name string) float64 {
	t.Helper()
	for _, f := range must.Get(s.metrics.Gather())(t) {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// ask sends a GET to an API that uses the store, and returns the answer.
func ask(s fixture, timeout time.Duration, path string) (status int, body string) {
	log, metrics := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	api := server.New(server.Options{Store: s.Store, RequestTimeout: timeout, Log: log, Metrics: metrics})
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}
