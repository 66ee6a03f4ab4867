package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// Functions that are there and do not work: browsers that refuse something do so when it is used.
func TestWhatTheBrowserRefusesIsDoneWithout(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	const refuse = `const refuse = () => { throw new DOMException("refused", "SecurityError"); };`
	for _, c := range []struct{ name, script, state string }{
		{"storage", `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get: refuse });`, "live"},
		{"a storage that is full", `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };`, "live"},
		{"talking to other tabs", `window.BroadcastChannel = class { constructor() { refuse(); } };`, "live"},
		{"locks", `LockManager.prototype.request = refuse;`, "live"},
		{"locks, later", `LockManager.prototype.request = async () => refuse();`, "live"},
		{"the clipboard", `Clipboard.prototype.writeText = async () => refuse(); Document.prototype.execCommand = () => false;`, "live"},
		{"streams", `window.EventSource = class { constructor() { refuse(); } };`, "polling"},
		{"letters of a text", `delete Intl.Segmenter;`, "live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			podtest.Do(t, master, "DEL", key)
			write(t, master, "first")
			p := newPage(t, visitor{hurried: true})
			p.before(refuse + c.script)
			p.navigate(pod.URL())
			p.awaitState(c.state)
			p.awaitEntries("first")
			p.sign("second")
			p.awaitEntries("first", "second")
			p.eval(`document.querySelector(".link").click()`, nil)
			write(t, master, "third")
			p.awaitEntries("first", "second", "third")
		})
	}
}

func TestAnAddressWithCredentials(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	var texts []string
	for _, credentials := range []string{"user:pass@", "user@", "user%40example:%3F@"} {
		p := visit(t, strings.Replace(pod.URL(), "http://", "http://"+credentials, 1), visitor{})
		p.awaitState("live")
		texts = append(texts, "by "+credentials)
		p.sign(texts[len(texts)-1])
		p.awaitEntries(texts...)
	}
}

// A firewall that takes a text for an attack answers with a page, as a proxy does where one has to sign in.
func TestATextThatAFirewallRefusesIsKept(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	p := visit(t, front.URL, visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	p.eval(`globalThis.notices = [];
		new MutationObserver(() => notices.push(document.querySelector("#notice").textContent)).observe(document.querySelector("#notice"), { childList: true })`, nil)
	front.servePosts(loginPage(http.StatusForbidden))
	p.sign("SELECT tea FROM menu")
	p.awaitFailure("SELECT tea FROM menu")
	const told = "Not in the book yet. Something in front of the guestbook, such as a firewall, refuses this text."
	if note := p.entries()[0].Note; note != told {
		t.Errorf("the visitor is told %q", note)
	}
	if n := len(p.sent("POST", "/guestbook/entries")); n < 2 || n > 5 {
		t.Errorf("it was posted %d times", n)
	}
	var notices []string
	if p.eval("notices", &notices); len(notices) > 0 {
		t.Errorf("the page said %q", notices)
	}
	p.pressOnceThere(".failed .edit")
	p.await("the text to be in the form", `document.querySelector("#text").value === "SELECT tea FROM menu"`)
	front.servePosts(nil)
	write(t, master, "from elsewhere")
	p.awaitEntries("from elsewhere")
}

// Connections that are cut again and again, as by a proxy that lets none live for long, are no news.
func TestAConnectionThatComesBackIsNotAnnounced(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	front.serveEvents(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		if n := len(p.sent("GET", "/guestbook/events")); n < 8 {
			return fmt.Errorf("%d streams", n)
		}
		return nil
	}, 3*waitLimit)
	var said []string
	if p.eval("said", &said); len(said) != 1 || said[0] != "Live" {
		t.Errorf("the page said %q", said)
	}
	// One that stays away is told, wherever one has scrolled to.
	if err := pod.API.Stop(); err != nil {
		t.Fatal(err)
	}
	front.serveEvents(nil)
	p.await("it to be told", `/Reconnecting|Not connected/.test(said[said.length - 1]) && document.querySelector("#connection.trouble")`)
	p.await("it to be in sight", `(({ top, bottom }) => top > innerHeight / 2 && bottom <= innerHeight)(document.querySelector("#connection").getBoundingClientRect())`)
}

// Seven windows of one browser, all in sight, and as many tabs of which one is: the browser opens six connections to a host.
func TestSevenTabsAndSevenWindowsWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		streams      int
	}{
		{"windows", "", 4},
		{"tabs", `if (!window.isFirst) Object.defineProperty(Document.prototype, "hidden", { get: () => !window.isSeen });`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, master := podtest.Pod(t, localpod.Options{})
			first := newPage(t, visitor{})
			pages := []*page{first}
			for range 6 {
				pages = append(pages, newTab(t, first.tabs, visitor{}))
			}
			for _, p := range pages {
				if c.script != "" {
					p.before(c.script)
				}
				p.navigate(pod.URL())
				p.await("the book", `document.querySelector("#state.empty")`)
			}
			p := pages[6]
			if c.streams == 0 {
				p.eval(`(window.isSeen = true, document.dispatchEvent(new Event("visibilitychange")))`, nil)
				p.awaitState("live")
			}
			p.awaitViewers(pod, fmt.Sprint(max(c.streams, 1)))
			p.sign("from the last")
			p.awaitEntries("from the last")
			write(t, master, "from elsewhere")
			for i, p := range pages {
				if c.streams == 0 && i < 6 {
					continue // nobody sees it: it reads now and then
				}
				p.awaitEntries("from the last", "from elsewhere")
			}
		})
	}
}

// A hidden page reads now and then, so that its title counts.
func TestAHiddenPageCountsWhatComes(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.awaitState("live")
	p.eval(`(Object.defineProperty(document, "hidden", { get: () => true, configurable: true }), document.dispatchEvent(new Event("visibilitychange")))`, nil)
	p.awaitViewers(pod, "0")
	write(t, master, "one", "two")
	p.await("the title to count", `document.title === "(2) Guestbook"`)
	p.awaitViewers(pod, "0")
	p.eval(`(delete document.hidden, document.dispatchEvent(new Event("visibilitychange")))`, nil)
	p.await("the title to be plain", `document.title === "Guestbook"`)
	p.awaitState("live")
}
