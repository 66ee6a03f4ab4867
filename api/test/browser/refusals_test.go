package browser

import (
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/animation"
)

// lacking is a script that removes functions from the browser, because older browsers lack these functions.
const lacking = `for (const path of [
	"AbortSignal.any", "AbortSignal.timeout", "Array.fromAsync", "Array.prototype.at", "Array.prototype.findLast", "Array.prototype.findLastIndex",
	"Array.prototype.toReversed", "Array.prototype.toSorted", "Array.prototype.toSpliced", "Array.prototype.with", "BroadcastChannel",
	"Element.prototype.checkVisibility", "HTMLFormElement.prototype.requestSubmit", "Intl.Segmenter", "Map.groupBy", "Object.groupBy",
	"Object.hasOwn", "Promise.any", "Promise.try", "Promise.withResolvers", "Set.prototype.union", "SharedWorker", "String.prototype.at",
	"String.prototype.isWellFormed", "String.prototype.replaceAll", "WeakRef", "crypto.randomUUID", "navigator.clipboard", "navigator.locks",
	"navigator.userAgentData", "requestIdleCallback", "scheduler", "structuredClone",
]) {
	const names = path.split("."), name = names.pop();
	let holder = names.reduce((object, name) => object[name], globalThis);
	while (holder && !{}.hasOwnProperty.call(holder, name)) holder = Object.getPrototypeOf(holder);
	if (holder) delete holder[name];
}`

// The page works even if the browser lacks a function, or if a call of the function fails.
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
		{"functions of newer browsers", lacking, "live"},
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
			p.run(animation.Enable())
			p.navigate(front.URL)
			p.await("the message to be there, not shown yet", stuck+` && getComputedStyle(`+stuck+`).visibility === "hidden"`)
			if wait := get[float64](p, stuck+`.getAnimations()[0].effect.getTiming().delay`); wait != 8000 {
				t.Errorf("the message comes after %v ms", wait)
			}
			p.run(animation.SetPlaybackRate(100))
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
			b := newBook(t)
			front := newProxy(t, b)
			p := visit(t, front.URL+"/?a=b#e0", visitor{})
			p.expect(outage)
			p.expect("MIME type")
			front.serve(api, login)
			p.sign("kept")
			p.await("the visitor to be told", `/not signed in/.test(document.querySelector("#signin:not([hidden])")?.textContent) && document.querySelector(".pending .note")?.textContent.startsWith("You are not signed in any more.")`)
			p.write("a draft")
			link := get[string](p, `document.querySelector("#signin a").href`)
			if link != front.URL+"/?a=b" {
				t.Errorf("the link leads to %s", link)
			}
			b.kill() // the stream ends, so that the page reads the entries again
			p.awaitState("offline")
			b.restart()
			p.await("it to be told still", `document.querySelector("#signin:not([hidden]) a")`)

			front.serve(api, nil) // the visitor has signed in again
			p.navigate(link)
			p.awaitEntries("kept")
			p.awaitDraft("a draft")
			p.await("nothing to be told any more", `document.querySelector("#signin").hidden`)
			b.check("kept")
		})
	}
}

// If a visitor signs in again in a second tab, the first tab continues without a reload.
func TestSigningInAgainElsewhereIsNoticed(t *testing.T) {
	front := newProxy(t, newBook(t))
	front.serve(api, loginPage(http.StatusOK))
	p := load(t, front.URL, visitor{}) // not hurried, because a request that times out might still add the entry
	p.expect("MIME type")
	p.await("the visitor to be told", `document.querySelector("#signin:not([hidden]) a") && document.querySelector("#state").textContent.startsWith("You are not signed in any more.")`)
	p.sign("waits")
	p.await("it to wait", `document.querySelector(".pending .note")?.textContent.startsWith("You are not signed in any more.")`)
	front.serve(api, nil)
	p.awaitEntries("waits")
	p.awaitState("live")
	p.await("nothing to be told any more", `document.querySelector("#signin").hidden`)
}

// If a firewall mistakes a text for an attack and refuses the POST with HTML, the guestbook's page keeps the text.
func TestATextThatAFirewallRefusesIsKept(t *testing.T) {
	const text = "SELECT tea FROM menu"
	b, front, p := openBehindProxy(t, visitor{}) // not hurried, because a request that times out might still add the entry
	p.expect(outage)
	told := p.changes("#signin", "String(node.hidden)")
	front.serve(posts, loginPage(http.StatusForbidden))
	p.sign(text)
	const refused = "Not in the book yet. Something in front of the guestbook, such as a firewall, refuses this text."
	if note := p.awaitFailure(text); note != refused {
		t.Errorf("the visitor is told %q", note)
	}
	if n := len(p.posts()); n < 2 || n > 5 {
		t.Errorf("it was posted %d times", n)
	}
	if slices.Contains(told(), "false") {
		t.Error("the visitor was told to sign in")
	}
	p.clickOnceThere(".failed .edit")
	p.awaitEntries()
	p.awaitDraft(text)
	p.focused("#text")
	front.serve(posts, nil)
	b.write("from elsewhere")
	p.awaitEntries("from elsewhere")
}
