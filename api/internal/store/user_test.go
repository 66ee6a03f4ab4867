package store_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// calls returns functions that each call one method of the store with the given key.
func calls(ctx context.Context, s fixture, key string) map[string]func() error {
	return map[string]func() error{
		"get":             func() error { _, err := s.Get(ctx, key, 1<<20); return err },
		"set":             func() error { return s.Set(ctx, key, ",a,b") },
		"append":          func() error { _, _, err := s.Append(ctx, key, "", "x"); return err },
		"append with key": func() error { _, _, err := s.Append(ctx, key, "k", "x"); return err },
		"hide":            func() error { _, err := s.Hide(ctx, key, 0); return err },
		"page":            func() error { _, _, err := s.Page(ctx, key, -1, -1, 10, guestbook.AnyLength); return err },
		"page before":     func() error { _, _, err := s.Page(ctx, key, 2, -1, 10, guestbook.AnyLength); return err },
		"after":           func() error { _, _, err := s.After(ctx, key, guestbook.Start, -1, guestbook.AnyLength); return err },
		"end":             func() error { _, err := s.End(ctx, key); return err },
	}
}

// If the ACL of Redis forbids SET, the store appends the entry without a record of its idempotency key, and returns no error.
func TestAPostWithoutItsRecord(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Do(t, master, "ACL", "SETUSER", "api", "on", ">"+secret, "~*", "+@all", "-set")
	s := open(t, pod, func(o *store.Options) { o.Username, o.Password = "api", secret })
	if id, known, err := s.Append(within(t, 5*time.Second), book, "k", "a"); id != 0 || known || err != nil {
		t.Errorf("the post has the id %d, known %t, %v", id, known, err)
	}
	wantBook(t, master, ",a")
}

func TestTheUserMayDoWhatTheStoreDoesAndNothingElse(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{MasterArgs: podtest.User(t, secret), SlaveArgs: podtest.User(t, secret)})
	s := open(t, pod, func(o *store.Options) { o.Username, o.Password = "api", secret })
	admins := []redis.Conn{podtest.Dial(t, pod.Ports.Master), podtest.Dial(t, pod.Ports.Slave)}
	for _, admin := range admins {
		podtest.Do(t, admin, "CONFIG", "RESETSTAT")
	}
	ctx := within(t, 20*time.Second)
	must.OK(t, errors.Join(s.Ping(ctx, book)))
	put(t, s, ",a,b")
	for what, call := range calls(ctx, s, book) {
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	used := ""
	for _, admin := range admins {
		used += must.Get(redis.String(admin.Do("INFO", "commandstats")))(t)
	}
	reasons, line, _ := strings.Cut(podtest.UserFile(t), "\nuser api ")
	for rule := range strings.FieldsSeq(line) {
		if command, ok := strings.CutPrefix(rule, "+"); ok && !strings.Contains(used, "cmdstat_"+command+":") {
			t.Errorf("the user may %s, but the store does not", command)
		}
		if rule[0] != '#' && !strings.Contains(reasons, " "+rule+" ") {
			t.Errorf("redis-user.conf gives no reason for %s", rule)
		}
	}

	// A visitor can name a key that the ACL of Redis forbids to the API. The store must not count a forbidden key as a failure of Redis.
	for _, key := range []string{"secret", "messages2"} {
		for what, call := range calls(ctx, s, key) {
			if err := call(); !errors.Is(err, guestbook.ErrForbidden) {
				t.Errorf("%s of %s: %v", what, key, err)
			}
		}
	}
	for _, name := range []string{"guestbook_redis_fallbacks_total", "guestbook_redis_errors_total"} {
		if n := metric(t, s, name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	if log := s.log.String(); log != "" {
		t.Errorf("the log says %s", log)
	}

	// Redis 6.0 does not know the command FUNCTION.
	refused := regexp.MustCompile("NOPERM|can't run this command|can't access at least one of the keys|ACL failure in script|unknown command .FUNCTION")
	for _, port := range []int{pod.Ports.Master, pod.Ports.Slave} {
		user := podtest.Dial(t, port, redis.DialUsername("api"), redis.DialPassword(secret))
		podtest.Do(t, user, "GET", book)
		for _, command := range [][]any{
			{"FLUSHALL"}, {"FLUSHDB"}, {"KEYS", "*"}, {"SCAN", 0}, {"RANDOMKEY"}, {"DBSIZE"}, {"SELECT", 1}, {"SWAPDB", 0, 1},
			{"CONFIG", "GET", "*"}, {"CONFIG", "SET", "requirepass", "x"}, {"ACL", "LIST"}, {"ACL", "SETUSER", "api", "+@all"},
			{"SHUTDOWN", "NOSAVE"}, {"REPLICAOF", "127.0.0.1", 1}, {"SAVE"}, {"BGREWRITEAOF"},
			{"MODULE", "LIST"}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "LIST"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "TYPE", "normal"},
			{"MONITOR"}, {"SLOWLOG", "GET"}, {"PSYNC", "?", -1}, {"SUBSCRIBE", "c"}, {"PUBLISH", "c", "x"},
			{"DEL", book}, {"UNLINK", book}, {"EXPIRE", book, 1}, {"RENAME", book, "other"}, {"DUMP", book},
			{"GET", "secret"}, {"SET", "secret", "x"}, {"APPEND", "secret", "x"}, {"GETRANGE", "secret", 0, -1}, {"STRLEN", "secret"},
			{"GET", "{secret}:idempotency:k"}, {"EVAL", "return 1", 1, "secret"},
			{"EVAL", "return redis.call('GET', 'secret')", 0}, {"EVAL", "return redis.call('FLUSHALL')", 0},
		} {
			_, err := user.Do(command[0].(string), command[1:]...)
			if err == nil || !refused.MatchString(err.Error()) {
				t.Errorf("%v: %v", command, err)
			}
		}
	}
}
