package contract

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// nginx writes one line of access log for each request: a short JSON object of printable ASCII.
func TestTheAccessLog(t *testing.T) {
	output := &localpod.Output{}
	pod, _ := podtest.Pod(t, localpod.Options{Output: func(process string) io.Writer {
		if process == "nginx" {
			return output
		}
		return io.Discard
	}})
	forged := `{"time":"2026-01-01T00:00:00+00:00","status":200}`
	check := func(name, raw, method, path string, status int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			before := len(output.String())
			send(t, pod, raw)
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
	long := strings.Repeat("\x01\u009b", 50_000)
	for _, c := range []struct {
		name, raw, method, path string
		status                  int
	}{
		{"a read", head("GET /guestbook/?cmd=get&key=messages", ""), "GET", "/guestbook/", 200},
		{"the page", head("GET /", ""), "GET", "/", 200},
		{"a newline in the address", head("GET /x%0a"+strings.ReplaceAll(forged, `"`, "%22"), ""), "GET", "/x%0a" + strings.ReplaceAll(forged, `"`, "%22"), 404},
		{"a quote in the address", head(`GET /x"},{"y`, ""), "GET", `/x"},{"y`, 404},
		{"a POST of a file", head("POST /index.html?%0d%0a", "Content-Length: 0\r\n"), "POST", "/index.html", 405},
		{"a POST that is too long", head("POST /guestbook/entries", "Content-Length: 2000000\r\n"), "POST", "/guestbook/entries", 413},
		{"an unknown method", head("TRACE /guestbook/entries?x", ""), "TRACE", "/guestbook/entries", 405},
		{"a method that the API refuses", head("PUT /guestbook/?cmd=set&key=messages&value=x", "Content-Length: 0\r\n"), "PUT", "/guestbook/", 405},
		{"DEL in the address", head("POST /guestbook/entries?x=\x7f", "Content-Length: 0\r\n"), "POST", "", 400},
		{"ESC in a Referer", head("GET /nothing", "Referer: \x1b[2J\x1b]0;x\x07\r\n"), "GET", "/nothing", 404},
		{"ESC in a User-Agent", head("GET /", "User-Agent: a\x1b[2J\r\n"), "GET", "/", 200},
		{"no UTF-8 in a User-Agent", head("GET /", "User-Agent: a\xff\xc3\r\n"), "GET", "/", 200},
		{"half a letter in a User-Agent", head("GET /", "User-Agent: \xe2\x82\r\n"), "GET", "/", 200},
		{"C1 controls in X-Forwarded-For", head("GET /", "X-Forwarded-For: 192.0.2.1\u009b2J\r\n"), "GET", "/", 200},
		{"a backslash and quotes", head("GET /", `User-Agent: \","status":200,"`+"\r\n"), "GET", "/", 200},
		{"letters that are not ASCII in the address", head("GET /\xe2\x82\xac\xff", ""), "GET", "/", 404},
		{"no HTTP", "\x16\x03\x01\xff\r\n\r\n", "", "", 400},
		{"no method", "\x1b[2J / HTTP/1.1\r\nHost: x\r\n\r\n", "", "", 400},
		{"200 KB of controls in a header", head("GET /", "User-Agent: "+long+"\r\n"), "GET", "/", 200},
		{"200 KB of a header", head("GET /", "User-Agent: "+strings.Repeat("\\\"", 100_000)+"\r\n"), "GET", "/", 200},
		{"a long address", head("GET /"+strings.Repeat("a", 200_000), ""), "GET", "/" + strings.Repeat("a", 199), 404},
		{"a header that is too long", head("GET /guestbook/", "X: "+strings.Repeat("a", 300_000)+"\r\n"), "GET", "/guestbook/", 431},
	} {
		check(c.name, c.raw, c.method, c.path, c.status)
	}
	podtest.Kill(t, pod.API)
	check("a POST that the API does not answer", head("POST /guestbook/entries", "Content-Length: 0\r\nReferer: \x1b[2J\r\n"), "POST", "/guestbook/entries", 503)
}
