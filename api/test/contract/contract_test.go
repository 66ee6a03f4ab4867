package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// With GUESTBOOK_KEY=guestbook, the API ignores the parameter "key" of a request, and always uses the Redis key "guestbook". A request
// without the parameter "key" succeeds.
func TestOneBookWhateverKeyIsNamed(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{APIEnv: []string{"GUESTBOOK_KEY=guestbook"}})
	known := filepath.Join(t.TempDir(), "known")
	must.Write(t, known, strings.Join([]string{
		"php/a key names a book", "php/set without key", "php/set with an empty key", "php/set with a list as key",
		"php/get without key", "php/get with an empty key", "entries/entries of an empty key",
	}, "\n"))
	conform(t, pod.URL(), "-skip", "concurrent", "-known", known)
	// The API recognises a repeated post, even if the first post and the repeat have different parameters "key".
	keys := must.Get(redis.Strings(master.Do("KEYS", "*")))(t)
	if others := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return strings.HasPrefix(key, "{guestbook}:") }); !slices.Equal(others, []string{"guestbook"}) {
		t.Errorf("Redis holds the keys %q", keys)
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
	if got := held(t, master); got != old {
		t.Errorf("the guestbook holds %.100q", got)
	}
}
