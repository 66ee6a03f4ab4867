package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"guestbook/api/internal/server"
)

// counting counts the bytes that its connections give out.
type counting struct {
	net.Listener
	read *atomic.Int64
}

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.read}, err
}

func (c countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

// serveEcho answers each request with its body, on a listener as the API's, and counts what it has read.
func serveEcho(t *testing.T) (addr string, read *atomic.Int64) {
	t.Helper()
	listener, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	served := make(chan struct{})
	read = new(atomic.Int64)
	go func() {
		_ = s.Serve(counting{listener, read})
		close(served)
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return listener.Addr().String(), read
}

// However the bytes of requests come, net/http gets all of them: one at a time, with those of the next request, with
// one missing where its buffer of 4,096 bytes ends.
func TestRequestsArriveWholeHoweverTheyAreCut(t *testing.T) {
	request := func(padding int, body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nX-Padding: %s\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", strings.Repeat("p", padding), len(body), body)
	}
	sent, want := "", []string(nil)
	for _, padding := range []int{0, 5000, 0} { // the second has a line that does not fit into the buffer
		for _, body := range []string{"", "b", "a body"} {
			sent, want = sent+request(padding, body), append(want, body)
		}
	}
	for _, size := range []int{1, 2, 4095, 4096, 4097, len(sent)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			addr, read := serveEcho(t)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			go func() {
				for done := 0; done < len(sent); {
					n, err := io.WriteString(c, sent[done:min(done+size, len(sent))])
					if err != nil {
						return // and the answers are not all there
					}
					for done += n; read.Load() < int64(done) && t.Context().Err() == nil; {
						runtime.Gosched()
					}
				}
			}()
			answers := bufio.NewReader(c)
			for i, body := range want {
				response, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatalf("answer %d of %d: %v", i, len(want), err)
				}
				got, err := io.ReadAll(response.Body)
				if err != nil || string(got) != body || response.StatusCode != http.StatusOK {
					t.Errorf("answer %d is %d %q, %v, want %q", i, response.StatusCode, got, err, body)
				}
			}
		})
	}
}

func TestListenTellsWhatIsWrong(t *testing.T) {
	listener, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := server.Listen(listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("an address in use: %v", err)
	}
}
