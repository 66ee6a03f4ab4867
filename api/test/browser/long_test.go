//go:build long

package browser

import (
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

func TestTenThousandEntriesScrolledInLeaveThePageSmall(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 10_000)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	step, longest := p.busy(), 0.0
	small := func() {
		t.Helper()
		now := p.busy()
		step, longest = now, max(longest, now-step)
		var n int
		p.eval(`document.querySelectorAll("*").length`, &n)
		if n > 4200 {
			t.Fatalf("the page has %d elements", n)
		}
	}
	var first string
	for deadline := time.Now().Add(4 * waitLimit); first != "entry 0"; small() {
		if time.Now().After(deadline) {
			t.Fatal("the beginning of the book is not reached, only ", first)
		}
		p.eval(`new Promise((done) => {
			scrollTo(0, document.body.scrollHeight);
			requestAnimationFrame(() => done(document.querySelector("#entries > li:last-child .words").textContent));
		})`, &first)
	}
	p.awaitContiguous(texts, false)
	was := p.reading()
	more := numbered("more", 10)
	write(t, master, more...)
	texts = append(texts, more...)
	p.awaitFresh("10 new entries")
	p.checkPlace(was)

	// Up again, page by page, there is nothing missing either.
	for range 120 {
		p.eval(`new Promise((done) => { scrollBy(0, -3 * innerHeight); requestAnimationFrame(done); }).then(() => 0)`, nil)
		small()
	}
	p.awaitContiguous(texts, false)
	p.run(chromedp.KeyEvent(kb.Home))
	p.awaitContiguous(texts, true)
	small()
	t.Logf("the main thread took at most %.2f s at once", longest)
	if longest > 0.2 {
		t.Errorf("the main thread took %.2f s at once", longest)
	}
}

// Browsers that docs/proxies-and-browsers.md names lack some functions of newer ones. Those that the page has a way around are removed one
// by one, and then with them all that came later.
func TestBrowsersThatLackAFunction(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	around := []string{
		"AbortSignal.timeout", "BroadcastChannel", "Element.prototype.replaceChildren", "HTMLFormElement.prototype.requestSubmit",
		"crypto.randomUUID",
	}
	later := []string{
		"AbortSignal.any", "Array.fromAsync", "Array.prototype.at", "Array.prototype.findLast", "Array.prototype.findLastIndex",
		"Array.prototype.toReversed", "Array.prototype.toSorted", "Array.prototype.toSpliced", "Array.prototype.with",
		"Element.prototype.checkVisibility", "Intl.Segmenter", "Map.groupBy", "Object.groupBy", "Object.hasOwn", "Promise.any", "Promise.try",
		"Promise.withResolvers", "Set.prototype.union", "SharedWorker", "String.prototype.at", "String.prototype.isWellFormed",
		"String.prototype.replaceAll", "WeakRef", "navigator.locks", "navigator.userAgentData", "requestIdleCallback", "scheduler", "structuredClone",
	}
	for _, c := range []struct {
		name    string
		missing []string
		state   string
	}{
		{around[0], around[:1], "live"}, {around[1], around[1:2], "live"}, {around[2], around[2:3], "live"}, {around[3], around[3:4], "live"},
		{around[4], around[4:], "live"},
		{"localStorage", []string{"localStorage", "sessionStorage", "BroadcastChannel"}, "live"},
		{"EventSource", []string{"EventSource"}, "polling"},
		{"all", slices.Concat(around, later), "live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			podtest.Do(t, master, "DEL", key)
			p := newPage(t, visitor{})
			p.before(`for (const path of ` + inJS(c.missing) + `) {
				const names = path.split("."), name = names.pop();
				let holder = names.reduce((object, name) => object[name], globalThis);
				while (holder && !{}.hasOwnProperty.call(holder, name)) holder = Object.getPrototypeOf(holder);
				if (holder) delete holder[name];
			}`)
			p.navigate(pod.URL())
			p.awaitState(c.state)
			p.write("signed")
			p.press(kb.Enter, input.ModifierCtrl)
			p.awaitEntries("signed")
			write(t, master, "by another")
			p.awaitEntries("signed", "by another")
			p.reload()
			p.awaitEntries("signed", "by another")
		})
	}
}
