package contract

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// send writes bytes to nginx on a new connection, and returns the response and its body.
func send(t *testing.T, pod *localpod.Pod, raw string) (*http.Response, string) {
	t.Helper()
	c := must.Get(net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://")))(t)
	defer c.Close()
	must.OK(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(c, raw) }() // an error does not matter, because nginx may refuse the request early
	response := must.Get(http.ReadResponse(bufio.NewReader(c), nil))(t)
	defer response.Body.Close()
	return response, string(must.Get(io.ReadAll(response.Body))(t))
}

// head returns the head of an HTTP request with this method and path, and with these headers.
func head(line, headers string) string { return line + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" }

// The error responses of nginx are JSON, in the form of the API's error responses.
func TestErrorsOfNginx(t *testing.T) {
	dir := t.TempDir()
	pod, _ := podtest.Pod(t, localpod.Options{Dir: dir})
	long := strings.Repeat("a", 300_000)
	check := func(name, raw string, status int, words, allow string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			response, body := send(t, pod, raw)
			retry := response.Header.Get("Retry-After") != ""
			if response.StatusCode != status || !strings.Contains(body, words) || response.Header.Get("Allow") != allow || retry != (status == 503) {
				t.Errorf("answers %d %s with %v, want %d %q", response.StatusCode, body, response.Header, status, words)
			}
			checkHeader(t, response)
			checkError(t, body)
		})
	}
	for _, c := range []struct {
		name, send   string
		status       int
		words, allow string
	}{
		{"a bad address", head("GET /guestbook/%00", ""), 400, "cannot read", ""},
		{"no HTTP", "GET\r\n\r\n", 400, "cannot read", ""},
		{"no host", "GET /guestbook/ HTTP/1.1\r\n\r\n", 400, "cannot read", ""},
		{"two hosts", head("GET /guestbook/", "Host: y\r\n"), 400, "cannot read", ""},
		{"a bad length", head("POST /guestbook/", "Content-Length: x\r\n"), 400, "cannot read", ""},
		{"nothing there", head("GET /guestbookkeeping", ""), 404, "nothing at this address", ""},
		{"an address for nginx alone", head("GET /error", ""), 404, "nothing at this address", ""},
		{"TRACE", head("TRACE /guestbook/", ""), 405, "use GET, HEAD, POST", "GET, HEAD, POST"},
		{"TRACE of entries", head("TRACE /guestbook/entries?limit=1", ""), 405, "use GET, HEAD, POST", "GET, HEAD, POST"},
		{"POST of the page", head("POST /", "Content-Length: 0\r\n"), 405, "use GET, HEAD", "GET, HEAD"},
		{"a long body", head("POST /guestbook/entries", "Content-Length: 1048577\r\n"), 413, "1 MiB", ""},
		{"long chunks", head("POST /guestbook/entries", "Transfer-Encoding: chunked\r\n") + chunk(strings.Repeat("a", 1<<20+1)), 413, "1 MiB", ""},
		{"a long address", head("GET /guestbook/?"+long, ""), 414, "256 KB", ""},
		{"a long header", head("GET /guestbook/", "X: "+long+"\r\n"), 431, "256 KB", ""},
		{"many headers", head("GET /guestbook/", strings.Repeat("X: "+long[:200_000]+"\r\n", 6)), 431, "256 KB", ""},
		{"gzip", head("POST /guestbook/entries", "Transfer-Encoding: gzip\r\n"), 501, "Transfer-Encoding", ""},
		{"HTTP/9", "GET /guestbook/ HTTP/9.0\r\nHost: x\r\n\r\n", 505, "HTTP/1.1", ""},
	} {
		check(c.name, c.send, c.status, c.words, c.allow)
	}

	const unavailable = "not available right now"
	must.OK(t, os.RemoveAll(filepath.Join(dir, "nginx", "client_body")))
	check("no room for a body", head("POST /guestbook/", "Content-Length: 200000\r\n")+long[:200_000], 503, unavailable, "")
	podtest.Kill(t, pod.API)
	check("no API", head("GET /guestbook/", ""), 503, unavailable, "")
	silent := must.Get(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pod.Ports.API)))(t)
	defer silent.Close()
	check("a silent API", head("GET /guestbook/", ""), 503, unavailable, "")
}
