package store_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// If a slave drops its data, the store does not read an empty guestbook over a connection from before this loss.
func TestASlaveThatDropsItsDataIsLeft(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod, func(o *store.Options) { o.MasterAddr = address(1) })
	podtest.Do(t, podtest.Dial(t, pod.Ports.Master), "SET", book, ",a")
	wantGet(t, s, ",a")
	podtest.Kill(t, pod.Master)
	dump := "REDIS9999" + strings.Repeat("\xff", 20)
	port, sent := badMaster(t, "$"+strconv.Itoa(len(dump))+"\r\n"+dump)
	podtest.Do(t, podtest.Dial(t, pod.Ports.Slave), "REPLICAOF", "127.0.0.1", port)
	podtest.Await(t, pod.Slave, func(context.Context) error {
		if sent.Load() < 2 {
			return errors.New("the slave did not ask for a copy")
		}
		return nil
	})
	if value, err := s.Get(within(t, 2*time.Second), book, 1<<20); err == nil && value != ",a" {
		t.Errorf("an open connection reads %q", value)
	}
}
