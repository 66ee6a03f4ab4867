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
	"guestbook/api/test/kit/podtest"
)

// send sends bytes to nginx, on a connection of their own, and gives the answer.
func send(t *testing.T, pod *localpod.Pod, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, raw) }() // who refuses early does not read all
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// What nginx answers itself is JSON, as what the API answers is.
func TestErrorsOfNginx(t *testing.T) {
	dir := t.TempDir()
	pod, _ := podtest.Pod(t, localpod.Options{Dir: dir})
	const rest = " HTTP/1.1\r\nHost: x\r\n"
	ask := func(line, headers string) string { return line + rest + headers + "\r\n" }
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
		{"a bad address", ask("GET /guestbook/%00", ""), 400, "cannot read", ""},
		{"no HTTP", "GET\r\n\r\n", 400, "cannot read", ""},
		{"no host", "GET /guestbook/ HTTP/1.1\r\n\r\n", 400, "cannot read", ""},
		{"two hosts", ask("GET /guestbook/", "Host: y\r\n"), 400, "cannot read", ""},
		{"a bad length", ask("POST /guestbook/", "Content-Length: x\r\n"), 400, "cannot read", ""},
		{"nothing there", ask("GET /guestbookkeeping", ""), 404, "nothing at this address", ""},
		{"what is for nginx only", ask("GET /error", ""), 404, "nothing at this address", ""},
		{"TRACE", ask("TRACE /guestbook/", ""), 405, "use GET, HEAD, POST", "GET, HEAD, POST"},
		{"TRACE of entries", ask("TRACE /guestbook/entries?limit=1", ""), 405, "use GET, HEAD, POST", "GET, HEAD, POST"},
		{"POST of the page", ask("POST /", "Content-Length: 0\r\n"), 405, "use GET, HEAD", "GET, HEAD"},
		{"a long body", ask("POST /guestbook/entries", "Content-Length: 1048577\r\n"), 413, "1 MiB", ""},
		{"long chunks", ask("POST /guestbook/entries", "Transfer-Encoding: chunked\r\n") + chunk(strings.Repeat("a", 1<<20+1)), 413, "1 MiB", ""},
		{"a long address", ask("GET /guestbook/?"+long, ""), 414, "256 KB", ""},
		{"a long header", ask("GET /guestbook/", "X: "+long+"\r\n"), 431, "256 KB", ""},
		{"many headers", ask("GET /guestbook/", strings.Repeat("X: "+long[:200_000]+"\r\n", 6)), 431, "256 KB", ""},
		{"gzip", ask("POST /guestbook/entries", "Transfer-Encoding: gzip\r\n"), 501, "Transfer-Encoding", ""},
		{"HTTP/9", "GET /guestbook/ HTTP/9.0\r\nHost: x\r\n\r\n", 505, "HTTP/1.1", ""},
	} {
		check(c.name, c.send, c.status, c.words, c.allow)
	}

	const unavailable = "not available right now"
	if err := os.RemoveAll(filepath.Join(dir, "nginx", "client_body")); err != nil {
		t.Fatal(err)
	}
	check("no room for a body", ask("POST /guestbook/", "Content-Length: 200000\r\n")+long[:200_000], 503, unavailable, "")
	podtest.Kill(t, pod.API)
	check("no API", ask("GET /guestbook/", ""), 503, unavailable, "")
	silent, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pod.Ports.API))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	check("a silent API", ask("GET /guestbook/", ""), 503, unavailable, "")
}
