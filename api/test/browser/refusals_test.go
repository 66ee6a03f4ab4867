package browser

import (
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/animation"

	"guestbook/api/test/kit/must"
)

func TestThePageWorksWithoutWhatTheBrowserRefuses(t *testing.T) {
	b := newBook(t)
	const refuse = `const refuse = () => { throw new DOMException("refused", "SecurityError"); };`
	for _, c := range []struct{ name, script, state string }{
		{"storage", `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get: refuse });`, "live"},
		{"a storage that is full", `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };`, "live"},
		{"a storage that is null", `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { value: null });`, "live"},
		{"talking to other tabs", `window.BroadcastChannel = class { constructor() { refuse(); } };`, "live"},
		{"locks", `LockManager.prototype.request = refuse;`, "live"},
		{"locks, later", `LockManager.prototype.request = async () => refuse();`, "live"},
		{"locks that never answer", `LockManager.prototype.request = () => new Promise(() => {});`, "polling"},
		{"the clipboard", `Document.prototype.execCommand = () => false;`, "live"},
		{"streams", `window.EventSource = class { constructor() { refuse(); } };`, "polling"},
		{"streams that do not exist", `delete window.EventSource;`, "polling"},
		{"functions of newer browsers", must.Read(t, "testdata", "old-browser.js"), "live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.do("DEL", key)
			b.write("first")
			p := newPage(t, visitor{hurried: true})
			p.before(refuse + c.script)
			p.navigate(b.URL())
			p.awaitState(c.state)
			p.awaitEntries("first")
			p.sign("second")
			p.awaitEntries("first", "second")
			p.eval(`document.querySelector(".link").click()`)
			b.write("third")
			p.awaitEntries("first", "second", "third")
		})
	}
}

func TestAPageWithoutItsScriptSaysSo(t *testing.T) {
	front := newProxy(t, newBook(t))
	const stuck = `document.querySelector("#stuck")`
	for name, script := range map[string]string{
		"it does not arrive":                "",
		"it does not run in an old browser": "let a = 1; a ?=?= 2;",
		"it fails in an old browser":        "document.noSuchFunction();",
	} {
		t.Run(name, func(t *testing.T) {
			front.serveScript(t, script)
			p := newPage(t, visitor{})
			p.expect("exception")
			send(p, animation.Enable, struct{}{})
			p.navigate(front.URL)
			p.await("the message to be there, not shown yet", stuck+` && getComputedStyle(`+stuck+`).visibility === "hidden"`)
			if wait := get[float64](p, stuck+`.getAnimations()[0].effect.getTiming().delay`); wait != 8000 {
				t.Errorf("the message comes after %v ms", wait)
			}
			send(p, animation.SetPlaybackRate, animation.SetPlaybackRateParams{PlaybackRate: 100})
			p.await("the message", `getComputedStyle(`+stuck+`).visibility === "visible"`)
			front.serve(document, nil)
			p.click("#stuck a")
			p.awaitState("live")
			p.await("the message to be gone", stuck+` === null`)
		})
	}
}

// loginPage answers each request with the HTML page of a sign-in proxy.
func loginPage(status int) http.Handler { return html(status, "<!doctype html><title>Sign in</title>") }

func TestAVisitorWhoIsNotSignedInAnyMoreIsToldSo(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]http.Handler{
		"a page":                     loginPage(http.StatusOK),
		"a page that says 403":       loginPage(http.StatusForbidden),
		"a page that says 401":       loginPage(http.StatusUnauthorized),
		"a redirect to another host": http.RedirectHandler("http://login.example/?from=guestbook", http.StatusFound),
		"a redirect to another path": http.RedirectHandler("/login", http.StatusSeeOther),
		"a status alone":             http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }),
	} {
		t.Run(name, func(t *testing.T) {
			front := newProxy(t, newBook(t))
			p := visit(t, front.URL+"/?a=b#e0", visitor{}) // with the page's normal timers, so that the POST does not time out early
			front.serve(api, login)
			second := load(t, front.URL, visitor{})
			p.sign("kept")
			p.await("the visitor to be told", `document.querySelector("#signin:not([hidden])")?.textContent.includes("not signed in")`)
			p.await("the entry to wait", `document.querySelector(".pending .note")?.textContent.startsWith("You are not signed in any more.")`)
			second.await("the visitor to be told", `document.querySelector("#state").textContent.startsWith("You are not signed in any more.")`)
			if link := get[string](p, `document.querySelector("#signin a").href`); link != front.URL+"/?a=b" {
				t.Errorf("the link leads to %s", link)
			}
			// After the visitor has signed in again in another tab, the pages "p" and "second" continue without a reload.
			front.serve(api, nil)
			for _, p := range []*page{p, second} {
				p.expect(outage)
				p.expect("MIME type")
				p.eval(`document.dispatchEvent(new Event("visibilitychange"))`)
				p.awaitEntries("kept")
				p.awaitState("live")
				p.await("nothing to be told any more", `document.querySelector("#signin").hidden`)
			}
		})
	}
}

// If a firewall mistakes a text for an attack and refuses the POST with HTML, the guestbook's page keeps the text.
func TestATextThatAFirewallRefusesIsKept(t *testing.T) {
	const text = "SELECT tea FROM menu"
	_, front, p := openBehindProxy(t, visitor{}) // with the page's normal timers, so that the POST does not time out early
	p.expect(outage)
	told := p.changes("#signin", "String(node.hidden)")
	front.serve(posts, loginPage(http.StatusForbidden))
	p.sign(text)
	p.awaitNewest(text + " failed")
	if slices.Contains(told(), "false") {
		t.Error("the visitor was told to sign in")
	}
	p.clickOnceThere(".failed .edit")
	p.awaitEntries()
	p.awaitDraft(text)
	p.focused("#text")
}
