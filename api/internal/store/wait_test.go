package store_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// TestWaitSlaves sets WaitSlaves to 1, so that a write succeeds only once a slave has confirmed the write. If no slave confirms, a write
// and its repeat fail with ErrUnconfirmed, although the repeat stores nothing.
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
	podtest.Await(t, pod.Slave, set) // the master counts a slave only after the slave's first acknowledgement
	before := metric(t, s, "guestbook_redis_unconfirmed_total")
	if err := errors.Join(post("")(within(t, 2*time.Second)), post("a")(within(t, 2*time.Second))); err != nil {
		t.Fatal(err)
	}
	if err := pod.Slave.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i, write := range []func(context.Context) error{post("b"), post("b"), set, post("")} { // write 1 repeats write 0
		if err := write(within(t, 2*time.Second)); !errors.Is(err, guestbook.ErrUnconfirmed) {
			t.Errorf("write %d, which the slave does not have: %v, want unconfirmed", i, err)
		}
	}
	if n := metric(t, s, "guestbook_redis_unconfirmed_total") - before; n != 4 {
		t.Errorf("%v unconfirmed writes are counted, want 4", n)
	}
	if err := pod.Slave.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	podtest.Await(t, pod.Slave, post("b"))
}
