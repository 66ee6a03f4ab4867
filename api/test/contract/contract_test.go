package contract

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m, "-race")) }

func TestContract(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	Run(t, pod.URL(), master)
}

// With GUESTBOOK_KEY=guestbook, the API uses the Redis key "guestbook" for every request, even if the request names another key or no key.
func TestOneBookWhateverKeyIsNamed(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{APIEnv: []string{"GUESTBOOK_KEY=guestbook"}})
	known := filepath.Join(t.TempDir(), "known")
	must.Write(t, known, strings.Join([]string{
		"php/a key names a book", "php/set without key", "php/set with an empty key", "php/set with a list as key",
		"php/get without key", "php/get with an empty key", "entries/entries of an empty key",
	}, "\n"))
	conform(t, pod.URL(), "-skip", "concurrent", "-known", known)
	// The API stores the records of Idempotency-Keys under Redis keys such as {guestbook}:idempotency:x.
	for _, key := range must.Get(redis.Strings(master.Do("KEYS", "*")))(t) {
		if key != "guestbook" && !strings.HasPrefix(key, "{guestbook}:") {
			t.Errorf("Redis holds the key %q", key)
		}
	}
}

const (
	readPath  = "/guestbook/?cmd=get&key=messages"
	writePath = "/guestbook/?cmd=set&key=messages&value=,x"
)

func TestWithoutMasterOrSlave(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	podtest.Do(t, master, "SET", key, ",x")
	podtest.Do(t, master, "WAIT", 1, 5000) // waits until the slave has the guestbook

	podtest.Kill(t, pod.Master)
	for range 3 {
		expect(t, pod.URL()+readPath, 200, `{"data": ",x"}`)
		asked := time.Now()
		response, body := must.Fetch(t, pod.URL()+writePath)
		if took := time.Since(asked); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || took > 2500*time.Millisecond {
			t.Errorf("a set answers %d with %v after %s", response.StatusCode, response.Header, took)
		}
		checkError(t, response, body)
		// Without the master, the pod stays ready, because the page and reads still work.
		expect(t, pod.APIURL()+"/readyz", 200, "")
	}
	podtest.Start(t, pod.Master)
	podtest.Kill(t, pod.Slave)
	// After a restart of the master, the first write succeeds.
	expect(t, pod.URL()+"/guestbook/?cmd=set&key=messages&value=,back", 200, updated)
	expect(t, pod.URL()+readPath, 200, `{"data": ",back"}`)
	if _, metrics := must.Fetch(t, pod.APIURL()+"/metrics"); !strings.Contains(metrics, "\nguestbook_redis_fallbacks_total 1\n") {
		t.Error("the read from the master is not counted")
	}
}

func TestAbuse(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	const old = ",first,second"
	podtest.Do(t, master, "SET", key, old)
	processes := func() string { return fmt.Sprint(pod.API.Pid(), pod.Nginx.Pid(), pod.Nginx.Children()) }
	must.Hold(t, "nginx has its two workers", 20*time.Second, func() bool { return len(pod.Nginx.Children()) == 2 })
	before := processes()
	Abuse(t, strings.TrimPrefix(pod.URL(), "http://"), strings.TrimPrefix(pod.APIURL(), "http://"), master)
	if now := processes(); now != before {
		t.Errorf("the processes of the API and of nginx are %s, they were %s", now, before)
	}
	if got := must.Get(redis.String(master.Do("GET", key)))(t); got != old {
		t.Errorf("the guestbook holds %.100q", got)
	}
}

const name = "redis.example"

// overTLS returns the API's environment variables for connections to Redis over TLS.
func overTLS(ports localpod.Ports, file string) []string {
	return []string{
		"REDIS_TLS=true", "REDIS_TLS_CA_FILE=" + file, "REDIS_TLS_SERVER_NAME=" + name,
		fmt.Sprintf("REDIS_MASTER_ADDR=127.0.0.1:%d", ports.Master), fmt.Sprintf("REDIS_SLAVE_ADDR=127.0.0.1:%d", ports.Slave),
	}
}

// The API connects to Redis over TLS as the user of redis-user.conf, and passes all contract tests.
func TestContractAsTheRestrictedUserOverTLS(t *testing.T) {
	const password = `hunter2 "\$x'`
	authority := podtest.NewAuthority(t)
	ports := podtest.FreePorts(t)
	secured := func(port int) []string {
		return append(authority.Issue(t, name, time.Now().Add(time.Hour), port), podtest.User(t, password)...)
	}
	pod, master := podtest.Pod(t, localpod.Options{
		MasterArgs: secured(ports.Master),
		SlaveArgs:  secured(ports.Slave),
		APIEnv:     append(overTLS(ports, authority.File), "REDIS_USERNAME=api", "REDIS_PASSWORD="+password),
	})
	podtest.Await(t, pod.Slave, pod.Synced)
	must.Hold(t, "the API reaches both Redis", 20*time.Second, func() bool {
		_, body := must.Fetch(t, pod.APIURL()+"/readyz")
		return body == `{"ready":true,"draining":false,"master":"up","slave":"up"}`
	})
	Run(t, pod.URL(), master)
	expect(t, pod.URL()+"/guestbook/?cmd=get&key=secret", 403, "")

	if _, metrics := must.Fetch(t, pod.APIURL()+"/metrics"); strings.Contains(metrics+pod.API.Tail(), "hunter2") {
		t.Error("the metrics or the log tell the password")
	}
}

// After Redis has got a certificate of a second authority, the API needs no restart, because it reads the CA file again.
func TestARenewedAuthorityIsTrusted(t *testing.T) {
	old, renewed := podtest.NewAuthority(t), podtest.NewAuthority(t)
	ports, expires := podtest.FreePorts(t), time.Now().Add(time.Hour)
	master := old.Issue(t, name, expires, ports.Master)
	slave := append([]string{"--tls-port", fmt.Sprint(ports.Slave)}, master[2:]...)
	// The CA file is a symbolic link, as in the volume of a Kubernetes Secret.
	file := filepath.Join(t.TempDir(), "ca.crt")
	trust := func(authority string) {
		t.Helper()
		must.OK(t, errors.Join(os.Symlink(authority, file+".new"), os.Rename(file+".new", file)))
	}
	trust(old.File)
	pod, _ := podtest.Pod(t, localpod.Options{MasterArgs: master, SlaveArgs: slave, APIEnv: overTLS(ports, file)})
	restart := func() {
		t.Helper()
		for i, file := range renewed.Issue(t, name, expires, ports.Master) {
			if strings.HasPrefix(filepath.Base(file), "tls.") {
				must.OK(t, os.Rename(file, master[i]))
			}
		}
		podtest.Kill(t, pod.Master, pod.Slave)
		podtest.Start(t, pod.Master, pod.Slave)
	}

	expect(t, pod.URL()+writePath, 200, updated)
	restart()
	expect(t, pod.URL()+writePath, 503, "")
	trust(renewed.File)
	expect(t, pod.URL()+writePath, 200, updated)
	expect(t, pod.URL()+readPath, 200, `{"data": ",x"}`)

	// While the CA file is missing, the API opens no connection to Redis, and /readyz names the file.
	trust("nowhere")
	restart()
	expect(t, pod.URL()+writePath, 503, "")
	if _, ready := must.Fetch(t, pod.APIURL()+"/readyz"); !strings.Contains(ready, "REDIS_TLS_CA_FILE=") {
		t.Errorf("/readyz answers %s", ready)
	}
}
