package store_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
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

const (
	// secret is a password with characters that redis.conf or a shell could misread. No log may contain secretPart, a part of the password
	// without characters that a log would escape.
	secret     = `p"a\ss $HOME'# hunter2`
	secretPart = "hunter2"
	// name is the server name in the certificates of the tests' Redis.
	name = "redis.example"
)

// secureRedis is a master and a slave that require the password of the user "default" or "api". Master and slave each listen on a plain
// port and on a port for TLS.
type secureRedis struct {
	*localpod.Pod
	*podtest.Authority
	tls localpod.Ports
}

func startSecureRedis(t *testing.T) secureRedis {
	t.Helper()
	r := secureRedis{Authority: podtest.NewAuthority(t), tls: podtest.FreePorts(t)}
	args := func(port int) []string {
		return append(r.Issue(t, name, time.Now().Add(time.Hour), port), "--user", "api", "on", ">"+secretPart, "~*", "+@all")
	}
	r.Pod = podtest.Redis(t, localpod.Options{Password: secret, MasterArgs: args(r.tls.Master), SlaveArgs: args(r.tls.Slave)})
	return r
}

func (r secureRedis) overTLS(o *store.Options) {
	o.MasterAddr, o.SlaveAddr = address(r.tls.Master), address(r.tls.Slave)
	o.TLS = podtest.TLS(r.Trust(name))
}

func TestPasswordUserAndTLS(t *testing.T) {
	r := startSecureRedis(t)
	master := podtest.Dial(t, r.Ports.Master, redis.DialPassword(secret))
	slave := podtest.Dial(t, r.Ports.Slave, redis.DialPassword(secret))
	opened := func() int { return connectionsOpened(t, master) + connectionsOpened(t, slave) }
	for what, change := range map[string]func(*store.Options){
		"password": func(o *store.Options) { o.Password = secret },
		"user over TLS 1.2": func(o *store.Options) {
			r.overTLS(o)
			o.Username, o.Password = "api", secretPart
			must.Get(o.TLS())(t).MaxVersion = tls.VersionTLS12
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, r.Pod, change)
			put(t, s, ","+what)
			before := opened()
			for range 50 {
				set(t, s, ","+what)
				must.Get(s.Get(within(t, 5*time.Second), book, 1<<20))(t)
			}
			if n := opened() - before; n != 0 {
				t.Errorf("%d connections were opened for 50 calls in turn", n)
			}
			if master, slave := s.Ping(within(t, 5*time.Second), book); master != nil || slave != nil {
				t.Errorf("master %v, slave %v", master, slave)
			}
			if n := metric(t, s, "guestbook_redis_fallbacks_total"); n != 0 {
				t.Errorf("%v reads from the master", n)
			}
			refuseSecrets(t, s, "")
		})
	}
	// The first write after a restart of the master succeeds.
	s := open(t, r.Pod, r.overTLS, func(o *store.Options) { o.Password = secret })
	for what, end := range map[string]func(*localpod.Process) error{"killed": (*localpod.Process).Kill, "stopped": (*localpod.Process).Stop} {
		set(t, s, "before")
		must.OK(t, end(r.Master))
		podtest.Start(t, r.Master)
		if err := s.Set(within(t, 5*time.Second), book, "after"); err != nil {
			t.Errorf("%s and started again: %v", what, err)
		}
	}
	if log := s.log.String(); log != "" {
		t.Errorf("nothing went wrong, but the log says %s", log)
	}
}

// refuseSecrets fails the test if the log, the metrics or the answers contain a password.
func refuseSecrets(t *testing.T, s fixture, answers string) {
	t.Helper()
	if text := fmt.Sprint(s.log, must.Get(s.metrics.Gather())(t), answers); strings.Contains(text, secretPart) {
		t.Errorf("a password is in %s", text)
	}
}

func TestWrongPasswordsAndTLSAreExplained(t *testing.T) {
	r := startSecureRedis(t)
	// The function "other" starts a second Redis with a new certificate, and returns its addresses for TLS and for plain TCP.
	other := func(expires time.Duration, args ...string) (overTLS, plain string) {
		ports := podtest.FreePorts(t)
		pod := podtest.New(t, localpod.Options{MasterArgs: append(r.Issue(t, name, time.Now().Add(expires), ports.Slave), args...), Ports: ports})
		podtest.Start(t, pod.Master)
		return address(ports.Slave), address(ports.Master)
	}
	plain, overTLS := address(r.Ports.Master), address(r.tls.Master)
	expired, withoutAuth := other(-time.Minute, "--rename-command", "AUTH", "")
	asksForCertificate, _ := other(time.Hour, "--tls-auth-clients", "yes")
	for _, c := range []struct {
		what, addr, username, password string
		tls                            *tls.Config
		want                           string // regular expression for the log
	}{
		{"a wrong user", plain, "other", secretPart, nil, "WRONGPASS"},
		{"a wrong password over TLS", overTLS, "", "wrong-hunter2", r.Trust(name), "WRONGPASS"},
		// If a Redis lacks the command AUTH, its error repeats the arguments of AUTH, and the password is one of them.
		{"a server that knows no passwords", withoutAuth, "api", secretPart, nil, "ERR unknown command .AUTH."},
		{"an expired certificate", expired, "", "", r.Trust(name), "certificate has expired"},
		{"a certificate of a foreign authority", overTLS, "", "", podtest.NewAuthority(t).Trust(name), "certificate signed by unknown authority"},
		{"an authority that only this machine does not trust", overTLS, "", "", &tls.Config{ServerName: name}, "certificate signed by unknown authority"},
		{"a wrong server name", overTLS, "", "", r.Trust("other.example"), "certificate is valid for redis.example, not other.example"},
		// Without a ServerName, the certificate must name the host in Redis's address.
		{"a name that the certificate does not bear", overTLS, "", "", r.Trust(""), "cannot validate certificate for 127.0.0.1"},
		{"a server that asks for a client's certificate", asksForCertificate, "", "", r.Trust(name), "certificate required|client's certificate"},
		{"TLS against a plain port", plain, "", "", r.Trust(name), "TLS here: true. Does the server speak TLS"},
		{"plain against a TLS port, without a password", overTLS, "", "", nil, "TLS here: false. Does the server speak TLS"},
		{"plain against a TLS port", overTLS, "", secret, nil, "TLS here: false. Does the server speak TLS"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := open(t, r.Pod, func(o *store.Options) {
				o.MasterAddr, o.SlaveAddr, o.Username, o.Password, o.TLS, o.DialTimeout = c.addr, c.addr, c.username, c.password, podtest.TLS(c.tls), 10*time.Second
				if c.addr == plain && c.tls != nil {
					o.DialTimeout = 300 * time.Millisecond // short, because a server without TLS does not answer, but waits for more bytes
				}
			})
			setErr := s.Set(within(t, 20*time.Second), book, "x")
			if _, getErr := s.Get(within(t, 20*time.Second), book, 1<<20); setErr == nil || getErr == nil {
				t.Errorf("a set returns %v, and a get %v", setErr, getErr)
			}
			status, ready := ask(s, time.Second, "/readyz")
			if status != http.StatusServiceUnavailable {
				t.Errorf("/readyz answers %d %s", status, ready)
			}
			refuseSecrets(t, s, ready)
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
