package contract

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// logged is all that a process has written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines waits for n lines after the first skipped bytes, and returns them.
func (l *logged) lines(t *testing.T, skipped, n int) []string {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		text := l.text.String()[skipped:]
		l.mu.Unlock()
		if lines := strings.SplitAfter(text, "\n"); len(lines) > n {
			return lines[:len(lines)-1]
		}
		if time.Now().After(until) {
			t.Fatalf("nginx has logged %q, want %d lines", text, n)
		}
	}
}

func (l *logged) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// Whatever a request brings, its line of the access log is one JSON object in printable ASCII, short, and about that request.
func TestTheAccessLog(t *testing.T) {
	output := &logged{}
	pod, _ := podtest.Pod(t, localpod.Options{Output: func(process string) io.Writer {
		if process == "nginx" {
			return output
		}
		return io.Discard
	}})
	const rest = " HTTP/1.1\r\nHost: x\r\n"
	forged := `{"time":"2026-01-01T00:00:00+00:00","status":200}`
	check := func(name, raw, method, path string, status int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			before := output.length()
			send(t, pod, raw)
			lines := output.lines(t, before, 1)
			if len(lines) != 1 {
				t.Errorf("%d lines are logged: %q", len(lines), lines)
			}
			var line struct {
				Method, Path, Agent, Forwarded string
				Status                         int
				UpstreamStatus                 string `json:"upstream_status"`
			}
			if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
				t.Fatalf("%q is no JSON: %v", lines[0], err)
			}
			if line.Method != method || line.Path != path || line.Status != status {
				t.Errorf("%s %s %d is logged, want %s %s %d", line.Method, line.Path, line.Status, method, path, status)
			}
			for _, c := range []byte(strings.TrimSuffix(lines[0], "\n")) {
				if c < ' ' || c > '~' {
					t.Errorf("%q has the byte %#x", lines[0], c)
				}
			}
			for _, text := range []string{line.Path, line.Agent, line.Forwarded, line.UpstreamStatus} {
				if len(text) > 200 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
					t.Errorf("%q is logged", text)
				}
			}
		})
	}
	ask := func(line, headers string) string { return line + rest + headers + "\r\n" }
	long := strings.Repeat("\x01\u009b", 50_000)
	for _, c := range []struct {
		name, raw, method, path string
		status                  int
	}{
		{"a read", ask("GET /guestbook/?cmd=get&key=messages", ""), "GET", "/guestbook/", 200},
		{"the page", ask("GET /", ""), "GET", "/", 200},
		{"a newline in the address", ask("GET /x%0a"+strings.ReplaceAll(forged, `"`, "%22"), ""), "GET", "/x%0a" + strings.ReplaceAll(forged, `"`, "%22"), 404},
		{"a quote in the address", ask(`GET /x"},{"y`, ""), "GET", `/x"},{"y`, 404},
		{"a POST of a file", ask("POST /index.html?%0d%0a", "Content-Length: 0\r\n"), "POST", "/index.html", 405},
		{"a POST that is too long", ask("POST /guestbook/entries", "Content-Length: 2000000\r\n"), "POST", "/guestbook/entries", 413},
		{"an unknown method", ask("TRACE /guestbook/entries?x", ""), "TRACE", "/guestbook/entries", 405},
		{"a method that the API refuses", ask("PUT /guestbook/?cmd=set&key=messages&value=x", "Content-Length: 0\r\n"), "PUT", "/guestbook/", 405},
		{"DEL in the address", ask("POST /guestbook/entries?x=\x7f", "Content-Length: 0\r\n"), "POST", "", 400},
		{"ESC in a Referer", ask("GET /nothing", "Referer: \x1b[2J\x1b]0;x\x07\r\n"), "GET", "/nothing", 404},
		{"ESC in a User-Agent", ask("GET /", "User-Agent: a\x1b[2J\r\n"), "GET", "/", 200},
		{"no UTF-8 in a User-Agent", ask("GET /", "User-Agent: a\xff\xc3\r\n"), "GET", "/", 200},
		{"half a letter in a User-Agent", ask("GET /", "User-Agent: \xe2\x82\r\n"), "GET", "/", 200},
		{"C1 controls in X-Forwarded-For", ask("GET /", "X-Forwarded-For: 192.0.2.1\u009b2J\r\n"), "GET", "/", 200},
		{"a backslash and quotes", ask("GET /", `User-Agent: \","status":200,"`+"\r\n"), "GET", "/", 200},
		{"letters that are not ASCII in the address", ask("GET /\xe2\x82\xac\xff", ""), "GET", "/", 404},
		{"no HTTP", "\x16\x03\x01\xff\r\n\r\n", "", "", 400},
		{"no method", "\x1b[2J / HTTP/1.1\r\nHost: x\r\n\r\n", "", "", 400},
		{"200 KB of controls in a header", ask("GET /", "User-Agent: "+long+"\r\n"), "GET", "/", 200},
		{"200 KB of a header", ask("GET /", "User-Agent: "+strings.Repeat("\\\"", 100_000)+"\r\n"), "GET", "/", 200},
		{"a long address", ask("GET /"+strings.Repeat("a", 200_000), ""), "GET", "/" + strings.Repeat("a", 199), 404},
		{"a header that is too long", ask("GET /guestbook/", "X: "+strings.Repeat("a", 300_000)+"\r\n"), "GET", "/guestbook/", 431},
	} {
		check(c.name, c.raw, c.method, c.path, c.status)
	}
	podtest.Kill(t, pod.API)
	check("a POST that the API does not answer", ask("POST /guestbook/entries", "Content-Length: 0\r\nReferer: \x1b[2J\r\n"), "POST", "/guestbook/entries", 503)
}
