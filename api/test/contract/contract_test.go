package contract

import (
	"fmt"
	"net"
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
	podtest.Kill(t, pod.Slave)
	// After a restart of the master, the first write succeeds.
	expect(t, pod.URL()+"/guestbook/?cmd=set&key=messages&value=,back", 200, updated)
	expect(t, pod.URL()+readPath, 200, `{"data": ",back"}`)
	if _, metrics := must.Fetch(t, pod.APIURL()+"/metrics"); !strings.Contains(metrics, "\nguestbook_redis_fallbacks_total 1\n") {
		t.Error("the read from the master is not counted")
	}
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

func TestHeadersOfNginx(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	answeredBy := must.Get(os.Hostname())(t) + " dev"
	for _, path := range []string{"/guestbook/?cmd=get&key=k", "/guestbook/entries?before=7", "/guestbook/events", "/guestbook/nothing"} {
		response := must.Get(http.Get(pod.URL() + path))(t)
		response.Body.Close()
		checkHeaders(t, response.Header, map[string]string{"X-Answered-By": answeredBy})
		// No header except X-Answered-By names the pod or the version, so that operators can hide both with one line of nginx.conf.
		if got := response.Header.Values("X-Guestbook-Version"); len(got) > 0 {
			t.Errorf("%s says %q as well", path, got)
		}
	}
	page, _ := must.Fetch(t, pod.URL()+"/")
	checkHeaders(t, page.Header, map[string]string{"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Server": "nginx"})
	again, _ := must.Do(t, http.MethodGet, pod.URL()+"/", nil, "If-None-Match", page.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("an unchanged page answers %d", again.StatusCode)
	}
}

func TestNginxTellsTheAPIWhoAsks(t *testing.T) {
	pod := podtest.New(t, localpod.Options{})
	api := must.Get(net.Listen("tcp", strings.TrimPrefix(pod.APIURL(), "http://")))(t)
	defer api.Close()
	podtest.Start(t, pod.Nginx)
	client := must.Get(net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://")))(t)
	defer client.Close()
	const line = "GET /guestbook/?value=a%zz;&% HTTP/1.1\r\n"
	must.Get(client.Write([]byte(line + "Host: gb.example:8000\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n")))(t)
	forwarded := must.Get(api.Accept())(t)
	defer forwarded.Close()
	request := make([]byte, 4096)
	got := string(request[:must.Get(forwarded.Read(request))(t)])
	for _, want := range []string{"Host: gb.example:8000", "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 192.0.2.1, 127.0.0.1", "X-Forwarded-Proto: https"} {
		name, _, _ := strings.Cut(want, " ")
		if !strings.HasPrefix(got, line) || strings.Count(got, name) != 1 || !strings.Contains(got, want+"\r\n") {
			t.Errorf("the API receives %q, want %s once", got, want)
		}
	}
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
