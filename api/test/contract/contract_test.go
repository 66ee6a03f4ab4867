package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// TestMain lets the test's own program be what runs inside of a network.
func TestMain(m *testing.M) {
	inside := map[string]func() error{"inside": serveInside, "without-ipv6": execWithoutIPv6}[os.Getenv("GUESTBOOK_TEST")]
	if inside == nil {
		os.Exit(podtest.Main(m, "-race"))
	}
	if err := inside(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestContract(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	Run(t, pod.URL(), master)
}

const (
	readQuery  = "cmd=get&key=messages"
	writeQuery = "cmd=set&key=messages&value=,x"
)

func TestWithoutMaster(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	expect(t, pod.URL()+"/guestbook/?"+writeQuery, 200, updated)
	read := pod.URL() + "/guestbook/?" + readQuery
	slave := podtest.Dial(t, pod.Ports.Slave)
	podtest.Await(t, pod.Slave, func(context.Context) error {
		if holds, err := redis.String(slave.Do("GET", "messages")); holds != ",x" {
			return errors.Join(errors.New("not replicated: "+holds), err)
		}
		return nil
	})

	podtest.Kill(t, pod.Master)
	for range 3 {
		expect(t, read, 200, `{"data": ",x"}`)
		asked := time.Now()
		response, body := ask(t, pod.URL()+"/guestbook/?"+writeQuery)
		if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Errorf("a write answers %d with %v", response.StatusCode, response.Header)
		}
		if took := time.Since(asked); took > 2500*time.Millisecond {
			t.Errorf("a write took %s, longer than its deadline", took)
		}
		checkHeader(t, response)
		checkError(t, body)
		expect(t, pod.URL()+"/", 200, "")
		// The pod stays ready: the page and the reads work.
		expect(t, pod.APIURL()+"/readyz", 200, "")
	}

	podtest.Start(t, pod.Master)
	// The first request after the restart succeeds.
	expect(t, pod.URL()+"/guestbook/?cmd=set&key=messages&value=,back", 200, updated)
	if got, err := redis.String(podtest.Dial(t, pod.Ports.Master).Do("GET", "messages")); err != nil || got != ",back" {
		t.Errorf("the master holds %q, %v", got, err)
	}
}

func TestWithoutSlave(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	put(t, master, ",kept")
	podtest.Kill(t, pod.Slave)
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, `{"data": ",kept"}`)
	expect(t, pod.URL()+"/guestbook/?"+writeQuery, 200, updated)
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, `{"data": ",x"}`)
	if _, metrics := ask(t, pod.APIURL()+"/metrics"); !strings.Contains(metrics, "\nguestbook_redis_fallbacks_total 2\n") {
		t.Error("the two reads from the master are not counted")
	}
}

func TestAnUnsyncedSlaveIsNotRead(t *testing.T) {
	// The master makes the slave wait for its first copy for longer than the test takes.
	pod, master := podtest.Pod(t, localpod.Options{MasterArgs: []string{"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "600"}})
	put(t, master, ",kept")
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, `{"data": ",kept"}`)
	if _, body := ask(t, pod.APIURL()+"/readyz"); !strings.Contains(body, "the slave has not finished its first sync") {
		t.Errorf("/readyz does not say how the slave is: %s", body)
	}
}

func TestDataSurvivesARestartOfEverything(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	expect(t, pod.URL()+"/guestbook/?"+writeQuery, 200, updated)
	if err := pod.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := pod.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, `{"data": ",x"}`)
}

func TestWithoutAPI(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	podtest.Kill(t, pod.API)
	response, body := ask(t, pod.URL()+"/guestbook/?"+readQuery)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("answers %d with %v", response.StatusCode, response.Header)
	}
	checkHeader(t, response)
	checkError(t, body)
	expect(t, pod.URL()+"/", 200, "")
	expect(t, pod.URL()+"/nginx-health", 200, "ok\n")
	podtest.Start(t, pod.API)
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, "")
}

func TestNginxNamesThePodAndTheVersion(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/guestbook/?cmd=get&key=k", "/guestbook/entries", "/guestbook/entries?before=7", "/guestbook/events", "/guestbook/nothing"} {
		response, err := http.Get(pod.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Values("X-Answered-By"); len(got) != 1 || got[0] != host+" dev" {
			t.Errorf("%s is answered by %q", path, got)
		}
		// So that one line of nginx.conf takes all of it away.
		if got := response.Header.Values("X-Guestbook-Version"); len(got) > 0 {
			t.Errorf("%s says %q, too", path, got)
		}
	}
}

func TestNginxServesThePageAndNothingElse(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	response, page := ask(t, pod.URL()+"/")
	if !strings.Contains(page, "<title>Guestbook</title>") {
		t.Errorf("not the page: %s", page)
	}
	for name, want := range map[string]string{
		"Cache-Control":          "no-cache",
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "DENY",
		"Server":                 "nginx",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if csp := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'sha256-") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	request, err := http.NewRequest(http.MethodGet, pod.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("If-None-Match", response.Header.Get("ETag"))
	again, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	again.Body.Close()
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("an unchanged page answers %d", again.StatusCode)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/nginx.conf", "/other"} {
		expect(t, pod.URL()+path, 404, "")
	}
	response, body := ask(t, pod.URL()+"/../nginx.conf")
	if response.StatusCode != 400 {
		t.Errorf("a path out of the page's folder answers %d", response.StatusCode)
	}
	checkHeader(t, response)
	checkError(t, body)
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
	request, err := http.NewRequest(http.MethodGet, pod.URL()+"/guestbook/?value=a%zz;&%", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "guestbook.example:8000"
	request.Header.Set("X-Forwarded-For", "192.0.2.1")
	request.Header.Set("X-Forwarded-Proto", "https")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	header := <-asked
	for name, want := range map[string]string{
		"Host":              "guestbook.example:8000",
		"Request-Uri":       "/guestbook/?value=a%zz;&%",
		"X-Real-Ip":         "127.0.0.1",
		"X-Forwarded-For":   "192.0.2.1, 127.0.0.1",
		"X-Forwarded-Proto": "https",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAbuse(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	put(t, master, old)
	before := processes(pod)
	Abuse(t, strings.TrimPrefix(pod.URL(), "http://"), strings.TrimPrefix(pod.APIURL(), "http://"), master)
	if now := processes(pod); now != before {
		t.Errorf("the processes of nginx and the API are %s, they were %s", now, before)
	}
	if got := held(t, master); got != old {
		t.Errorf("the guestbook holds %.100q", got)
	}
}

// processes lists those of the API and of nginx, with its workers. A worker that crashed has been replaced by another.
func processes(pod *localpod.Pod) string {
	ended := ""
	select {
	case <-pod.API.Ended():
		ended = " (ended)"
	case <-pod.Nginx.Ended():
		ended = " (ended)"
	default:
	}
	return fmt.Sprintf("%d, %d with %d%s", pod.API.Pid(), pod.Nginx.Pid(), pod.Nginx.Children(), ended)
}

// Bodies whose last byte does not come must not fill nginx's memory.
func TestSlowBodiesTakeLittleMemory(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	const bodies, size = 150, 300_000
	before := pod.Nginx.Usage().Memory
	for range bodies {
		c, err := net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /guestbook/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", size)); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, "")
	if grown := pod.Nginx.Usage().Memory - before; grown > bodies*size/2 {
		t.Errorf("%d bodies of %d bytes take %d bytes of nginx's memory", bodies, size, grown)
	}
}
