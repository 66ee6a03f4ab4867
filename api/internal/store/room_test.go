package store_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// A full Redis evicts records of idempotency keys, oldest first, before refusing an entry.
func TestRecordsGiveWayBeforeMessages(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{MasterArgs: []string{"--maxmemory-policy", "volatile-ttl"}})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 2*time.Minute)
	post := func(i int) (known bool) {
		_, known, err := s.Append(ctx, book, fmt.Sprint("key ", i), strings.Repeat("x", 300))
		must.OK(t, err)
		return known
	}
	const posts = 4000
	for i := range posts {
		post(i)
	}
	content := must.Get(redis.String(master.Do("GET", book)))(t)
	// The test lowers maxmemory step by step, until Redis evicts a record.
	for less := 0; podtest.Do(t, master, "DBSIZE").(int64) == posts+1; less += 50_000 {
		info := must.Get(redis.String(master.Do("INFO", "memory")))(t)
		used := must.Get(strconv.Atoi(regexp.MustCompile(`used_memory:(\d+)`).FindStringSubmatch(info)[1]))(t)
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory", used-less)
	}
	for i := posts - 500; i < posts; i++ {
		if !post(i) {
			t.Fatalf("the repeat of post %d is stored again", i)
		}
	}
	wantBook(t, master, content)
}

// Under a maxmemory-policy that begins with "volatile", Redis evicts only keys that expire. No write makes a guestbook expire. Redis keeps
// an idempotency key for a day.
func TestABookNeverExpires(t *testing.T) {
	s, master := openShared(t)
	put(t, s, ",a,b")
	for _, call := range calls(within(t, 10*time.Second), s, book) {
		must.OK(t, call())
	}
	keys := must.Get(redis.Strings(master.Do("KEYS", "*")))(t)
	for _, key := range keys {
		if ttl := podtest.Do(t, master, "TTL", key).(int64); key == book && ttl != -1 || key != book && (ttl > 86_400 || ttl < 86_300) {
			t.Errorf("%s expires in %d s", key, ttl)
		}
	}
	if len(keys) != 2 {
		t.Errorf("Redis holds %q, want a book and a record", keys)
	}
}

// A repeated post is stored only once, even if Redis's clock has changed, for example by a failover to a machine whose clock is behind.
func TestAPostIsStoredOnceWhateverTheClockOfRedis(t *testing.T) {
	dir := t.TempDir()
	library, offset := filepath.Join(dir, "clock.so"), filepath.Join(dir, "offset")
	must.Run(t, exec.Command("cc", "-shared", "-fPIC", "-o", library, "testdata/clock.c"))
	setClock := func(seconds int) {
		t.Helper()
		must.Write(t, offset+".new", strconv.Itoa(seconds))
		must.OK(t, os.Rename(offset+".new", offset))
	}
	setClock(0)
	server := must.Get(exec.LookPath("redis-server"))(t)
	script := fmt.Sprintf("#!/bin/sh\nCLOCK_OFFSET_FILE=%s LD_PRELOAD=%s exec %s \"$@\"\n", offset, library, server)
	must.OK(t, os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o755))
	pod := podtest.Redis(t, localpod.Options{Programs: dir})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	for _, minutes := range []int{0, -61, -25 * 60, 61, 23 * 60} {
		setClock(minutes * 60)
		podtest.Await(t, pod.Master, func(context.Context) error {
			want := time.Now().Add(time.Duration(minutes) * time.Minute).Unix()
			if now, err := redis.Ints(master.Do("TIME")); err != nil || int64(now[0]) < want-5 || int64(now[0]) > want+5 {
				return fmt.Errorf("the clock of Redis is %v, %w, not set by %d minutes", now, err, minutes)
			}
			return nil
		})
		if id, known, err := s.Append(within(t, 10*time.Second), book, "k", "once"); err != nil || id != 0 || known != (minutes != 0) {
			t.Errorf("the post after %d minutes is answered %d, %t, %v", minutes, id, known, err)
		}
	}
	wantBook(t, master, ",once")
}
