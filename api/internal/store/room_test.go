package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// A full Redis evicts records of idempotency keys, oldest first, before it refuses an entry.
func TestRecordsGiveWayBeforeMessages(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{MasterArgs: []string{"--maxmemory-policy", "volatile-ttl"}})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 2*time.Minute)
	post := func(i int) (id int64, err error) {
		err = guestbook.ErrUnknown
		for errors.Is(err, guestbook.ErrUnknown) && ctx.Err() == nil { // repeats the post, as a client does without an answer
			id, _, err = s.Append(ctx, book, fmt.Sprint("key ", i), fmt.Sprintf("%06d%s", i, strings.Repeat("x", 300)))
		}
		return id, err
	}
	var next atomic.Int64
	postMany := func(upto int64) (lastErr error) {
		var group sync.WaitGroup
		var mu sync.Mutex
		for range 50 {
			group.Go(func() {
				for i := next.Add(1) - 1; i < upto; i = next.Add(1) - 1 {
					if _, err := post(int(i)); err != nil {
						mu.Lock()
						defer mu.Unlock()
						lastErr = err
						return
					}
				}
			})
		}
		group.Wait()
		return lastErr
	}
	records := func() int64 { return podtest.Do(t, master, "DBSIZE").(int64) - 1 }
	limit := func(bytes int64) {
		info, _ := redis.String(podtest.Do(t, master, "INFO", "memory"), nil)
		used, _ := strconv.ParseInt(regexp.MustCompile(`used_memory:(\d+)`).FindStringSubmatch(info)[1], 10, 64)
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory", used+bytes)
	}
	const posts = 4000
	if err := postMany(posts); err != nil {
		t.Fatal(err)
	}
	content := value(t, master)
	for less := int64(0); records() == posts; less += 50_000 { // Redis does not count its buffers as used memory, so lower the limit until Redis evicts
		limit(-less)
	}
	for i := posts - 500; i < posts; i++ {
		if id, err := post(i); err != nil || content[id+1:id+7] != fmt.Sprintf("%06d", i) {
			t.Fatalf("the repeat of post %d is answered %v, %v", i, id, err)
		}
	}
	if got := value(t, master); got != content {
		t.Errorf("the book has %d bytes of %d", len(got), len(content))
	}
	limit(2_000_000)
	if err := postMany(100_000); !errors.Is(err, guestbook.ErrFull) {
		t.Errorf("a full guestbook answers %v", err)
	}
	if n, entries := records(), int64(len(value(t, master)))/307; n > entries/4 || entries <= posts {
		t.Errorf("the guestbook is full with %d entries, while %d records are kept", entries, n)
	}
}

// Under a maxmemory-policy that begins with "volatile", Redis evicts only keys that expire. No write makes a guestbook expire, so Redis
// evicts no guestbook.
func TestABookNeverExpires(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 10*time.Second)
	_, _, keyed := s.Append(ctx, "keyed", "k", "a")
	_, _, plain := s.Append(ctx, "plain", "", "a")
	_, hidden := s.Hide(ctx, "plain", 0)
	if err := errors.Join(keyed, plain, hidden, s.Set(ctx, "set", "a")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"keyed", "plain", "set"} {
		if ttl := podtest.Do(t, master, "TTL", key).(int64); ttl != -1 {
			t.Errorf("%s expires in %d s", key, ttl)
		}
	}
	for policy := range strings.FieldsSeq("volatile-ttl volatile-lru volatile-random") {
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory-policy", policy)
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 1)
		if err := s.Set(ctx, "set", rand.Text()); !errors.Is(err, guestbook.ErrFull) {
			t.Errorf("%s: %v", policy, err)
		}
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 0)
	}
	for _, key := range []string{"keyed", "plain", "set"} {
		if podtest.Do(t, master, "EXISTS", key).(int64) != 1 {
			t.Errorf("%s was evicted", key)
		}
	}
}

// If several posts with one idempotency key are in one batch, Redis stores one entry with one of their texts.
func TestRepeatsThatMeetInOneBatch(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, time.Minute)
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]map[int64]bool{} // maps each text to the ids in the answers
	reused := 0
	for i := range 600 {
		group.Go(func() {
			text := fmt.Sprint("text ", i%20, " ", i%3 == 0)
			id, _, err := s.Append(ctx, book, fmt.Sprint("key ", i%20), text)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, guestbook.ErrReused) {
				reused++
				return
			} else if err != nil {
				t.Error(err)
				return
			}
			if ids[text] == nil {
				ids[text] = map[int64]bool{}
			}
			ids[text][id] = true
		})
	}
	group.Wait()
	entries, _ := guestbook.Split([]byte(value(t, master)), 0)
	for _, entry := range entries {
		if of := ids[entry.Text]; len(of) != 1 || !of[entry.ID] {
			t.Errorf("%q is at %d and was answered %v", entry.Text, entry.ID, of)
		}
	}
	if len(entries) != 20 || len(ids) != 20 || reused == 0 {
		t.Errorf("%d entries of %d texts, want 20; %d refused", len(entries), len(ids), reused)
	}
}

func TestAnIdempotencyKeyIsKnownForADay(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	if _, _, err := s.Append(within(t, 10*time.Second), book, "k", "a"); err != nil {
		t.Fatal(err)
	}
	records, err := redis.Strings(master.Do("KEYS", "{messages}:idempotency:*"))
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if ttl := podtest.Do(t, master, "TTL", records[0]).(int64); ttl > 86_400 || ttl < 86_300 {
		t.Errorf("the record expires in %d s", ttl)
	}
}

// A repeated post is stored only once, even after a change of Redis's clock, as in a failover to a machine whose clock is behind.
func TestAPostIsStoredOnceWhateverTheClockOfRedis(t *testing.T) {
	dir := t.TempDir()
	library, offset := filepath.Join(dir, "clock.so"), filepath.Join(dir, "offset")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, "testdata/clock.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	setClock := func(seconds int) {
		t.Helper()
		if err := errors.Join(os.WriteFile(offset+".new", []byte(strconv.Itoa(seconds)), 0o600), os.Rename(offset+".new", offset)); err != nil {
			t.Fatal(err)
		}
	}
	setClock(0)
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nCLOCK_OFFSET_FILE=%s LD_PRELOAD=%s exec %s \"$@\"\n", offset, library, server)
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	pod := podtest.Redis(t, localpod.Options{Programs: dir})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 10*time.Second)
	first, _, err := s.Append(ctx, book, "k", "once")
	if err != nil {
		t.Fatal(err)
	}
	for _, minutes := range []int{-61, -25 * 60, 61, 23 * 60} {
		setClock(minutes * 60)
		podtest.Await(t, pod.Master, func(context.Context) error {
			want := time.Now().Add(time.Duration(minutes) * time.Minute).Unix()
			if now, err := redis.Ints(master.Do("TIME")); err != nil || int64(now[0]) < want-5 || int64(now[0]) > want+5 {
				return fmt.Errorf("the clock of Redis is %v, %w, not set by %d minutes", now, err, minutes)
			}
			return nil
		})
		if again, _, err := s.Append(ctx, book, "k", "once"); err != nil || again != first {
			t.Errorf("the repeat after %d minutes is answered %v, %v; the first was %v", minutes, again, err, first)
		}
	}
	if got := value(t, master); got != ",once" {
		t.Errorf("the book is %q", got)
	}
}
