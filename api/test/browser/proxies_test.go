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

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

func TestAnNginxInFrontWithItsDefaultsPassesEventsOn(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, nginxInFront(t, pod, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; }`), visitor{})
	p.awaitState("live")
	p.eval(`globalThis.arrived = {}; new MutationObserver(() => { for (const { textContent } of document.querySelectorAll(".words")) arrived[textContent] ??= Date.now(); })
		.observe(document.querySelector("#entries"), { childList: true })`, nil)
	for i := range 3 {
		text := fmt.Sprint("entry ", i)
		start := time.Now()
		write(t, master, text)
		p.await("the entry", fmt.Sprintf("arrived[%q]", text))
		var at int64
		p.eval(fmt.Sprintf("arrived[%q]", text), &at)
		if took := time.UnixMilli(at).Sub(start); took > 10*time.Second { // a machine with nothing else to do takes 0.2 s; the page itself looks after 15
			t.Errorf("%s took %s", text, took)
		}
	}
	if n := len(p.sent("GET", "/guestbook/events")); n != 1 {
		t.Errorf("%d streams", n)
	}
}

// Streams in which nothing comes: a proxy holds back what it should pass on, or a connection has frozen. All of them at once,
// since each takes its time to be noticed.
func TestStreamsThatStaySilent(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	relay := newRelay(t, pod)
	frozen := visit(t, "http://"+relay.Addr().String(), visitor{})
	frozen.awaitState("live")
	frozen.eval(`globalThis.states = [];
		new MutationObserver(() => states.push(document.querySelector("#connection").dataset.state)).observe(document.querySelector("#connection"), { attributes: true })`, nil)
	buffered := visit(t, nginxInFront(t, pod, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; proxy_ignore_headers X-Accel-Buffering; }`), visitor{})
	headed := visit(t, holdingBack(t, pod), visitor{})
	pages := map[string]*page{"frozen": frozen, "held back whole": buffered, "held back after the header": headed}
	for _, p := range pages {
		p.await("the book", `document.querySelector("#state.empty")`)
	}
	relay.freeze()
	const limit = 45 * time.Second
	for _, text := range []string{"first", "second"} {
		start := time.Now()
		write(t, master, text)
		for name, p := range pages {
			p.awaitFor("the entry", `[...document.querySelectorAll(".words")].some(({ textContent }) => textContent === "`+text+`")`, limit)
			t.Logf("%s: %s is there after %s", name, text, time.Since(start))
		}
	}

	frozen.awaitState("live")
	var states []string
	frozen.eval("states", &states)
	if len(states) == 0 || states[0] == "live" {
		t.Errorf("the page whose connection froze said %q", states)
	}
	for _, p := range []*page{buffered, headed} {
		p.await("the page to say how it is connected", `document.querySelector("#connection").dataset.state === "polling" && document.querySelector("#connection").textContent === "Connected"`)
		p.awaitNil("the stream to be tried again", func() error {
			if n := len(p.sent("GET", "/guestbook/events")); n < 2 {
				return fmt.Errorf("%d streams", n)
			}
			return nil
		}, limit)
	}
}

// holdingBack is a proxy that passes on the header of a stream, and nothing else of it.
func holdingBack(t *testing.T, pod *localpod.Pod) string {
	t.Helper()
	front := newFront(t, pod)
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	front.serveEvents(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	return front.URL
}

// awaitFor waits as long as it is told.
func (p *page) awaitFor(what, expression string, limit time.Duration) {
	p.t.Helper()
	p.awaitNil(what, func() error {
		var held bool
		p.eval("Boolean("+expression+")", &held)
		if !held {
			return errors.New("not so")
		}
		return nil
	}, limit)
}

// relay passes connections on to a pod, as a router with address translation does.
type relay struct {
	net.Listener
	mu     sync.Mutex
	frozen chan struct{} // closed when the connections so far pass nothing any more
	open   []net.Conn
}

func newRelay(t *testing.T, pod *localpod.Pod) *relay {
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
			nginx, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Nginx))
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

// pass copies until the connections are frozen: then not even their end is passed on.
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
			_, _ = to.Write(buffer[:n]) // its end is read
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				to.Close()
			}
			return
		}
	}
}

// freeze makes all connections that are open pass nothing any more, without closing them.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan struct{})
}

// A forward, as of kubectl, ends with the first connection in it that is reset. So one that takes too long is closed.
func TestASlowVisitorIsNotReset(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	ends := map[string]net.Conn{}
	for _, half := range []string{
		"GET / HTTP/1.1\r\nHost: ",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nContent-Length: 100\r\n\r\n{",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nte",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://"))
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
