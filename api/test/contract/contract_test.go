package contract

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

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

const (
	readPath  = "/guestbook/?cmd=get&key=messages"
	writePath = "/guestbook/?cmd=set&key=messages&value=,x"
)

// unavailable expects that a path answers 503 within 2.5 s, and that nginx still serves the page.
func unavailable(t *testing.T, pod *localpod.Pod, path string) {
	t.Helper()
	asked := time.Now()
	response, body := must.Fetch(t, pod.URL()+path)
	if took := time.Since(asked); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || took > 2500*time.Millisecond {
		t.Errorf("%s answers %d with %v after %s", path, response.StatusCode, response.Header, took)
	}
	checkError(t, response, body)
	expect(t, pod.URL()+"/", 200, "")
}

func TestWithoutMasterOrSlave(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	expect(t, pod.URL()+writePath, 200, updated)
	slave := podtest.Dial(t, pod.Ports.Slave)
	must.Hold(t, "the slave has a copy", 20*time.Second, func() bool { return held(t, slave) == ",x" })

	podtest.Kill(t, pod.Master)
	for range 3 {
		expect(t, pod.URL()+readPath, 200, `{"data": ",x"}`)
		unavailable(t, pod, writePath)
		// Without the master, the pod stays ready, because the page and reads still work.
		expect(t, pod.APIURL()+"/readyz", 200, "")
	}
	podtest.Start(t, pod.Master)
	// After a restart of the master, the first write succeeds.
	expect(t, pod.URL()+"/guestbook/?cmd=set&key=messages&value=,back", 200, updated)
	if got := held(t, podtest.Dial(t, pod.Ports.Master)); got != ",back" {
		t.Errorf("the master holds %q", got)
	}

	podtest.Kill(t, pod.Slave)
	expect(t, pod.URL()+readPath, 200, `{"data": ",back"}`)
	expect(t, pod.URL()+writePath, 200, updated)
	expect(t, pod.URL()+readPath, 200, `{"data": ",x"}`)
	if _, metrics := must.Fetch(t, pod.APIURL()+"/metrics"); !strings.Contains(metrics, "\nguestbook_redis_fallbacks_total 2\n") {
		t.Error("the two reads from the master are not counted")
	}

	must.OK(t, pod.Stop())
	must.OK(t, pod.Start(t.Context()))
	expect(t, pod.URL()+readPath, 200, `{"data": ",x"}`)
}

func TestAnUnsyncedSlaveIsNotRead(t *testing.T) {
	// This setting delays the slave's first sync beyond the end of the test.
	pod, master := podtest.Pod(t, localpod.Options{MasterArgs: []string{"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "600"}})
	put(t, master, ",kept")
	expect(t, pod.URL()+readPath, 200, `{"data": ",kept"}`)
	if _, body := must.Fetch(t, pod.APIURL()+"/readyz"); !strings.Contains(body, "the slave has not finished its first sync") {
		t.Errorf("/readyz does not say how the slave is: %s", body)
	}
}

func TestNginxServesThePage(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	response, page := must.Fetch(t, pod.URL()+"/")
	if !strings.Contains(page, "<title>Guestbook</title>") {
		t.Errorf("not the page: %s", page)
	}
	checkHeaders(t, response.Header, map[string]string{"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Server": "nginx"})
	if csp := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'sha256-") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	again, _ := must.Do(t, http.MethodGet, pod.URL()+"/", nil, "If-None-Match", response.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("an unchanged page answers %d", again.StatusCode)
	}
}

func TestNginxNamesThePodAndTheVersion(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	host := must.Get(os.Hostname())(t)
	for _, path := range []string{"/guestbook/?cmd=get&key=k", "/guestbook/entries", "/guestbook/entries?before=7", "/guestbook/events", "/guestbook/nothing"} {
		response := must.Get(http.Get(pod.URL() + path))(t)
		response.Body.Close()
		checkHeaders(t, response.Header, map[string]string{"X-Answered-By": host + " dev"})
		// No header except X-Answered-By names the pod or the version, so that operators can hide both with one line of nginx.conf.
		if got := response.Header.Values("X-Guestbook-Version"); len(got) > 0 {
			t.Errorf("%s says %q as well", path, got)
		}
	}
}

func TestNginxTellsTheAPIWhoAsks(t *testing.T) {
	pod := podtest.New(t, localpod.Options{})
	asked := make(chan http.Header, 1)
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", pod.Ports.API), ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Host", r.Host)
		r.Header.Set("Request-Uri", r.RequestURI)
		asked <- r.Header
	})}
	go server.ListenAndServe()
	defer server.Close()
	podtest.Start(t, pod.Nginx)
	request := must.Get(http.NewRequest(http.MethodGet, pod.URL()+"/guestbook/?value=a%zz;&%", nil))(t)
	request.Host = "guestbook.example:8000"
	request.Header.Set("X-Forwarded-For", "192.0.2.1")
	request.Header.Set("X-Forwarded-Proto", "https")
	must.Send(t, request)
	checkHeaders(t, <-asked, map[string]string{
		"Host": "guestbook.example:8000", "Request-Uri": "/guestbook/?value=a%zz;&%",
		"X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Forwarded-Proto": "https",
	})
}

func TestAbuse(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	put(t, master, old)
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
