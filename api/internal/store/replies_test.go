package store_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/server"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// If Redis can be reached but refuses every request, the answer, /readyz and one line of the log name the reason.
func TestWhateverMakesEveryRequestFailIsNamed(t *testing.T) {
	for _, c := range []struct {
		what       string
		masterArgs []string
		provoke    func(t *testing.T, master redis.Conn, dir string)
		change     func(*store.Options)
		status     int    // HTTP status of the answer to a request with cmd=set
		words      string // a part of the answer to a request with cmd=set
		code       string // a part of the log line and of the answer of /readyz
		ready      bool   // true if reads still succeed
	}{
		{
			what: "it wants a password",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "CONFIG", "SET", "requirepass", "p")
			},
			status: 503, words: "set REDIS_PASSWORD", code: "NOAUTH",
		},
		{
			what: "it wants another password",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "CONFIG", "SET", "requirepass", "p")
			},
			change: func(o *store.Options) { o.Password = "hunter2" },
			status: 503, words: "check REDIS_PASSWORD", code: "WRONGPASS",
		},
		{
			what:   "it has no password",
			change: func(o *store.Options) { o.Password = "hunter2" },
			status: 503, words: "set none in REDIS_PASSWORD", code: "ERR AUTH",
		},
		{
			what: "it forbids its user to read",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "ACL", "SETUSER", "api", "on", ">p", "~*", "-@all", "+ping", "+info")
			},
			change: func(o *store.Options) { o.Username, o.Password = "api", "p" },
			status: 503, words: "forbids its user", code: "NOPERM",
		},
		{
			what: "it is a node of a cluster", masterArgs: []string{"--cluster-enabled", "yes"},
			status: 503, words: "one node of a cluster", code: "CLUSTERDOWN",
		},
		{
			what: "it has no such database", change: func(o *store.Options) { o.Database = 99 },
			status: 503, words: "check REDIS_DB", code: "ERR DB index",
		},
		{
			what: "it has no connection left",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "CONFIG", "SET", "maxclients", 1)
			},
			status: 503, words: "maxclients", code: "ERR max number of clients",
		},
		{
			what: "it does not know the command", masterArgs: []string{"--rename-command", "STRLEN", "", "--rename-command", "SET", "", "--rename-command", "GETRANGE", ""},
			status: 503, words: "is it a Redis", code: "ERR unknown command",
		},
		{
			what: "it is busy with a script", masterArgs: []string{"--lua-time-limit", "10"},
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				config, err := redis.Ints(podtest.Do(t, master, "CONFIG", "GET", "port").([]any)[1:], nil)
				if err != nil {
					t.Fatal(err)
				}
				other := podtest.Dial(t, config[0])
				if err := errors.Join(master.Send("EVAL", "while true do end", 0), master.Flush()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { podtest.Do(t, other, "SCRIPT", "KILL") })
				must.Hold(t, "Redis is busy", 10*time.Second, func() bool {
					_, err := other.Do("PING")
					return err != nil
				})
			},
			status: 503, words: "busy with a script", code: "BUSY",
		},
		{
			what: "it is a slave", masterArgs: []string{"--replicaof", "127.0.0.1", "1"},
			status: 503, words: "leads to a slave", code: "leads to a slave",
		},
		{
			what: "its disk fails", masterArgs: []string{"--dbfilename", "in-the-way"},
			provoke: func(t *testing.T, master redis.Conn, dir string) {
				if err := os.Mkdir(filepath.Join(dir, "in-the-way"), 0o755); err != nil {
					t.Fatal(err)
				}
				podtest.Do(t, master, "CONFIG", "SET", "save", "3600 1")
				t.Cleanup(func() { podtest.Do(t, master, "CONFIG", "SET", "save", "") }) // otherwise Redis would refuse to exit
				podtest.Do(t, master, "BGSAVE")
				must.Hold(t, "the disk fails", 10*time.Second, func() bool {
					info, _ := redis.String(master.Do("INFO", "persistence"))
					return strings.Contains(info, "rdb_last_bgsave_status:err")
				})
			},
			status: 503, words: "cannot write to its disk", code: "MISCONF", ready: true,
		},
		{
			what: "it has too few slaves",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "CONFIG", "SET", "min-slaves-to-write", 3)
			},
			status: 503, words: "too few slaves", code: "NOREPLICAS", ready: true,
		},
		{
			what: "it is full",
			provoke: func(t *testing.T, master redis.Conn, _ string) {
				podtest.Do(t, master, "CONFIG", "SET", "maxmemory", 1)
			},
			status: 507, words: "full", code: "full", ready: true,
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			pod := podtest.New(t, localpod.Options{Dir: dir, MasterArgs: c.masterArgs})
			podtest.Start(t, pod.Master)
			if c.provoke != nil {
				c.provoke(t, podtest.Dial(t, pod.Ports.Master), filepath.Join(dir, "master"))
			}
			s := open(t, pod, func(o *store.Options) {
				if o.SlaveAddr = o.MasterAddr; c.change != nil {
					c.change(o)
				}
			})
			api := server.New(server.Options{Store: s.Store, RequestTimeout: 5 * time.Second, Log: discard, Metrics: s.metrics})
			ask := func(path string) (int, string) {
				w := httptest.NewRecorder()
				api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				return w.Code, w.Body.String()
			}
			for range 3 {
				if status, body := ask("/guestbook/?cmd=set&key=messages&value=x"); status != c.status || !strings.Contains(body, c.words) {
					t.Errorf("a set answers %d %s, want %d and %q", status, body, c.status, c.words)
				}
				status, body := ask("/readyz")
				if (status == http.StatusOK) != c.ready || !strings.Contains(body, c.code) {
					t.Errorf("/readyz answers %d %s, want ready %t and %q", status, body, c.ready, c.code)
				}
			}
			if status, body := ask("/guestbook/?cmd=get&key=messages"); (status == http.StatusOK) != c.ready && c.what != "it is a slave" {
				t.Errorf("a get answers %d %s", status, body)
			}
			lines := 0
			for line := range strings.Lines(s.log.String()) {
				if strings.Contains(line, `"role":"master"`) {
					lines++
					if !strings.Contains(line, c.code) {
						t.Errorf("want %q in %s", c.code, line)
					}
				}
			}
			if lines != 1 || strings.Contains(s.log.String(), "hunter2") {
				t.Errorf("want one line for the master, without a password, got\n%s", s.log)
			}
		})
	}
}
