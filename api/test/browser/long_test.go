//go:build long

package browser

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/must"
)

func TestAnNginxInFrontWithItsDefaultsPassesEventsOn(t *testing.T) {
	b := newBook(t)
	p := visit(t, nginxInFront(t, b, `location / { proxy_pass http://POD; proxy_set_header Host $http_host; }`), visitor{})
	for _, text := range numbered("entry", 3) {
		b.write(text)
		// If the page received no event, it would read the entry only after 15 s.
		p.await("the entry", `document.querySelector("#entries > li .words")?.textContent === `+inJS(text), 10*time.Second)
	}
	if n := len(p.streams()); n != 1 {
		t.Errorf("%d streams", n)
	}
}

// The page notices that an event stream delivers nothing, because a proxy buffers the events or because the connection has frozen. The test
// opens three pages at once, because a page needs a while to notice that its stream is silent.
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
			p.await(text+", "+name, `[...document.querySelectorAll(".words")].some(({ textContent }) => textContent === `+inJS(text)+`)`, limit)
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

// A freezer forwards TCP connections, as a NAT router does. When a test raises the field "generation", all open connections freeze: the
// freezer forwards neither bytes nor the end of a connection.
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
	for _, half := range []string{
		"GET / HTTP/1.1\r\nHost: ",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nContent-Length: 100\r\n\r\n{",
		"POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nte",
	} {
		t.Run(half, func(t *testing.T) {
			t.Parallel()
			c := must.Get(net.Dial("tcp", strings.TrimPrefix(b.URL(), "http://")))(t)
			defer c.Close()
			must.Get(io.WriteString(c, half))(t)
			_ = c.SetReadDeadline(time.Now().Add(2 * waitLimit))
			if said, err := io.ReadAll(c); err != nil {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}

func TestTenThousandEntriesScrolledInLeaveThePageSmall(t *testing.T) {
	texts := numbered("entry", 10_000)
	b, p := open(t, visitor{}, texts...)
	step, longest := p.busy(), 0.0
	small := func() {
		t.Helper()
		now := p.busy()
		step, longest = now, max(longest, now-step)
		if n := get[int](p, `document.querySelectorAll("*").length`); n > 4200 {
			t.Fatalf("the page has %d elements", n)
		}
	}
	var first string
	for deadline := time.Now().Add(4 * waitLimit); first != "entry 0"; small() {
		if time.Now().After(deadline) {
			t.Fatal("the beginning of the book is not reached, only ", first)
		}
		first = get[string](p, `new Promise((done) => {
			scrollTo(0, document.body.scrollHeight);
			requestAnimationFrame(() => done(document.querySelector("#entries > li:last-child .words").textContent));
		})`)
	}
	p.awaitContiguous(texts, false)
	was := p.reading()
	more := numbered("more", 10)
	b.write(more...)
	texts = append(texts, more...)
	p.awaitFresh("10 new entries")
	p.checkPlace(was)

	// While the visitor scrolls up, the list shows no gap.
	for range 120 {
		p.eval(`new Promise((done) => { scrollBy(0, -3 * innerHeight); requestAnimationFrame(done); })`)
		small()
	}
	p.awaitContiguous(texts, false)
	p.press(kb.Home)
	p.awaitContiguous(texts, true)
	small()
	if longest > 0.2 {
		t.Errorf("the main thread took %.2f s at once", longest)
	}
}

// If an operator hides an entry, an open page removes the entry within half a minute after the entry came into sight.
func TestHiddenEntriesLeaveOpenPages(t *testing.T) {
	texts := numbered("entry", 120)
	b, p := open(t, visitor{}, texts...)
	p.await("older entries", `(scrollTo(0, document.body.scrollHeight), document.querySelector("#e0"))`)
	var hidden []string
	for _, n := range []int{0, 40, 119} {
		b.hide(fmt.Sprint(offset(texts[:n])))
		hidden = append(hidden, texts[n])
	}
	b.write("a new one")
	want := append(slices.DeleteFunc(texts, func(text string) bool { return slices.Contains(hidden, text) }), "a new one")
	must.Await(t, "the hidden entries to be gone", 2*time.Minute, func() error {
		// The page checks only the entries in sight, so the test scrolls to an entry that an operator has hidden.
		p.eval(`[...document.querySelectorAll("#entries > li")].find((li) => ` + inJS(hidden) + `.includes(li.querySelector(".words").textContent))?.scrollIntoView({ block: "center" })`)
		if got := p.texts(); !slices.Equal(got, want) {
			return fmt.Errorf("it lists %d entries: %q", len(got), got)
		}
		return nil
	})
	if n := len(p.streams()); n != 1 {
		t.Errorf("the stream began %d times", n)
	}
}
