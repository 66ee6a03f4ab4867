package contract

import (
	"bufio"
	"encoding/json"
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

func send(t *testing.T, pod *localpod.Pod, raw string) (*http.Response, string) {
	t.Helper()
	c := must.Get(net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://")))(t)
	defer c.Close()
	must.OK(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(c, raw) }()
	response := must.Get(http.ReadResponse(bufio.NewReader(c), nil))(t)
	defer response.Body.Close()
	return response, string(must.Get(io.ReadAll(response.Body))(t))
}

func head(line, headers string) string { return line + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" }

// errorOf maps an HTTP status to the words that nginx's error response contains.
var errorOf = map[int]string{
	400: "cannot read", 404: "nothing at this address", 405: "use GET, HEAD", 413: "1 MiB", 414: "256 KB", 431: "256 KB",
	501: "Transfer-Encoding", 503: "not available right now", 505: "HTTP/1.1",
}

// The error responses of nginx have the form {"error": "…"}, like those of the API. For each request, nginx writes one line of access log:
// a JSON object of printable ASCII.
func TestWhatNginxAnswersAndLogs(t *testing.T) {
	output, dir := &localpod.Output{}, t.TempDir()
	pod, _ := podtest.Pod(t, localpod.Options{Dir: dir, Output: func(process string) io.Writer {
		if process == "nginx" {
			return output
		}
		return io.Discard
	}})
	check := func(name, raw string, status int, method, path string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			before := len(output.String())
			response, body := send(t, pod, raw)
			if response.StatusCode != status || !strings.Contains(body, errorOf[status]) {
				t.Errorf("answers %d %s, want %d %q", response.StatusCode, body, status, errorOf[status])
			}
			if status >= 400 {
				checkError(t, response, body)
			}
			allow := ""
			if status == 405 {
				allow = map[string]string{"/guestbook/entries": "GET, HEAD, POST", "/index.html": "GET, HEAD"}[path]
			}
			if got := response.Header.Get("Allow"); got != allow || (response.Header.Get("Retry-After") != "") != (status == 503) {
				t.Errorf("answers with %v, want Allow %q", response.Header, allow)
			}

			must.Hold(t, "a line is logged", 20*time.Second, func() bool { return strings.HasSuffix(output.String()[before:], "\n") })
			text := strings.TrimSuffix(output.String()[before:], "\n")
			var line struct {
				Method, Path, Agent, Forwarded string
				Status                         int
				UpstreamStatus                 string `json:"upstream_status"`
			}
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatalf("%q is no JSON object: %v", text, err)
			}
			if line.Method != method || line.Path != path || line.Status != status {
				t.Errorf("%s %s %d is logged, want %s %s %d", line.Method, line.Path, line.Status, method, path, status)
			}
			for i, text := range []string{text, line.Path, line.Agent, line.Forwarded, line.UpstreamStatus} {
				if len(text) > 200 && i > 0 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
					t.Errorf("%q is logged", text)
				}
			}
		})
	}
	forged := "/x%0a{%22time%22:%222026-01-01T00:00:00+00:00%22,%22status%22:200}"
	long := strings.Repeat("a", 300_000)
	for _, c := range []struct {
		name, send   string
		status       int
		method, path string
	}{
		{"a read", head("GET /guestbook/?cmd=get&key=messages", ""), 200, "GET", "/guestbook/"},
		{"the page", head("GET /", ""), 200, "GET", "/"},
		{"a bad address", head("GET /guestbook/%00", ""), 400, "GET", ""},
		{"DEL in the address", head("POST /guestbook/entries?x=\x7f", "Content-Length: 0\r\n"), 400, "POST", ""},
		{"a newline in the address", head("GET "+forged, ""), 404, "GET", forged},
		{"a quote in the address", head(`GET /x"},{"y`, ""), 404, "GET", `/x"},{"y`},
		{"letters that are not ASCII in the address", head("GET /\xe2\x82\xac\xff", ""), 404, "GET", "/"},
		{"TLS", "\x16\x03\x01\xff\r\n\r\n", 400, "", ""},
		{"no method", "\x1b[2J / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "", ""},
		{"HTTP/9", "GET /guestbook/ HTTP/9.0\r\nHost: x\r\n\r\n", 505, "GET", ""},
		{"no host", "GET /guestbook/ HTTP/1.1\r\n\r\n", 400, "GET", "/guestbook/"},
		{"TRACE", head("TRACE /guestbook/entries?x", ""), 405, "TRACE", "/guestbook/entries"},
		{"POST of a file", head("POST /index.html?%0d%0a", "Content-Length: 0\r\n"), 405, "POST", "/index.html"},
		{"a long body", head("POST /guestbook/entries", "Content-Length: 1048577\r\n"), 413, "POST", "/guestbook/entries"},
		{"long chunks", head("POST /guestbook/entries", chunked) + chunk(strings.Repeat("a", 1<<20+1)), 413, "POST", "/guestbook/entries"},
		{"gzip", head("POST /guestbook/entries", "Transfer-Encoding: gzip\r\n"), 501, "POST", "/guestbook/entries"},
		{"an address of 200 KB", head("GET /"+long[:200_000], ""), 404, "GET", "/" + long[:199]},
		{"an address of 300 KB", head("GET /guestbook/?"+long, ""), 414, "GET", ""},
		{"a header of 300 KB", head("GET /guestbook/", "X: "+long+"\r\n"), 431, "GET", "/guestbook/"},
		{"ESC in a Referer", head("GET /guestbookkeeping", "Referer: \x1b[2J\x1b]0;x\x07\r\n"), 404, "GET", "/guestbookkeeping"},
		{"ESC in a User-Agent", head("GET /", "User-Agent: a\x1b[2J\r\n"), 200, "GET", "/"},
		{"no UTF-8 in a User-Agent", head("GET /", "User-Agent: a\xff\xc3\r\n"), 200, "GET", "/"},
		{"C1 controls in X-Forwarded-For", head("GET /", "X-Forwarded-For: 192.0.2.1\u009b2J\r\n"), 200, "GET", "/"},
		{"a backslash and quotes", head("GET /", `User-Agent: \","status":200,"`+"\r\n"), 200, "GET", "/"},
		{"200 KB of quotes in a header", head("GET /", "User-Agent: "+strings.Repeat("\\\"", 100_000)+"\r\n"), 200, "GET", "/"},
	} {
		check(c.name, c.send, c.status, c.method, c.path)
	}

	must.OK(t, os.RemoveAll(filepath.Join(dir, "nginx", "client_body")))
	check("no room for a body", head("POST /guestbook/", length(long[:200_000]))+long[:200_000], 503, "POST", "/guestbook/")
	podtest.Kill(t, pod.API)
	check("no API", head("POST /guestbook/entries", "Content-Length: 0\r\nReferer: \x1b[2J\r\n"), 503, "POST", "/guestbook/entries")
	silent := must.Get(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pod.Ports.API)))(t)
	check("a silent API", head("GET /guestbook/", ""), 503, "GET", "/guestbook/")
	silent.Close()
	unavailable(t, pod, readPath)
	expect(t, pod.URL()+"/nginx-health", 200, "ok\n")
	podtest.Start(t, pod.API)
	expect(t, pod.URL()+readPath, 200, "")
}
