package store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func signal(t *testing.T, sig syscall.Signal, processes ...*localpod.Process) {
	t.Helper()
	for _, p := range processes {
		must.OK(t, p.Signal(sig))
	}
}

func TestDeadlines(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts)
	put(t, s, "x")
	signal(t, syscall.SIGSTOP, pod.Master, pod.Slave)
	// The test sends more requests than the store has connections. A request that waits for a connection to Redis must end by its deadline.
	const deadline = 300 * time.Millisecond
	ctx := within(t, deadline)
	start := time.Now()
	var done sync.WaitGroup
	for what, call := range calls(ctx, s, book) {
		for range 5 {
			done.Go(func() {
				if call() == nil {
					t.Errorf("%s: a stopped Redis has answered", what)
				}
			})
		}
	}
	done.Wait()
	if took := time.Since(start); took > deadline+time.Second {
		t.Errorf("a deadline of %s took %s", deadline, took)
	}
	// If Redis does not even answer AUTH, the log does not suspect TLS.
	asking := open(t, pod, shortTimeouts, func(o *store.Options) { o.Password = "p" })
	if err := asking.Set(within(t, time.Second), book, "y"); err == nil || strings.Contains(asking.log.String(), "TLS") {
		t.Errorf("a set returns %v, and the log says %s", err, asking.log)
	}
	signal(t, syscall.SIGCONT, pod.Master, pod.Slave)
	put(t, s, "z")
}

// After the master and the slave have swapped roles, the store writes to the Redis at the slave's address.
func TestWritesFollowTheMaster(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	set(t, s, "before")
	old, successor := podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	keyed := func() error { _, _, err := s.Append(within(t, 2*time.Second), book, "k", "keyed"); return err }
	podtest.Do(t, old, "REPLICAOF", "127.0.0.1", "1")
	for what, write := range map[string]func() error{
		"set": func() error { return s.Set(within(t, 2*time.Second), book, "x") }, "keyed entry": keyed,
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), "READONLY") {
			t.Errorf("%s: error %v, want READONLY", what, err)
		}
		if n := metric(t, s, "guestbook_redis_pool_connections"); n != 0 {
			t.Errorf("%s: %v connections to the old master are kept", what, n)
		}
	}
	podtest.Do(t, successor, "REPLICAOF", "NO", "ONE")
	podtest.Do(t, old, "REPLICAOF", "127.0.0.1", pod.Ports.Slave)
	set(t, s, "after")
	podtest.Do(t, successor, "CONFIG", "RESETSTAT")
	must.OK(t, keyed())
	// The store sends INFO once, to check that the successor is the master. A second INFO would mean that the store took the write's reply
	// for an empty slave's.
	if stats := must.Get(redis.String(successor.Do("INFO", "commandstats")))(t); !strings.Contains(stats, "cmdstat_info:calls=1,") {
		t.Errorf("for one post, the successor has answered %s", stats)
	}
	wantBook(t, successor, "after,keyed")
	wantGet(t, s, "after,keyed")
	if master, _ := s.Ping(within(t, 2*time.Second), book); master != nil {
		t.Errorf("writes find their way, but a ping says %v", master)
	}
	// A Redis that is writing its first append-only file does not exit on SIGTERM.
	must.Hold(t, "the old master is in sync", 20*time.Second, func() bool {
		info := must.Get(redis.String(old.Do("INFO")))(t)
		written := strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
		return written && strings.Contains(info, "master_link_status:up")
	})
}

// With WaitSlaves = 1, a write succeeds only once a slave has confirmed the write. If no slave confirms a write, the write and its repeat
// fail with ErrUnconfirmed.
func TestWaitSlaves(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts, func(o *store.Options) { o.WaitSlaves = 1 })
	set := func(ctx context.Context) error { return s.Set(ctx, "old", ",value") }
	post := func(key string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := s.Append(ctx, book, key, "text")
			return err
		}
	}
	podtest.Await(t, pod.Slave, set) // Await retries, because the master counts a slave only after the slave's first acknowledgement
	before := metric(t, s, "guestbook_redis_unconfirmed_total")
	must.OK(t, errors.Join(post("")(within(t, 2*time.Second)), post("a")(within(t, 2*time.Second))))
	signal(t, syscall.SIGSTOP, pod.Slave)
	for i, write := range []func(context.Context) error{post("b"), post("b"), set, post("")} { // write 1 repeats write 0
		if err := write(within(t, 2*time.Second)); !errors.Is(err, guestbook.ErrUnconfirmed) {
			t.Errorf("write %d, which the slave does not have: %v, want unconfirmed", i, err)
		}
	}
	status, body := ask(s, 2*time.Second, "/guestbook/?cmd=set&key=old&value=x")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "the outcome is unknown: the master has it") {
		t.Errorf("a set that the slave does not have is answered %d %s", status, body)
	}
	if n := metric(t, s, "guestbook_redis_unconfirmed_total") - before; n != 5 {
		t.Errorf("%v unconfirmed writes are counted, want 5", n)
	}
	// If the master refuses writes because its slave does not answer, the repeat of a post fails, but not with "nothing was stored".
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Do(t, master, "CONFIG", "SET", "min-slaves-max-lag", 1)
	podtest.Do(t, master, "CONFIG", "SET", "min-slaves-to-write", 1)
	must.Hold(t, "the master refuses writes", 10*time.Second, func() bool { _, err := master.Do("SET", "x", ""); return err != nil })
	if err := post("b")(within(t, 2*time.Second)); err == nil {
		t.Error("a repeat is confirmed that no slave has")
	}
	plain := open(t, pod)
	_, refusal := master.Do("EVAL", "return redis.call('SET', KEYS[1], '')", 1, "x") // nil in Redis 6.0, whose min-slaves-to-write does not apply to scripts
	for key, outcome := range map[string]string{"b": "", "new": " (nothing was stored)"} {
		refused := new(guestbook.RefusedError)
		_, _, err := plain.Append(within(t, 2*time.Second), book, key, "text")
		if isRefused := errors.As(err, &refused); isRefused != (refusal != nil) || isRefused && refused.Outcome != outcome {
			t.Errorf("a post under the key %q: %v, want%s", key, err, outcome)
		}
	}
	podtest.Do(t, master, "CONFIG", "SET", "min-slaves-to-write", 0)
	signal(t, syscall.SIGCONT, pod.Slave)
	podtest.Await(t, pod.Slave, post("b"))
}
