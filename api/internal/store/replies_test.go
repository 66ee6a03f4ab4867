package store_test

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// If Redis refuses commands, the API names the reason in each answer, in /readyz and in one line of its log.
func TestWhateverMakesEveryRequestFailIsNamed(t *testing.T) {
	password := func(o *store.Options) { o.Password = "hunter2" }
	for _, c := range []struct {
		what       string
		masterArgs []string
		command    []any // a Redis command that makes the master refuse requests
		provoke    func(t *testing.T, master redis.Conn, dir string)
		change     func(*store.Options)
		status     int    // HTTP status of the answer to a request with cmd=set; zero means 503
		words      string // a part of the answer to a request with cmd=set
		code       string // a part of the log line and of the answer of /readyz
		ready      bool   // true if reads still succeed
	}{
		{what: "it wants a password", command: []any{"CONFIG", "SET", "requirepass", "p"}, words: "set REDIS_PASSWORD", code: "NOAUTH"},
		{what: "it wants another password", command: []any{"CONFIG", "SET", "requirepass", "p"}, change: password, words: "check REDIS_PASSWORD", code: "WRONGPASS"},
		{what: "it has no password", change: password, words: "set none in REDIS_PASSWORD", code: "ERR AUTH"},
		{
			what: "it forbids its user to read", command: []any{"ACL", "SETUSER", "api", "on", ">p", "~*", "-@all", "+ping", "+info"},
			change: func(o *store.Options) { o.Username, o.Password = "api", "p" }, words: "forbids its user", code: "NOPERM",
		},
		{what: "it is a node of a cluster", masterArgs: []string{"--cluster-enabled", "yes"}, words: "one node of a cluster", code: "CLUSTERDOWN"},
		{what: "it has no such database", change: func(o *store.Options) { o.Database = 99 }, words: "check REDIS_DB", code: "ERR DB index"},
		{what: "it has no connection left", command: []any{"CONFIG", "SET", "maxclients", 1}, words: "maxclients", code: "ERR max number of clients"},
		{
			what: "it does not know the command", masterArgs: []string{"--rename-command", "STRLEN", "", "--rename-command", "SET", "", "--rename-command", "GETRANGE", ""},
			words: "is it a Redis", code: "ERR unknown command",
		},
		{what: "it is a slave", masterArgs: []string{"--replicaof", "127.0.0.1", "1"}, words: "leads to a slave", code: "leads to a slave"},
		{
			what: "its disk fails", masterArgs: []string{"--dbfilename", "in-the-way"},
			provoke: func(t *testing.T, master redis.Conn, dir string) {
				must.OK(t, os.Mkdir(filepath.Join(dir, "master", "in-the-way"), 0o755))
				podtest.Do(t, master, "CONFIG", "SET", "save", "3600 1")
				t.Cleanup(func() { podtest.Do(t, master, "CONFIG", "SET", "save", "") }) // otherwise Redis would refuse to exit
				podtest.Do(t, master, "BGSAVE")
				must.Hold(t, "the disk fails", 10*time.Second, func() bool {
					return strings.Contains(must.Get(redis.String(master.Do("INFO", "persistence")))(t), "rdb_last_bgsave_status:err")
				})
			},
			words: "cannot write to its disk", code: "MISCONF", ready: true,
		},
		{what: "it has too few slaves", command: []any{"CONFIG", "SET", "min-slaves-to-write", 3}, words: "too few slaves", code: "NOREPLICAS", ready: true},
		{what: "it is full", command: []any{"CONFIG", "SET", "maxmemory", 1}, status: 507, words: "full", code: "full", ready: true},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			pod := podtest.New(t, localpod.Options{Dir: dir, MasterArgs: c.masterArgs})
			podtest.Start(t, pod.Master)
			master := podtest.Dial(t, pod.Ports.Master)
			if len(c.command) > 0 {
				podtest.Do(t, master, c.command[0].(string), c.command[1:]...)
			} else if c.provoke != nil {
				c.provoke(t, master, dir)
			}
			s := open(t, pod, func(o *store.Options) {
				if o.SlaveAddr = o.MasterAddr; c.change != nil {
					c.change(o)
				}
			})
			for range 3 {
				status, body := ask(s, 5*time.Second, "/guestbook/?cmd=set&key=messages&value=x")
				if status != cmp.Or(c.status, 503) || !strings.Contains(body, c.words) || strings.Contains(body, "(nothing was stored)") != (c.status == 0) {
					t.Errorf("a set answers %d %s, want %d and %q", status, body, cmp.Or(c.status, 503), c.words)
				}
				status, body = ask(s, 5*time.Second, "/readyz")
				if (status == http.StatusOK) != c.ready || !strings.Contains(body, c.code) {
					t.Errorf("/readyz answers %d %s, want ready %t and %q", status, body, c.ready, c.code)
				}
			}
			status, body := ask(s, 5*time.Second, "/guestbook/?cmd=get&key=messages")
			if (status == http.StatusOK) != c.ready && c.what != "it is a slave" {
				t.Errorf("a get answers %d %s", status, body)
			}
			lines := regexp.MustCompile(`.*"role":"master".*`).FindAllString(s.log.String(), -1)
			if len(lines) != 1 || !strings.Contains(lines[0], c.code) || strings.Contains(s.log.String(), "hunter2") {
				t.Errorf("want one line for the master, with %q and without a password, got\n%s", c.code, s.log)
			}
		})
	}
}
