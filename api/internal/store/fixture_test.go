package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

// TestMain fails if a test has left a goroutine behind.
func TestMain(m *testing.M) {
	before, code := runtime.NumGoroutine(), m.Run()
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			os.Exit(1)
		}
	}
	os.Exit(code)
}

var discard = slog.New(slog.DiscardHandler)

// fixture is a store with its log and its metrics.
type fixture struct {
	*store.Store
	metrics *prometheus.Registry
	log     *lockedBuffer
}

// shortTimeouts sets the API's default timeouts. Only a test of a silent server uses shortTimeouts, because a server on a busy machine may
// answer late.
func shortTimeouts(o *store.Options) {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 500*time.Millisecond, time.Second, 500*time.Millisecond
}

func open(t testing.TB, pod *localpod.Pod, change ...func(*store.Options)) fixture {
	t.Helper()
	f := fixture{metrics: prometheus.NewRegistry(), log: new(lockedBuffer)}
	o := store.Options{
		MasterAddr:  fmt.Sprintf("127.0.0.1:%d", pod.Ports.Master),
		SlaveAddr:   fmt.Sprintf("127.0.0.1:%d", pod.Ports.Slave),
		PoolSize:    4,
		DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 2 * time.Second,
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Metrics: f.metrics,
	}
	for _, c := range change {
		c(&o)
	}
	f.Store = store.New(o)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// within returns a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func set(t *testing.T, s fixture, value string) {
	t.Helper()
	if err := s.Set(within(t, 2*time.Second), "messages", value); err != nil {
		t.Fatal(err)
	}
}

// wantGet waits until the store reads the value, because a slave receives a write a little later than its master.
func wantGet(t *testing.T, s fixture, want string) {
	t.Helper()
	must.Await(t, fmt.Sprintf("%.100q is read", want), 5*time.Second, func() error {
		got, err := s.Get(within(t, 2*time.Second), "messages", 1<<20)
		if err == nil && got != want {
			err = fmt.Errorf("got %.100q", got)
		}
		return err
	})
}

// connectionsOpened returns the number of connections that a Redis has accepted since its start.
func connectionsOpened(t *testing.T, c redis.Conn) (n int) {
	t.Helper()
	info, err := redis.String(c.Do("INFO", "stats"))
	if err != nil {
		t.Fatal(err)
	}
	_, info, _ = strings.Cut(info, "total_connections_received:")
	if _, err := fmt.Sscan(info, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// metric returns the value of a metric. If master and slave each have the metric, metric returns the master's value.
func metric(t *testing.T, s fixture, name string) float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
