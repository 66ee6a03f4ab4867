//go:build long

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

func TestTenThousandEntriesScrolledInLeaveThePageSmall(t *testing.T) {
	texts := numbered("entry", 10_000)
	b, p := open(t, texts...)
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

	// The list also has no gap after the visitor has scrolled up again.
	for range 120 {
		p.eval(`new Promise((done) => { scrollBy(0, -3 * innerHeight); requestAnimationFrame(done); })`)
		small()
	}
	p.awaitContiguous(texts, false)
	p.press(kb.Home)
	p.awaitContiguous(texts, true)
	small()
	t.Logf("the main thread took at most %.2f s at once", longest)
	if longest > 0.2 {
		t.Errorf("the main thread took %.2f s at once", longest)
	}
}

// Some browsers in docs/proxies-and-browsers.md lack functions of newer browsers. The test removes each function alone, then all functions
// of the slices around and later together, and checks that the page still works.
func TestBrowsersThatLackAFunction(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	around := []string{"AbortSignal.timeout", "BroadcastChannel", "HTMLFormElement.prototype.requestSubmit", "crypto.randomUUID", "navigator.clipboard"}
	later := []string{
		"AbortSignal.any", "Array.fromAsync", "Array.prototype.at", "Array.prototype.findLast", "Array.prototype.findLastIndex",
		"Array.prototype.toReversed", "Array.prototype.toSorted", "Array.prototype.toSpliced", "Array.prototype.with",
		"Element.prototype.checkVisibility", "Intl.Segmenter", "Map.groupBy", "Object.groupBy", "Object.hasOwn", "Promise.any", "Promise.try",
		"Promise.withResolvers", "Set.prototype.union", "SharedWorker", "String.prototype.at", "String.prototype.isWellFormed",
		"String.prototype.replaceAll", "WeakRef", "navigator.locks", "navigator.userAgentData", "requestIdleCallback", "scheduler", "structuredClone",
	}
	cases := map[string][]string{
		"localStorage": {"localStorage", "sessionStorage", "BroadcastChannel"}, "EventSource": {"EventSource"}, "all": slices.Concat(around, later),
	}
	for _, name := range around {
		cases[name] = []string{name}
	}
	for name, missing := range cases {
		t.Run(name, func(t *testing.T) {
			b.do("DEL", key)
			p := newPage(t, visitor{})
			p.before(`for (const path of ` + inJS(missing) + `) {
				const names = path.split("."), name = names.pop();
				let holder = names.reduce((object, name) => object[name], globalThis);
				while (holder && !{}.hasOwnProperty.call(holder, name)) holder = Object.getPrototypeOf(holder);
				if (holder) delete holder[name];
			}`)
			p.navigate(b.URL())
			p.awaitState(map[bool]string{true: "polling", false: "live"}[name == "EventSource"])
			p.write("signed")
			p.press(kb.Enter, input.ModifierCtrl)
			p.awaitEntries("signed")
			b.write("by another")
			p.awaitEntries("signed", "by another")
			p.reload()
			p.awaitEntries("signed", "by another")
		})
	}
}

// An open page removes a hidden entry within half a minute after the entry came into sight, and removes no other entry. A page that
// is opened later does not show the hidden entry.
func TestHiddenEntriesLeaveOpenPages(t *testing.T) {
	texts := numbered("entry", 120)
	b, ada := open(t, texts...)
	bob := b.visit(visitor{})
	bob.await("older entries", `(() => { scrollTo(0, document.body.scrollHeight); return document.querySelector("#e0") !== null; })()`)
	var hidden []string
	for _, n := range []int{0, 40, 119} {
		b.hide(fmt.Sprint(offset(texts[:n])))
		hidden = append(hidden, texts[n])
	}
	isHidden := func(text string) bool { return slices.Contains(hidden, text) }
	texts = append(slices.DeleteFunc(slices.Clone(texts), isHidden), "a new one")
	b.write("a new one")
	for _, p := range []*page{ada, bob} {
		p.awaitNil("the hidden entries to be gone", func() error {
			// The page checks only the entries in sight, so the test scrolls to a hidden entry.
			p.eval(`[...document.querySelectorAll("#entries > li")].find((li) => ` + inJS(hidden) + `.includes(li.querySelector(".words").textContent))?.scrollIntoView({ block: "center" })`)
			got := p.texts()
			if want := texts[max(0, len(texts)-len(got)):]; len(got) < 49 || p == bob && len(got) < len(texts) || !slices.Equal(got, want) {
				return fmt.Errorf("it lists %d entries: %q", len(got), got)
			}
			return nil
		}, 2*time.Minute)
	}
	if n := len(ada.streams()); n != 1 {
		t.Errorf("the stream began %d times", n)
	}
	if got := b.visit(visitor{}).texts(); slices.ContainsFunc(got, isHidden) || len(got) < 50 {
		t.Errorf("who comes later sees %q", got)
	}
	if raw := b.raw(); !strings.HasPrefix(raw, ",       ,entry 1") {
		t.Errorf("the book begins with %.15q", raw)
	}
}
