//go:build long

package browser

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// The page notices a silent event stream, such as a stream that a proxy buffers. The test opens three pages at once, so that their timeouts
// run at the same time.
func TestStreamsThatStaySilent(t *testing.T) {
	b := newBook(t)
	front := newProxy(t, b)
	router := &freezer{Listener: must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)}
	defer router.Close()
	go func() { _ = http.Serve(router, front.pod) }()
	frozen := visit(t, "http://"+router.Addr().String(), visitor{})
	states := frozen.changes("#connection", "node.dataset.state")
	buffered := load(t, nginxInFront(t, b, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; proxy_ignore_headers X-Accel-Buffering; }`), visitor{})
	front.serve(events, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	headed := load(t, front.URL, visitor{})
	pages := map[string]*page{"frozen": frozen, "held back whole": buffered, "held back after the header": headed}
	for _, p := range pages {
		p.expect(outage)
		p.await("the book", `document.querySelector("#state.empty")`)
	}
	router.generation.Add(1)
	const limit = 45 * time.Second
	for _, text := range []string{"first", "second"} {
		b.write(text)
		for name, p := range pages {
			p.await(text+", "+name, `shownEntries().some(({ Text }) => Text === `+inJS(text)+`)`, limit)
		}
	}

	frozen.awaitState("live")
	if said := states(); len(said) == 0 || said[0] == "live" {
		t.Errorf("the page whose connection froze said %q", said)
	}
	for _, p := range []*page{buffered, headed} {
		p.awaitState("polling")
		p.awaitText("#connection", "Connected")
		must.Hold(t, "the stream to be tried again", limit, func() bool { return len(p.streams()) > 1 })
	}
}

// A freezer is a net.Listener whose connections can fall silent, as if the network failed. When a test increments the freezer's field
// "generation", all open connections stay open, but discard what the server sends to the clients.
type freezer struct {
	net.Listener
	generation atomic.Int32
}

func (f *freezer) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	return &freezable{c, f, f.generation.Load()}, err
}

type freezable struct {
	net.Conn
	router     *freezer
	generation int32
}

func (c *freezable) Write(data []byte) (int, error) {
	if c.generation != c.router.generation.Load() {
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// nginx closes the connection of a slow client without a TCP reset, because a reset would end the program "kubectl port-forward" for all
// clients.
func TestASlowVisitorIsNotReset(t *testing.T) {
	b := newBook(t)
	for _, half := range []string{"GET / HTTP/1.1\r\nHost: ", "POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nContent-Length: 100\r\n\r\n{"} {
		c := must.Get(net.Dial("tcp", strings.TrimPrefix(b.URL(), "http://")))(t)
		defer c.Close()
		must.Get(io.WriteString(c, half))(t)
		_ = c.SetReadDeadline(time.Now().Add(2 * waitLimit))
		if said, err := io.ReadAll(c); err != nil {
			t.Errorf("%q, %v", said, err)
		}
	}
}
