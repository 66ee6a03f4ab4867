package store_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/server"
	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

const (
	// secret is a password with characters that redis.conf or a shell could misread. secretPart is the part of the password that no log
	// may contain, however the log quotes the password.
	secret     = `p"a\ss $HOME'# hunter2`
	secretPart = "hunter2"
	// name is the server name in the certificates of the tests' Redis.
	name = "redis.example"
)

// secureRedis is a master and a slave that require the password of the default user or of the user api. Master and slave each listen on a
// plain port and on a port for TLS.
type secureRedis struct {
	*localpod.Pod
	*podtest.Authority
	tls localpod.Ports
}

func startSecureRedis(t *testing.T) secureRedis {
	t.Helper()
	r := secureRedis{Authority: podtest.NewAuthority(t)}
	var err error
	if r.tls, err = localpod.FreePorts(); err != nil {
		t.Fatal(err)
	}
	expires := time.Now().Add(time.Hour)
	user := []string{"--user", "api", "on", ">" + secretPart, "~*", "+@all"}
	r.Pod = podtest.Redis(t, localpod.Options{
		Password:   secret,
		MasterArgs: append(r.Issue(t, name, expires, r.tls.Master), user...),
		SlaveArgs:  append(r.Issue(t, name, expires, r.tls.Slave), user...),
	})
	return r
}

func (r secureRedis) overTLS(o *store.Options) {
	o.MasterAddr, o.SlaveAddr = address(r.tls.Master), address(r.tls.Slave)
	o.TLS = r.Trust(name)
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func TestPasswordUserAndTLS(t *testing.T) {
	r := startSecureRedis(t)
	for what, change := range map[string]func(*store.Options){
		"password":          func(o *store.Options) { o.Password = secret },
		"user":              func(o *store.Options) { o.Username, o.Password = "api", secretPart },
		"password over TLS": func(o *store.Options) { r.overTLS(o); o.Password = secret },
		"user over TLS":     func(o *store.Options) { r.overTLS(o); o.Username, o.Password = "api", secretPart },
		"TLS 1.2":           func(o *store.Options) { r.overTLS(o); o.Password = secret; o.TLS.MaxVersion = tls.VersionTLS12 },
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, r.Pod, change)
			set(t, s, ","+what)
			wantGet(t, s, ","+what)
			if master, slave := s.Ping(within(t, 5*time.Second), book); master != nil || slave != nil {
				t.Errorf("master %v, slave %v", master, slave)
			}
			if n := metric(t, s, "guestbook_redis_fallbacks_total"); n != 0 {
				t.Errorf("%v reads from the master", n)
			}
			refuseSecrets(t, s, "")
		})
	}
}

// refuseSecrets fails the test if the log, the metrics or the answers contain a password.
func refuseSecrets(t *testing.T, s fixture, answers string) {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"log": s.log.String(), "metrics": fmt.Sprint(families), "answers": answers} {
		if strings.Contains(text, secretPart) {
			t.Errorf("the %s tell a password: %s", where, text)
		}
	}
}

func TestWrongPasswordsAndTLSAreExplained(t *testing.T) {
	r := startSecureRedis(t)
	plain := podtest.New(t, localpod.Options{MasterArgs: []string{"--rename-command", "AUTH", ""}})
	podtest.Start(t, plain.Master)
	// other starts a Redis with another certificate and returns its address.
	other := func(t *testing.T, expires time.Duration, more ...string) string {
		ports, err := localpod.FreePorts()
		if err != nil {
			t.Fatal(err)
		}
		pod := podtest.New(t, localpod.Options{MasterArgs: append(r.Issue(t, name, time.Now().Add(expires), ports.Master), more...)})
		podtest.Start(t, pod.Master)
		return address(ports.Master)
	}
	for _, c := range []struct {
		what   string
		change func(*testing.T, *store.Options)
		want   string // regular expression for the log
	}{
		{"no password", func(*testing.T, *store.Options) {}, "NOAUTH Authentication required"},
		{"a wrong password", func(_ *testing.T, o *store.Options) { o.Password = "wrong-hunter2" }, "WRONGPASS"},
		{"a wrong user", func(_ *testing.T, o *store.Options) { o.Username, o.Password = "other", secretPart }, "WRONGPASS"},
		{"a wrong password over TLS", func(_ *testing.T, o *store.Options) { r.overTLS(o); o.Password = "wrong-hunter2" }, "WRONGPASS"},
		// If Redis does not know AUTH, its error repeats the arguments of AUTH, and one of these arguments is the password.
		{"a server that knows no passwords", func(_ *testing.T, o *store.Options) {
			o.MasterAddr = address(plain.Ports.Master)
			o.SlaveAddr, o.Username, o.Password = o.MasterAddr, "api", secretPart
		}, "ERR unknown command .AUTH."},
		{"an expired certificate", func(t *testing.T, o *store.Options) {
			o.MasterAddr = other(t, -time.Minute)
			o.SlaveAddr, o.TLS = o.MasterAddr, r.Trust(name)
		}, "certificate has expired"},
		{"a certificate of a foreign authority", func(t *testing.T, o *store.Options) {
			r.overTLS(o)
			o.TLS = podtest.NewAuthority(t).Trust(name)
		}, "certificate signed by unknown authority"},
		{"an authority that only this machine does not trust", func(_ *testing.T, o *store.Options) {
			r.overTLS(o)
			o.TLS.RootCAs = nil
		}, "certificate signed by unknown authority"},
		{"a wrong server name", func(_ *testing.T, o *store.Options) {
			r.overTLS(o)
			o.TLS.ServerName = "other.example"
		}, "certificate is valid for redis.example, not other.example"},
		{"a name that the certificate does not bear", func(_ *testing.T, o *store.Options) {
			r.overTLS(o)
			o.TLS.ServerName = "" // without a ServerName, the certificate must name the host in Redis's address
		}, "cannot validate certificate for 127.0.0.1"},
		{"a server that asks for a client's certificate", func(t *testing.T, o *store.Options) {
			o.MasterAddr = other(t, time.Hour, "--tls-auth-clients", "yes")
			o.SlaveAddr, o.TLS = o.MasterAddr, r.Trust(name)
		}, "certificate required|client's certificate"},
		{"TLS against a plain port", func(_ *testing.T, o *store.Options) {
			o.TLS = r.Trust(name)
			o.DialTimeout = 300 * time.Millisecond // soon, because a server without TLS waits for more bytes
		}, "TLS here: true. Does the server speak TLS"},
		{"plain against a TLS port, without a password", func(_ *testing.T, o *store.Options) { r.overTLS(o); o.TLS = nil }, "TLS here: false. Does the server speak TLS"},
		{"plain against a TLS port", func(_ *testing.T, o *store.Options) { r.overTLS(o); o.TLS = nil; o.Password = secret }, "TLS here: false. Does the server speak TLS"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := open(t, r.Pod, func(o *store.Options) {
				o.DialTimeout = 10 * time.Second
				c.change(t, o)
			})
			if err := s.Set(within(t, 20*time.Second), book, "x"); err == nil {
				t.Error("a set succeeds")
			}
			if _, err := s.Get(within(t, 20*time.Second), book, 1<<20); err == nil {
				t.Error("a get succeeds")
			}
			api := server.New(server.Options{Store: s.Store, RequestTimeout: time.Second, Metrics: s.metrics})
			ready := httptest.NewRecorder()
			api.ServeHTTP(ready, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if ready.Code != http.StatusServiceUnavailable {
				t.Errorf("/readyz answers %d %s", ready.Code, ready.Body)
			}
			refuseSecrets(t, s, ready.Body.String())
			lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
			if len(lines) != 2 {
				t.Errorf("want a line for the master and one for the slave, got %d", len(lines))
			}
			for _, line := range lines {
				var entry struct{ Error string }
				if err := json.Unmarshal([]byte(line), &entry); err != nil || !regexp.MustCompile(c.want).MatchString(entry.Error) || strings.Contains(entry.Error, "\n") {
					t.Errorf("want %q in one line, got %s", c.want, line)
				}
			}
		})
	}
}

func TestAnIdleTLSConnectionIsUsedAgain(t *testing.T) {
	r := startSecureRedis(t)
	s := open(t, r.Pod, func(o *store.Options) { r.overTLS(o); o.Password = secret })
	set(t, s, "x")
	wantGet(t, s, "x")
	nodes := []redis.Conn{
		podtest.Dial(t, r.Ports.Master, redis.DialPassword(secret)),
		podtest.Dial(t, r.Ports.Slave, redis.DialPassword(secret)),
	}
	var before []int
	for _, c := range nodes {
		before = append(before, connectionsOpened(t, c))
	}
	for range 100 {
		set(t, s, "x")
		if _, err := s.Get(within(t, 5*time.Second), book, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range nodes {
		if opened := connectionsOpened(t, c) - before[i]; opened != 0 {
			t.Errorf("%d connections were opened for 100 calls in turn", opened)
		}
	}
}

func TestARestartedMasterIsUsedAtOnce(t *testing.T) {
	r := startSecureRedis(t)
	for way, change := range map[string]func(*store.Options){"plain": func(*store.Options) {}, "over TLS": r.overTLS} {
		s := open(t, r.Pod, change, func(o *store.Options) { o.Password = secret })
		for what, end := range map[string]func(*localpod.Process) error{
			"killed": (*localpod.Process).Kill, "stopped": (*localpod.Process).Stop,
		} {
			set(t, s, "before")
			if err := end(r.Master); err != nil {
				t.Fatal(err)
			}
			podtest.Start(t, r.Master)
			if err := s.Set(within(t, 5*time.Second), book, "after"); err != nil {
				t.Errorf("%s, %s and started again: %v", way, what, err)
			}
		}
		if log := s.log.String(); log != "" {
			t.Errorf("%s: nothing went wrong, but the log says %s", way, log)
		}
	}
}
