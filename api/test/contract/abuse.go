package contract

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"golang.org/x/sync/errgroup"
)

// probe is an unusual request, with the statuses that the server may return.
type probe struct {
	name, send string
	// In the expected statuses, "|" means "or", because versions of nginx and Go differ.
	nginx, api string
}

const unsent = "not sent there"

const (
	// smuggled is a request that the probes hide in other requests. nginx and the API must not execute this request.
	smuggled = "GET /guestbook/?cmd=set&key=smuggled&value=x HTTP/1.1\r\nHost: x\r\n\r\n"
	get      = "GET /guestbook/?cmd=get&key=messages HTTP/1.1\r\nHost: x\r\n"
	post     = "POST /guestbook/?cmd=get&key=messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	shut     = "Connection: close\r\n\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
)

var probes = []probe{
	{"1 MiB of rubbish", strings.Repeat("\x00\xff \r\n:%\t", 1<<17), "400|", "400|"},
	{"a Redis command", "*1\r\n$8\r\nFLUSHALL\r\n", "400|", "400|"},

	{"HTTP/1.0 without a host", "GET /guestbook/?cmd=get&key=messages HTTP/1.0\r\n\r\n", "200", "200"},
	{"pipelining", get + "\r\n" + get + "\r\n" + get + shut, "200 200 200", "200 200 200"},
	{"pipelining with a bad request amid", get + "\r\nGET\r\n\r\n" + smuggled, "200 400|200", "200 400"},

	{"a space in the address", "GET /guestbook/?cmd=set&key=smuggled&value=x y HTTP/1.1\r\nHost: x\r\n" + shut, "400", "400"},
	{"an encoded line end in the address", "GET /guestbook/?cmd=get&key=x%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n" + shut, "200", "200"},
	{"a whole address", "GET http://other.example/guestbook/?cmd=get&key=messages HTTP/1.1\r\nHost: x\r\n" + shut, "200", "200"},
	{"CONNECT", "CONNECT 127.0.0.1:6379 HTTP/1.1\r\nHost: x\r\n" + shut, "400|405", "400|404|405"},

	{"two hosts", get + "Host: y\r\n" + shut, "400", "400"},
	{"NUL in a header", get + "X-A: a\x00b\r\n" + shut, "400", "400"},
	{"a header of 300 KB", get + "X-A: " + strings.Repeat("a", 300_000) + "\r\n" + shut, "431", "200"},
	{"1 MiB of headers", get + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 1043) + shut, "431", "431|"},

	{"a request in a body that nobody wants", get + length(smuggled) + smuggled, "200", "200"},
	{"the same, then a request", get + length(smuggled) + smuggled + get + shut, "200 200", "200 200"},
	{"a request in a body for a file", "POST /index.html HTTP/1.1\r\nHost: x\r\n" + length(smuggled) + smuggled, "405", unsent},
	{"a request in a body for the probes", "GET /nginx-health HTTP/1.1\r\nHost: x\r\n" + length(smuggled) + smuggled, "200", unsent},
	{"a length and chunks (CL.TE)", post + chunked + length("0\r\n\r\n"+smuggled) + "0\r\n\r\n" + smuggled, "400", "200"},
	{"chunks and a shorter length (TE.CL)", post + "Content-Length: 4\r\n" + chunked + "\r\n" + chunk(smuggled) + "0\r\n\r\n", "400", "200"},
	{"two lengths", post + "Content-Length: 0\r\n" + length(smuggled) + smuggled, "400", "400"},
	{"one length twice", post + "Content-Length: " + fmt.Sprint(len(smuggled)) + "\r\n" + length(smuggled) + smuggled, "400", "200"},
	{"a list of lengths", post + "Content-Length: 0, 0\r\n\r\n" + smuggled, "400", "400"},
	{"an endless length", post + "Content-Length: 99999999999999999999\r\n\r\n" + smuggled, "400|413", "400"},
	{"a length under another name", post + "Content_Length: 0\r\n" + length(smuggled) + smuggled, "200", "200"},
	{"two transfer encodings", post + chunked + "Transfer-Encoding: identity\r\n\r\n" + smuggled, "400|501", "400|501"},
	{"a list of transfer encodings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + smuggled, "400|501", "400|501"},
	{"a space after Transfer-Encoding", post + "Transfer-Encoding : chunked\r\n" + length(smuggled) + smuggled, "400", "400"},
	{"chunks in HTTP/1.0", strings.Replace(post, "HTTP/1.1", "HTTP/1.0", 1) + chunked + "\r\n0\r\n\r\n" + smuggled, "400|200", "200|400"},
	{"HTTP/2 without TLS", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200", "200"},
	{"a WebSocket", get + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200", "200"},

	{"chunks", post + chunked + "\r\n" + chunk("cmd=get") + "0\r\n" + "\r\n", "200", "200"},
	{"a chunk that is longer than it says", post + chunked + "\r\n1\r\naaaa\r\n0\r\n\r\n" + smuggled, "400", "400"},
}

// hidden lists paths of the API that nginx must not forward, such as /metrics.
var hidden = []string{
	"/healthz", "/readyz", "/nginx.conf", "/other", "/metrics", "//metrics", "/./metrics", "/guestbook/../metrics", "/guestbook/%2e%2e/metrics", "/guestbook/..%2fmetrics",
	"/guestbook.php/../metrics", "/guestbook.php/..%2fmetrics", "/guestbook/%2e%2e%2fmetrics", "/metrics%2f..%2fguestbook/", "/metrics/../guestbook/",
	"/guestbook%2f..%2fmetrics", "/guestbook/..;/metrics", "/guestbook\\..\\metrics", "/metrics#/guestbook/", "/guestbook%23/../metrics",
	"/metrics%3f/../guestbook/", "http://x/metrics", "/guestbook/..%5cmetrics", "/guestbook/..%c0%afmetrics", "/../nginx.conf", "/error",
}

func length(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) }

func chunk(data string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(data), data) }

// Abuse sends unusual requests to nginx and the API. No such request may write to Redis, and both servers must answer the next client.
func Abuse(t *testing.T, nginx, api string, master redis.Conn) {
	var probing errgroup.Group
	probing.SetLimit(16)
	all := slices.Clone(probes)
	for _, path := range hidden {
		all = append(all, probe{path, "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + shut, "307|400|404", unsent})
	}
	for _, p := range all {
		for _, to := range []struct{ name, addr, want, next string }{
			{"nginx", nginx, p.nginx, "/guestbook/?cmd=get&key=messages"}, {"the API", api, p.api, "/healthz"},
		} {
			if to.want == unsent {
				continue
			}
			probing.Go(func() error {
				if got, raw := exchangeRaw(t, to.addr, p.send); !slices.Contains(strings.Split(to.want, "|"), got) {
					t.Errorf("%s: %s answers %q, want %s: %.300q", p.name, to.name, got, to.want, raw)
				}
				if got, raw := exchangeRaw(t, to.addr, "GET "+to.next+" HTTP/1.1\r\nHost: x\r\n"+shut); got != "200" {
					t.Errorf("after %s: %s answers %q: %.300q", p.name, to.name, got, raw)
				}
				return nil
			})
		}
	}
	_ = probing.Wait()
	if n, err := redis.Int(master.Do("DEL", "smuggled")); err != nil || n != 0 {
		t.Errorf("a smuggled request was carried out (%v): look for a probe with too many answers", err)
	}
}

// exchangeRaw sends bytes on a new connection, and returns the statuses and the bytes of the responses. exchangeRaw waits 20 s for the
// first byte, and 0.5 s for each further byte.
func exchangeRaw(t *testing.T, addr, send string) (statuses, raw string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, send) }()
	buffer := make([]byte, 64<<10)
	for timeout := 20 * time.Second; err == nil; timeout = 500 * time.Millisecond {
		_ = c.SetReadDeadline(time.Now().Add(timeout))
		var n int
		n, err = c.Read(buffer)
		raw += string(buffer[:n])
	}
	for answers := bufio.NewReader(strings.NewReader(raw)); ; {
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return strings.TrimSpace(statuses), raw
		}
		statuses += fmt.Sprint(" ", response.StatusCode)
		_, _ = io.Copy(io.Discard, response.Body)
	}
}
