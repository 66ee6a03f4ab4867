package browser

import (
	"testing"

	"github.com/chromedp/cdproto/animation"
)

// lacking is a script that removes functions which some browsers in docs/proxies-and-browsers.md lack.
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

// The page works even if a function of the browser is missing, or exists but fails when the page calls the function.
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
