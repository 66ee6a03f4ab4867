package store_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

// many posts an entry under each of the keys from..to, by many at a time, and gives the ids and the errors.
func many(t *testing.T, s fixture, from, to int) (ids []int64, errs []error) {
	t.Helper()
	ids, errs = make([]int64, to-from), make([]error, to-from)
	ctx := within(t, 4*time.Minute)
	var group sync.WaitGroup
	const writers = 100
	for w := range writers {
		group.Go(func() {
			for i := w; i < to-from; i += writers {
				entry, err := s.Append(ctx, book, fmt.Sprintf("text %6d", from+i), fmt.Sprintf("00000000-0000-4000-8000-%012d", from+i))
				ids[i], errs[i] = entry.ID, err
			}
		})
	}
	group.Wait()
	return ids, errs
}

// memory gives a number of INFO's section memory, 0 where this Redis has none of that name. What was deleted is free by then.
func memory(t *testing.T, c redis.Conn, name string) (n int64) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		info, err := redis.String(c.Do("INFO", "memory"))
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`(?m)^` + name + `:(\d+)`).FindStringSubmatch(info); found != nil {
			n, _ = strconv.ParseInt(found[1], 10, 64) // digits
		}
		if strings.Contains(info, "lazyfree_pending_objects:0\r\n") {
			return n
		}
	}
	t.Fatal("what was deleted is not freed")
	return 0
}

// The memory is for messages: an idempotency key takes at least 2.5 times less than a Redis key of its own would.
func TestAnIdempotencyKeyTakesLittle(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	const n = 30_000
	many(t, s, 0, n)       // connections are open, buffers are there and full
	used := func() int64 { // apart from what waits for slaves
		return memory(t, master, "used_memory") - max(memory(t, master, "mem_total_replication_buffers"), memory(t, master, "mem_replication_backlog"))
	}
	podtest.Do(t, master, "FLUSHALL")
	before := used()
	if _, errs := many(t, s, 0, n); errors.Join(errs...) != nil {
		t.Fatal(errors.Join(errs...))
	}
	ours := used() - before - podtest.Do(t, master, "MEMORY", "USAGE", book).(int64)
	podtest.Do(t, master, "FLUSHALL")
	before = used()
	for i := range n {
		value := fmt.Sprintf("%d %032x", 12*i, i)
		if err := master.Send("SET", fmt.Sprintf("{messages}:idempotency:00000000-0000-4000-8000-%012d", i), value, "EX", 86400); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			podtest.Do(t, master, "")
		}
	}
	own := used() - before
	t.Logf("%d bytes each, a key of its own %d", ours/n, own/n)
	if float64(own) < 2.5*float64(ours) {
		t.Errorf("%d bytes each, with a key of its own %d", ours/n, own/n)
	}
}

// The eviction policy of the manifest takes the oldest idempotency keys, and never the book or the newest ten thousand.
func TestRoomIsMadeOfTheOldestIdempotencyKeys(t *testing.T) {
	const posts, newest = 45_000, 10_000
	pod := podtest.Redis(t, localpod.Options{MasterArgs: []string{"--maxmemory-policy", "volatile-ttl", "--maxmemory-samples", "64", "--lazyfree-lazy-eviction", "no"}})
	s, master, slave := open(t, pod), podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)
	ids := make([]int64, 0, posts)
	for from := 0; from < posts; from += 1000 {
		some, errs := many(t, s, from, from+1000)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, some...)
	}
	want := value(t, master)
	known := func(from, to int) (n int) {
		t.Helper()
		for i, id := range ids[from:to] {
			entry, err := s.Append(within(t, 10*time.Second), book, fmt.Sprintf("text %6d", from+i), fmt.Sprintf("00000000-0000-4000-8000-%012d", from+i))
			if err == nil && entry.ID == id {
				n++
			} else if !errors.Is(err, guestbook.ErrFull) {
				t.Fatalf("the repeat of %d: %v, %v", from+i, entry, err)
			}
		}
		return n
	}
	if n := known(0, 100) + known(posts-100, posts); n != 200 {
		t.Errorf("of the oldest and the newest, %d are known", n)
	}
	evicted := func() int64 {
		info, _ := redis.String(podtest.Do(t, master, "INFO", "stats"), nil)
		n, _ := strconv.ParseInt(regexp.MustCompile(`evicted_keys:(\d+)`).FindStringSubmatch(info)[1], 10, 64)
		return n
	}
	// A little too much: what gives way is the oldest.
	podtest.Do(t, master, "CONFIG", "SET", "maxmemory", memory(t, master, "used_memory")-100_000)
	podtest.Do(t, master, "PING")
	if n := evicted(); n != 1 {
		t.Errorf("%d keys were evicted, want one generation", n)
	}
	podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 0)
	if n := known(6_000, 6_100); n != 100 {
		t.Errorf("of the second generation, %d of 100 are known", n)
	}
	// Far too much: all gives way that may.
	podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 1)
	if n := known(0, 100); n != 0 {
		t.Errorf("of the oldest, %d are known where there is no room", n)
	}
	repeated, errs := many(t, s, posts-newest, posts+20) // with new ones among them
	for i, id := range repeated {
		if i < newest && (errs[i] != nil || id != ids[posts-newest+i]) || i >= newest && !errors.Is(errs[i], guestbook.ErrFull) {
			t.Fatalf("of the newest, %d is answered %d, %v; it was %v", i, id, errs[i], ids[posts-newest+min(i, newest-1)])
		}
	}
	if _, err := s.Append(within(t, 10*time.Second), book, "another", fmt.Sprintf("00000000-0000-4000-8000-%012d", posts-1)); !errors.Is(err, guestbook.ErrReused) {
		t.Errorf("another text under a key that is known: %v", err)
	}
	podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 0)
	if got := value(t, master); got != want {
		t.Errorf("the book has %d bytes, want %d", len(got), len(want))
	}
	podtest.Do(t, master, "WAIT", 1, 10_000)
	if a, b := podtest.Do(t, master, "DBSIZE"), podtest.Do(t, slave, "DBSIZE"); a != b || value(t, slave) != want {
		t.Errorf("the master has %v keys, the slave %v", a, b)
	}
}

// However a policy takes only keys that expire: a book does not, whoever has written it.
func TestABookNeverExpires(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 10*time.Second)
	_, keyed := s.Append(ctx, "keyed", "a", "k")
	_, plain := s.Append(ctx, "plain", "a", "")
	_, hidden := s.Hide(ctx, "plain", 0)
	_, _, imported := s.Import(ctx, "imported", "name", ",a")
	if err := errors.Join(keyed, plain, hidden, imported, s.Set(ctx, "set", "a")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"keyed", "plain", "imported", "set"} {
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
	for _, key := range []string{"keyed", "plain", "imported", "set"} {
		if podtest.Do(t, master, "EXISTS", key).(int64) != 1 {
			t.Errorf("%s was evicted", key)
		}
	}
}

// Equal keys that wait for the same exchange are posts of one entry, and of one text.
func TestRepeatsThatMeetInOneExchange(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, time.Minute)
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]map[int64]bool{}
	reused := 0
	for i := range 600 {
		group.Go(func() {
			key, text := fmt.Sprint("key ", i%20), fmt.Sprint("text ", i%20, i%3 == 0)
			entry, err := s.Append(ctx, []string{book, "other"}[i%2], text, key)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, guestbook.ErrReused) {
				reused++
				return
			} else if err != nil {
				t.Error(err)
			}
			if ids[key] == nil {
				ids[key] = map[int64]bool{}
			}
			ids[key][entry.ID] = true
		})
	}
	group.Wait()
	var entries []guestbook.Entry
	for _, key := range []string{book, "other"} {
		content, err := redis.Bytes(master.Do("GET", key))
		if err != nil {
			t.Fatal(err)
		}
		some, _ := guestbook.Split(content, 0)
		entries = append(entries, some...)
		for _, entry := range some {
			for name, of := range ids {
				if strings.HasPrefix(entry.Text, "text "+name[4:]+"true") || strings.HasPrefix(entry.Text, "text "+name[4:]+"false") {
					if len(of) != 1 || !of[entry.ID] {
						t.Errorf("%s: %v, the entry is %v", name, of, entry)
					}
				}
			}
		}
	}
	if len(entries) != 20 || reused == 0 {
		t.Errorf("%d entries, want 20; %d refused", len(entries), reused)
	}
}

// What was posted a day ago is forgotten.
func TestAnIdempotencyKeyIsKnownForADay(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	ctx := within(t, 10*time.Second)
	if _, err := s.Append(ctx, book, "a", "k"); err != nil {
		t.Fatal(err)
	}
	for hours, id := range map[int]int64{23: 0, 26: 2} {
		record, err := redis.StringMap(master.Do("HGETALL", "{messages}:idempotency: 1"))
		if err != nil || len(record) != 1 {
			t.Fatal(record, err)
		}
		for field, value := range record {
			hour := time.Now().Unix()/3600 - int64(hours)
			podtest.Do(t, master, "HSET", "{messages}:idempotency: 1", field, string([]byte{byte(hour >> 8), byte(hour)})+"\x00\x00\x00\x00\x00"+value[7:])
		}
		entry, err := s.Append(ctx, book, "a", "k")
		if err != nil || entry.ID != id {
			t.Errorf("after %d hours: %v, %v", hours, entry, err)
		}
		podtest.Do(t, master, "SET", book, ",a")
	}
}
