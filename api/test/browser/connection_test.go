package browser

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestThePageComesBackByItselfAfterADrain(t *testing.T) {
	b, p := open(t)
	p.expect(outage)
	p.sign("before")
	p.awaitEntries("before")
	if err := b.API.Stop(); err != nil { // Stop sends SIGTERM
		t.Fatal(err)
	}
	p.await("the page to notice", `document.querySelector("#connection").dataset.state !== "live"`)
	b.write("meanwhile")
	b.restart()
	p.awaitEntries("before", "meanwhile")
	p.awaitState("live")
	b.write("after")
	p.awaitEntries("before", "meanwhile", "after")
}

func TestTheOfflineEventIsNotBelievedWhileEntriesArrive(t *testing.T) {
	b, p := open(t)
	p.eval(`globalThis.states = [];
		new MutationObserver(() => states.push(document.querySelector("#connection").textContent)).observe(document.querySelector("#connection"), { childList: true });
		dispatchEvent(new Event("offline"))`)
	b.write("arrives")
	p.awaitEntries("arrives")
	p.awaitState("live")
	if states := get[[]string](p, "states"); slices.Contains(states, "Not connected") {
		t.Errorf("the page said %q", states)
	}
}

// If a proxy closes each event stream after a short time, the page reconnects and keeps showing "Live".
func TestAConnectionThatComesBackIsNotAnnounced(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	front := newProxy(t, b)
	front.serve(events, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "event: heartbeat\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
	}))
	p := newPage(t, visitor{})
	p.expect(outage)
	p.before(`addEventListener("DOMContentLoaded", () => {
		globalThis.said = [];
		const status = document.querySelector("#connection");
		new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
	})`)
	p.navigate(front.URL)
	p.awaitNil("many streams", func() error {
		if n := len(p.streams()); n < 8 {
			return fmt.Errorf("%d streams", n)
		}
		return nil
	}, 3*waitLimit)
	if said := get[[]string](p, "said"); len(said) != 1 || said[0] != "Live" {
		t.Errorf("the page said %q", said)
	}
	// The page shows a lasting outage even to a visitor who has scrolled down.
	if err := b.API.Stop(); err != nil {
		t.Fatal(err)
	}
	front.serve(events, nil)
	p.await("it to be told", `/Reconnecting|Not connected/.test(said[said.length - 1]) && document.querySelector("#connection.trouble")`)
	p.await("it to be in sight", `(({ top, bottom }) => top > innerHeight / 2 && bottom <= innerHeight)(document.querySelector("#connection").getBoundingClientRect())`)
}

// The page works in seven windows of one browser, and in seven tabs, although the browser opens only six connections to a host.
func TestSevenTabsAndSevenWindowsWork(t *testing.T) {
	t.Parallel()
	const hidden = `if (!window.isFirst) Object.defineProperty(Document.prototype, "hidden", { get: () => !window.isSeen });`
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
				seen, streams = pages[6:], 1 // hidden tabs have no event stream
			}
			b.awaitStreams(last, streams)
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
	t.Parallel()
	b := newBook(t)
	p := b.visit(visitor{hurried: true})
	p.eval(`Object.defineProperty(document, "hidden", { get: () => true, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`)
	b.awaitStreams(p, 0)
	b.write("one", "two")
	p.await("the title to count", `document.title === "(2) Guestbook"`)
	b.awaitStreams(p, 0)
	p.eval(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`)
	p.await("the title to be plain", `document.title === "Guestbook"`)
	p.awaitState("live")
}
