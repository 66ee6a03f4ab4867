package browser

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"guestbook/api/test/kit/must"
)

// If a proxy closes each event stream after one event, the page reconnects and keeps showing "Live". The page reconnects even if the
// browser reports that it is offline.
func TestAConnectionThatComesBackIsNotAnnounced(t *testing.T) {
	b, front, p := openBehindProxy(t, visitor{})
	p.expect(outage)
	said := p.changes("#connection", "node.textContent")
	front.serve(events, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "event: heartbeat\ndata: {}\n\n")
	}))
	p.eval(`dispatchEvent(new Event("offline"))`) // at the event "offline", the page opens a new event stream
	must.Hold(t, "many streams", waitLimit, func() bool { return len(p.streams()) > 8 })
	if texts := said(); !slices.Equal(texts, []string{"Live"}) {
		t.Errorf("the page said %q", texts)
	}
	// The page shows a lost connection even to a visitor who has scrolled down.
	b.kill()
	front.serve(events, nil)
	p.await("it to be told", `/Reconnecting|Not connected/.test(document.querySelector("#connection.trouble")?.textContent)`)
	p.await("it to be in sight", `((node) => isInSight(node) && node.getBoundingClientRect().top > innerHeight / 2)(document.querySelector("#connection"))`)
}

const hide = `Object.defineProperty(document, "hidden", { get: () => true, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`

// The page works in seven windows or seven tabs of one browser, although the browser opens only six connections to a host.
func TestSevenWindowsAndSevenTabsWork(t *testing.T) {
	b := newBook(t)
	p := load(t, b.URL(), visitor{})
	pages := []*page{p}
	for range 6 {
		pages = append(pages, p.tab())
	}
	for _, p := range pages {
		p.await("the book", `document.querySelector("#state.empty")`)
	}
	b.awaitStreams(4)
	pages[6].sign("from the last window")
	pages[6].awaitEntries("from the last window")
	b.write("from elsewhere")
	for _, p := range pages {
		p.awaitEntries("from the last window", "from elsewhere")
	}
	// Only a visible tab has an event stream.
	for _, p := range pages[:6] {
		p.eval(hide)
	}
	b.awaitStreams(1)
	pages[6].awaitState("live")
	pages[6].sign("from the last tab")
	pages[6].awaitNewest("from the last tab")
}

// A hidden page has no event stream, but reads new entries from time to time and shows their number in its title.
func TestAHiddenPageCountsWhatComes(t *testing.T) {
	b, p := open(t, visitor{hurried: true})
	p.eval(hide)
	b.awaitStreams(0)
	b.write("one", "two")
	p.await("the title to count", `document.title === "(2) Guestbook"`)
	b.awaitStreams(0)
	p.eval(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`)
	p.await("the title to be plain", `document.title === "Guestbook"`)
	p.awaitState("live")
}
