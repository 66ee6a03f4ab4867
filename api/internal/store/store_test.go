package store_test

import (
	"context"
	"errors"
	"fmt"
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

func TestWritesGoToTheMasterAndReadsToASlave(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	if value, err := s.Get(within(t, time.Second), "messages", 1<<20); value != "" || err != nil {
		t.Errorf("a missing key reads as %q, %v", value, err)
	}
	set(t, s, "a\x00\xff")
	wantGet(t, s, "a\x00\xff")

	// The slave is cut off from its master, so that only the slave keeps the old value.
	podtest.Do(t, podtest.Dial(t, pod.Ports.Slave), "REPLICAOF", "127.0.0.1", "1")
	set(t, s, "newer")
	wantGet(t, s, "a\x00\xff")
	if n := metric(t, s, "guestbook_redis_fallbacks_total"); n != 0 {
		t.Errorf("%v reads from the master", n)
	}
}

func TestWrongType(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	podtest.Do(t, podtest.Dial(t, pod.Ports.Master), "RPUSH", "list", "a")
	podtest.Await(t, pod.Slave, func(context.Context) error {
		_, err := s.Get(within(t, time.Second), "list", 1<<20)
		if !errors.Is(err, guestbook.ErrWrongType) {
			return fmt.Errorf("want ErrWrongType, got %w", err)
		}
		return nil
	})
}

func TestDeadlines(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts)
	set(t, s, "x")
	wantGet(t, s, "x")
	for _, p := range []*localpod.Process{pod.Master, pod.Slave} {
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer p.Signal(syscall.SIGCONT)
	}
	// The test sends more requests than the store has connections. A request that waits for a connection to Redis must also end by its
	// deadline.
	const deadline = 300 * time.Millisecond
	ctx := within(t, deadline)
	start := time.Now()
	var done sync.WaitGroup
	for range 20 {
		done.Go(func() {
			if err := s.Set(ctx, "messages", "y"); err == nil {
				t.Error("a stopped master has answered")
			}
		})
		done.Go(func() {
			if _, err := s.Get(ctx, "messages", 1<<20); err == nil {
				t.Error("a stopped slave and master have answered")
			}
		})
	}
	done.Wait()
	if took := time.Since(start); took > deadline+time.Second {
		t.Errorf("a deadline of %s took %s", deadline, took)
	}
	for _, p := range []*localpod.Process{pod.Master, pod.Slave} {
		if err := p.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	set(t, s, "z")
	wantGet(t, s, "z")
}

// After a failover, a managed Redis or a Service moves the master's address to another server. Until the address leads to the new master,
// the old master refuses writes.
func TestAMasterThatBecameASlaveIsLeft(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	set(t, s, "before")
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Do(t, master, "REPLICAOF", "127.0.0.1", "1")
	for what, write := range map[string]func() error{
		"set":         func() error { return s.Set(within(t, time.Second), book, "x") },
		"keyed entry": func() error { _, _, err := s.Append(within(t, time.Second), book, "k", "x"); return err },
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), "READONLY") {
			t.Errorf("%s: error %v, want READONLY", what, err)
		}
		if n := metric(t, s, "guestbook_redis_pool_connections"); n != 0 {
			t.Errorf("%s: %v connections to it are kept", what, n)
		}
	}
	if err, _ := s.Ping(within(t, time.Second), book); err == nil || !strings.Contains(err.Error(), "leads to a slave") {
		t.Errorf("a ping says %v", err)
	}
	podtest.Do(t, master, "REPLICAOF", "NO", "ONE")
	set(t, s, "after")
	if _, _, err := s.Append(within(t, time.Second), book, "k", "x"); err != nil {
		t.Error(err)
	}
}

func TestWritesFollowASwapOfRoles(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts)
	set(t, s, "before")
	old, successor := podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	podtest.Do(t, successor, "REPLICAOF", "NO", "ONE")
	podtest.Do(t, old, "REPLICAOF", "127.0.0.1", pod.Ports.Slave)
	set(t, s, "after")
	if _, _, err := s.Append(within(t, time.Second), book, "k", "keyed"); err != nil {
		t.Error(err)
	}
	if got, err := redis.String(successor.Do("GET", "messages")); got != "after,keyed" {
		t.Errorf("the new master holds %q, %v", got, err)
	}
	wantGet(t, s, "after,keyed")
	if master, _ := s.Ping(within(t, time.Second), book); master != nil {
		t.Errorf("writes find their way, but a ping says %v", master)
	}
	// A Redis that is writing its first append-only file does not exit on SIGTERM.
	podtest.Await(t, pod.Master, func(context.Context) error {
		info, err := redis.String(old.Do("INFO"))
		synced := strings.Contains(info, "master_link_status:up") && strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
		if err == nil && !synced {
			err = errors.New("the old master is not in sync yet")
		}
		return err
	})
}

func TestAFailureIsLoggedOnceAndWithoutThePassword(t *testing.T) {
	pod := podtest.New(t, localpod.Options{})
	podtest.Start(t, pod.Master)
	podtest.Do(t, podtest.Dial(t, pod.Ports.Master), "ACL", "SETUSER", "api", "on", ">right", "+@all", "~*")
	s := open(t, pod, func(o *store.Options) { o.Username, o.Password = "api", "wrong-hunter2" })
	for range 5 {
		if err := s.Set(within(t, time.Second), "messages", "x"); err == nil {
			t.Fatal("a wrong password was good enough")
		}
	}
	log := s.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "WRONGPASS") || !strings.Contains(log, `"role":"master"`) {
		t.Errorf("want one line that says what is wrong, got\n%s", log)
	}
	if strings.Contains(log, "hunter2") {
		t.Errorf("the log tells the password: %s", log)
	}

	right := open(t, pod, func(o *store.Options) { o.Username, o.Password = "api", "right" })
	set(t, right, "x")
}

func TestPing(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	if master, slave := s.Ping(within(t, time.Second), book); master != nil || slave != nil {
		t.Errorf("master %v, slave %v", master, slave)
	}
	podtest.Kill(t, pod.Slave)
	if master, slave := s.Ping(within(t, time.Second), book); master != nil || slave == nil {
		t.Errorf("master %v, slave %v, want only the slave away", master, slave)
	}
}

// A slave that does not answer PING costs a reader one timeout. Another one, for a new connection, would leave too little time for the
// master.
func TestASilentSlaveIsNotDialed(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts)
	set(t, s, "x")
	wantGet(t, s, "x")
	slave := podtest.Dial(t, pod.Ports.Slave)
	opened := connectionsOpened(t, slave)
	must.OK(t, pod.Slave.Signal(syscall.SIGSTOP))
	time.Sleep(20 * time.Millisecond) // the store sends PING over a connection that was not used for 10 ms
	value, err := s.Get(within(t, 2*time.Second), "messages", 1<<20)
	must.OK(t, pod.Slave.Signal(syscall.SIGCONT))
	if err != nil || value != "x" {
		t.Errorf("reads %q, %v", value, err)
	}
	podtest.Do(t, slave, "PING") // Redis accepts a connection that waited in the meantime
	if n := connectionsOpened(t, slave); n != opened {
		t.Errorf("%d connections were opened", n-opened)
	}
}

// If a slave does not answer, its readers hold all connections of the pool for a while. A reader that waits for a connection to the slave
// must have time left to ask the master.
func TestManyReadersOfASilentSlave(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, shortTimeouts)
	set(t, s, "x")
	wantGet(t, s, "x")
	if err := pod.Slave.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer pod.Slave.Signal(syscall.SIGCONT)
	var readers sync.WaitGroup
	start := time.Now()
	for range 40 {
		readers.Go(func() {
			for time.Since(start) < 4*time.Second {
				if value, err := s.Get(within(t, 2*time.Second), "messages", 1<<20); err != nil || value != "x" {
					t.Errorf("reads %q, %v", value, err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	readers.Wait()
}
