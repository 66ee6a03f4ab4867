//go:build long

package browser

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAnNginxInFrontWithItsDefaultsPassesEventsOn(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	p := visit(t, nginxInFront(t, b, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; }`), visitor{})
	p.awaitState("live")
	for _, text := range numbered("entry", 3) {
		b.write(text)
		// On an idle machine, the event arrives within 0.2 s. Without an event, the page would read the entry only after 15 s.
		p.await("the entry", `document.querySelector("#entries > li .words")?.textContent === `+inJS(text), 10*time.Second)
	}
	if n := len(p.streams()); n != 1 {
		t.Errorf("%d streams", n)
	}
}

// The page notices event streams that deliver nothing, because a proxy buffers the events or a connection has frozen. The test opens
// three silent streams at once, because a page needs a while to notice a silent stream.
func TestStreamsThatStaySilent(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	relay := newRelay(t, b)
	frozen := visit(t, "http://"+relay.Addr().String(), visitor{})
	frozen.awaitState("live")
	frozen.eval(`globalThis.states = [];
		new MutationObserver(() => states.push(document.querySelector("#connection").dataset.state)).observe(document.querySelector("#connection"), { attributes: true })`)
	buffered := visit(t, nginxInFront(t, b, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; proxy_ignore_headers X-Accel-Buffering; }`), visitor{})
	front := newProxy(t, b)
	front.serve(events, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // sends the response header, and nothing else
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	headed := visit(t, front.URL, visitor{})
	pages := map[string]*page{"frozen": frozen, "held back whole": buffered, "held back after the header": headed}
	for _, p := range pages {
		p.expect(outage)
		p.await("the book", `document.querySelector("#state.empty")`)
	}
	relay.freeze()
	const limit = 45 * time.Second
	for _, text := range []string{"first", "second"} {
		start := time.Now()
		b.write(text)
		for name, p := range pages {
			p.await("the entry", `[...document.querySelectorAll(".words")].some(({ textContent }) => textContent === `+inJS(text)+`)`, limit)
			t.Logf("%s: %s is there after %s", name, text, time.Since(start))
		}
	}

	frozen.awaitState("live")
	if states := get[[]string](frozen, "states"); len(states) == 0 || states[0] == "live" {
		t.Errorf("the page whose connection froze said %q", states)
	}
	for _, p := range []*page{buffered, headed} {
		p.awaitState("polling")
		p.awaitText("#connection", "Connected")
		p.awaitNil("the stream to be tried again", func() error {
			if n := len(p.streams()); n < 2 {
				return fmt.Errorf("%d streams", n)
			}
			return nil
		}, limit)
	}
}

// A relay forwards TCP connections to a pod, as a NAT router does.
type relay struct {
	net.Listener
	mu     sync.Mutex
	frozen chan struct{} // freeze closes this channel, so that the open connections forward nothing any more
	open   []net.Conn
}

func newRelay(t *testing.T, b *book) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, frozen: make(chan struct{})}
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range r.open {
			c.Close()
		}
	})
	go func() {
		for {
			browser, err := l.Accept()
			if err != nil {
				return
			}
			nginx, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.Ports.Nginx))
			if err != nil {
				browser.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, browser, nginx)
			frozen := r.frozen
			r.mu.Unlock()
			go pass(browser, nginx, frozen)
			go pass(nginx, browser, frozen)
		}
	}()
	return r
}

// pass copies data between two connections. Once frozen is closed, pass forwards nothing, not even the end of a connection.
func pass(from, to net.Conn, frozen <-chan struct{}) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-frozen:
			return
		default:
		}
		if n > 0 {
			_, _ = to.Write(buffer[:n]) // if the write fails, the other direction ends
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				to.Close()
			}
			return
		}
	}
}

// freeze makes all open connections forward nothing any more, without closing the connections.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan struct{})
}

// nginx closes the connection of a slow client without a reset, because a reset would end a whole "kubectl port-forward".
func TestASlowVisitorIsNotReset(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	ends := map[string]net.Conn{}
	for _, half := range []string{
		"GET / HTTP/1.1\r\nHost: ",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nContent-Length: 100\r\n\r\n{",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nte",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(b.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(half)); err != nil {
			t.Fatal(err)
		}
		ends[half] = c
	}
	for half, c := range ends {
		_ = c.SetReadDeadline(time.Now().Add(3 * waitLimit))
		if said, err := io.ReadAll(c); err != nil {
			t.Errorf("%q: %q, %v", half, said, err)
		}
	}
}
