package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func send(t *testing.T, pod *localpod.Pod, request string) (*http.Response, string) {
	t.Helper()
	_, raw := exchangeRaw(t, strings.TrimPrefix(pod.URL(), "http://"), request)
	response := must.Get(http.ReadResponse(bufio.NewReader(strings.NewReader(raw)), nil))(t)
	return response, string(must.Get(io.ReadAll(response.Body))(t))
}

func head(line, headers string) string { return line + " HTTP/1.1\r\nHost: x\r\n" + headers + shut }

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
			allow := map[string]string{"TRACE /guestbook/entries": "GET, HEAD, POST", "POST /index.html": "GET, HEAD"}[method+" "+path]
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
	check("a read", head("GET /guestbook/?cmd=get&key=messages", ""), 200, "GET", "/guestbook/")
	check("the page", head("GET /", ""), 200, "GET", "/")
	check("a bad address", head("GET /guestbook/%00", ""), 400, "GET", "/guestbook/%00")
	check("DEL in the address", head("POST /guestbook/entries?x=\x7f", "Content-Length: 0\r\n"), 400, "POST", "/guestbook/entries")
	check("a newline in the address", head("GET "+forged, ""), 404, "GET", forged)
	check("a quote in the address", head(`GET /x"},{"y`, ""), 404, "GET", `/x"},{"y`)
	check("letters that are not ASCII in the address", head("GET /\xe2\x82\xac\xff", ""), 404, "GET", "/")
	check("TLS", "\x16\x03\x01\xff\r\n\r\n", 400, "", "")
	check("no method", "\x1b[2J / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "", "")
	check("HTTP/9", "M-SEARCH http://x/guestbook/?y HTTP/9.0\r\nHost: x\r\n\r\n", 505, "M-SEARCH", "/guestbook/")
	check("no host", "GET /guestbook/ HTTP/1.1\r\n\r\n", 400, "GET", "/guestbook/")
	check("TRACE", head("TRACE /guestbook/entries?x", ""), 405, "TRACE", "/guestbook/entries")
	check("POST of a file", head("POST /index.html?%0d%0a", "Content-Length: 0\r\n"), 405, "POST", "/index.html")
	check("a long body", head("POST /guestbook/entries", "Content-Length: 1048577\r\n"), 413, "POST", "/guestbook/entries")
	check("long chunks", head("POST /guestbook/entries", chunked)+chunk(strings.Repeat("a", 1<<20+1)), 413, "POST", "/guestbook/entries")
	check("gzip", head("POST /guestbook/entries", "Transfer-Encoding: gzip\r\n"), 501, "POST", "/guestbook/entries")
	check("an address of 200 KB", head("GET /"+long[:200_000], ""), 404, "GET", "/"+long[:199])
	check("an address of 300 KB", head("GET /guestbook/?"+long, ""), 414, "GET", "/guestbook/")
	check("a header of 300 KB", head("GET /guestbook/", "X: "+long+"\r\n"), 431, "GET", "/guestbook/")
	check("ESC in a Referer", head("GET /guestbookkeeping", "Referer: \x1b[2J\x1b]0;x\x07\r\n"), 404, "GET", "/guestbookkeeping")
	check("ESC in a User-Agent", head("GET /", "User-Agent: a\x1b[2J\r\n"), 200, "GET", "/")
	check("no UTF-8 in a User-Agent", head("GET /", "User-Agent: a\xff\xc3\r\n"), 200, "GET", "/")
	check("C1 controls in X-Forwarded-For", head("GET /", "X-Forwarded-For: 192.0.2.1\u009b2J\r\n"), 200, "GET", "/")
	check("a backslash and quotes", head("GET /", `User-Agent: \","status":200,"`+"\r\n"), 200, "GET", "/")
	check("200 KB of quotes in a header", head("GET /", "User-Agent: "+strings.Repeat("\\\"", 100_000)+"\r\n"), 200, "GET", "/")

	must.OK(t, os.RemoveAll(filepath.Join(dir, "nginx", "client_body")))
	check("no room for a body", head("POST /guestbook/", "Content-Length: 200000\r\n")+long[:200_000], 503, "POST", "/guestbook/")
	podtest.Kill(t, pod.API)
	check("no API", head("POST /guestbook/entries", "Content-Length: 0\r\nReferer: \x1b[2J\r\n"), 503, "POST", "/guestbook/entries")
	silent := must.Get(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pod.Ports.API)))(t)
	check("a silent API", head("GET /guestbook/", ""), 503, "GET", "/guestbook/")
	silent.Close()
	expect(t, pod.URL()+"/", 200, "")
	expect(t, pod.URL()+"/nginx-health", 200, "ok\n")
	podtest.Start(t, pod.API)
	expect(t, pod.URL()+readPath, 200, "")
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

func TestNginxListensOnWhatThereIs(t *testing.T) {
	for _, c := range []struct{ name, network, answer string }{
		{"IPv4 and IPv6", "ip link set lo up", "127.0.0.1\n[::1]\n"},
		{"no IPv4 address", "ip link set lo up; ip address delete 127.0.0.1/8 dev lo", "[::1]\n"},
		{"IPv6 is switched off", "ip link set lo up; echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null", "127.0.0.1\n"},
		{"the kernel has no IPv6", "ip link set lo up", "127.0.0.1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := []string{"--net", "--mount", "--pid", "--fork", "--kill-child"}
			if os.Getuid() != 0 {
				args = append(args, "--map-root-user")
			}
			command := exec.CommandContext(ctx, "unshare", append(args, "sh", "-euc", c.network+"; . ./serve.sh")...)
			command.Env = append(os.Environ(), "FROM="+filepath.Join(must.Root(t), "nginx"), "PATH="+os.Getenv("PATH")+":/usr/sbin")
			var said strings.Builder
			command.Stderr = &said
			if c.name == "the kernel has no IPv6" {
				must.OK(t, refuseIPv6())
			}
			if answered, err := command.Output(); err != nil || string(answered) != c.answer {
				t.Errorf("nginx answers at %q, want %q: %v\n%s", answered, c.answer, err, said.String())
			}
		})
	}
}

// refuseIPv6 makes seccomp refuse IPv6 sockets to this goroutine and the processes that it starts, as a kernel without IPv6 does.
func refuseIPv6() error {
	runtime.LockOSThread()
	const load, jumpIfEqual, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const number, firstArgument = 0, 16
	filter := []unix.SockFilter{
		{Code: load, K: number},
		{Code: jumpIfEqual, K: unix.SYS_SOCKET, Jf: 3},
		{Code: load, K: firstArgument},
		{Code: jumpIfEqual, K: unix.AF_INET6, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
