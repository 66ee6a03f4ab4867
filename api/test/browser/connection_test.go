package browser

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// If a proxy closes each event stream after a short time, the page reconnects and keeps showing "Live". The page reconnects even if the
// browser reports that it is offline.
func TestAConnectionThatComesBackIsNotAnnounced(t *testing.T) {
	b, front, p := openBehindProxy(t, visitor{})
	p.expect(outage)
	said := p.changes("#connection", "node.textContent")
	front.serve(events, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "event: heartbeat\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
	}))
	p.eval(`dispatchEvent(new Event("offline"))`) // at the event "offline", the page opens a new event stream
	must.Hold(t, "many streams", waitLimit, func() bool { return len(p.streams()) > 8 })
	if texts := said(); !slices.Equal(texts, []string{"Live"}) {
		t.Errorf("the page said %q", texts)
	}
	// If the connection stays lost, the page shows this even to a visitor who has scrolled down.
	b.kill()
	front.serve(events, nil)
	p.await("it to be told", `/Reconnecting|Not connected/.test(document.querySelector("#connection.trouble")?.textContent)`)
	p.await("it to be in sight", `(({ top, bottom }) => top > innerHeight / 2 && bottom <= innerHeight)(document.querySelector("#connection").getBoundingClientRect())`)
}

// The page works in seven windows or seven tabs of one browser, although the browser opens only six connections to a host.
func TestSevenTabsAndSevenWindowsWork(t *testing.T) {
	t.Parallel()
	const hidden = `Object.defineProperty(Document.prototype, "hidden", { get: () => !window.isSeen });`
	for name, areTabs := range map[string]bool{"windows": false, "tabs": true} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			first := newPage(t, visitor{})
			pages := []*page{first}
			for range 6 {
				pages = append(pages, newTab(t, first.tabs, visitor{}))
			}
			for _, p := range pages {
				if areTabs {
					p.before(hidden)
				}
				p.navigate(b.URL())
				p.await("the book", `document.querySelector("#state.empty")`)
			}
			last, seen, streams := pages[6], pages, 4
			if areTabs {
				last.eval(`window.isSeen = true; document.dispatchEvent(new Event("visibilitychange"))`)
				last.awaitState("live")
				seen, streams = pages[6:], 1 // only the visible tab has an event stream
			}
			b.awaitStreams(streams)
			last.sign("from the last")
			last.awaitEntries("from the last")
			b.write("from elsewhere")
			for _, p := range seen {
				p.awaitEntries("from the last", "from elsewhere")
			}
		})
	}
}

// A hidden page has no event stream, but reads new entries from time to time and shows their number in its title.
func TestAHiddenPageCountsWhatComes(t *testing.T) {
	b, p := open(t, visitor{hurried: true})
	p.eval(`Object.defineProperty(document, "hidden", { get: () => true, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`)
	b.awaitStreams(0)
	b.write("one", "two")
	p.await("the title to count", `document.title === "(2) Guestbook"`)
	b.awaitStreams(0)
	p.eval(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`)
	p.await("the title to be plain", `document.title === "Guestbook"`)
	p.awaitState("live")
}
