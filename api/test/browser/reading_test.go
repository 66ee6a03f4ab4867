package browser

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

func TestArrowsLeadOnFromTheEndOfAnEntry(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "last", strings.Repeat("a line\n", 100)+"end", "first")
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.eval(`(document.querySelector(".more").click(), document.querySelector("#entries > li:nth-child(2)").tabIndex = -1, document.querySelector("#entries > li:nth-child(2)").focus())`, nil)
	const index = `[...document.querySelectorAll("#entries > li")].indexOf(document.activeElement.closest("li"))`
	on := func(want int) {
		t.Helper()
		var got int
		if p.eval(index, &got); got != want {
			t.Fatalf("the focus is on entry %d, want %d", got, want)
		}
	}
	presses := 0
	for at := 1; at == 1; presses++ {
		if presses == 200 {
			t.Fatal("the end of the entry is not reached")
		}
		p.press(kb.ArrowDown)
		p.eval(index, &at)
	}
	if presses < 10 {
		t.Errorf("the next entry was reached after %d presses", presses)
	}
	on(2)
	for _, modifier := range []input.Modifier{input.ModifierShift, input.ModifierAlt, input.ModifierCtrl, input.ModifierMeta} {
		p.press(kb.ArrowUp, modifier)
		on(2)
	}
	// Shift and an arrow select.
	p.eval(`(({ firstChild: text }) => getSelection().setBaseAndExtent(text, 0, text, 1))(document.querySelector("#entries > li:last-child .words"))`, nil)
	p.press(kb.ArrowRight, input.ModifierShift)
	p.await("something to be selected", `getSelection().toString().length > 1`)
}

func TestControlEnterSignsWhatIsBeingComposed(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	down := input.DispatchKeyEvent(input.KeyRawDown).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13).WithModifiers(input.ModifierCtrl)
	var signed []string
	for _, again := range []bool{false, true} { // some browsers tell of the key once more, after the composition
		signed = append(signed, "안녕")
		p.run(chromedp.Focus("#text", chromedp.ByQuery), input.ImeSetComposition("안녕", 2, 2))
		p.eval(`globalThis.composing = null, document.querySelector("#text").addEventListener("keydown", (event) => { composing ??= event.isComposing; }), 0`, nil)
		p.run(down)
		p.await("the key to be of the composition", "composing")
		p.run(input.InsertText("안녕"))
		if again {
			p.run(down)
		}
		p.awaitEntries(signed...)
		p.await("it to be confirmed", `document.querySelector(".pending, .failed") === null`)
		p.await("the form to be empty", `document.querySelector("#text").value === "" && document.querySelector("#error").hidden`)
		if got := book(t, master); len(got) != len(signed) {
			t.Errorf("Redis holds %q", got)
		}
	}
}

func TestOnPaperThereIsTheBook(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, append([]string{strings.Repeat("a line\n", 60) + "end"}, guests...)...)
	p := visit(t, pod.URL(), visitor{width: 794, height: 1123})
	p.awaitState("live")
	p.eval(`document.querySelector("#text").value = "a draft"`, nil)
	p.run(theme("dark"))
	p.run(emulation.SetEmulatedMedia().WithMedia("print").WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	var printed []string
	p.eval(`[...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() && !node.closest(".unseen") && !node.firstElementChild && node.textContent.trim() !== "")
		.map((node) => node.localName + " " + node.className)`, &printed)
	words := 0
	for _, node := range printed {
		switch {
		case node == "p words":
			words++
		case node != "h1 ":
			t.Errorf("%q is printed", node)
		}
	}
	if words != len(guests)+1 {
		t.Errorf("%d entries are printed", words)
	}
	p.await("entries to be whole", `[...document.querySelectorAll(".words")].every(({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight + 2)`)
	p.await("it to be black on white", `[...document.querySelectorAll(".words, h1")].every((node) => getComputedStyle(node).color === "rgb(0, 0, 0)")
		&& getComputedStyle(document.body).backgroundColor === "rgb(255, 255, 255)"`)
	p.screenshot("print")
}

func TestOnlyTheWordsOfEntriesAreCopied(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "first", "second")
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.sign("mine")
	p.await("it to be marked", `document.querySelector("#entries > li:first-child .note")?.textContent === "Yours"`)
	var copied string
	p.eval(`(getSelection().selectAllChildren(document.querySelector("#entries")), getSelection().toString())`, &copied)
	if got := strings.Fields(copied); strings.Join(got, " ") != "mine second first" {
		t.Errorf("%q is copied", copied)
	}
	// A screen reader hears of one link, that of the entry where the Tab key leads to.
	p.await("the other links to be silent", `document.querySelectorAll(".link:not([aria-hidden=true])").length === 1`)
}

func TestALinkToSomeWordsOpensAFoldedEntry(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	var lines strings.Builder
	for i := range 80 {
		fmt.Fprintf(&lines, "line %d of it\n", i)
	}
	write(t, master, lines.String(), "short")
	p := visit(t, pod.URL()+"/#:~:text=line%2041", visitor{})
	p.await("it to be opened", `document.querySelector("#entries > .open .more")?.textContent === "Show less"`)
	p.await("the line to be in sight", `(() => {
		const text = document.querySelector(".open .words").firstChild, at = text.data.indexOf("line 41"), range = new Range();
		range.setStart(text, at);
		range.setEnd(text, at + 7);
		const { top, bottom } = range.getBoundingClientRect();
		return top >= 0 && bottom <= innerHeight;
	})()`)
}

func TestALinkIsCopied(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "first", "second")
	for _, address := range []string{pod.URL(), plainHTTP(pod)} {
		p := visit(t, address, visitor{})
		p.awaitState("live")
		p.run(browser.GrantPermissions([]browser.PermissionType{"clipboardReadWrite", "clipboardSanitizedWrite"}).WithBrowserContextID(p.tabs))
		p.run(chromedp.Click("#entries > li:nth-child(2) > a", chromedp.ByQuery))
		p.await("the page to say so", `document.querySelector(".link[data-said=Copied]") && document.querySelector("#news").textContent.includes("The link is copied.")`)
		// What is in the clipboard is what a paste gives.
		p.run(chromedp.Focus("#text", chromedp.ByQuery), input.DispatchKeyEvent(input.KeyRawDown).WithCommands([]string{"Paste"}))
		p.await("the link to be pasted", fmt.Sprintf(`document.querySelector("#text").value === "%s/#e0"`, address))
	}
}

func TestANameIsRememberedAndStandsBelowTheText(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.run(chromedp.Focus("#name", chromedp.ByQuery), input.InsertText("Ada"))
	p.sign("Hello")
	p.awaitEntries("Hello\n— Ada")
	p.reload()
	p.awaitState("live")
	p.await("the name to be there", `document.querySelector("#name").value === "Ada"`)
	p.sign("Again")
	p.awaitEntries("Hello\n— Ada", "Again\n— Ada")
}

func TestALinkIntoAnOldBookTakesFewRequests(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 40_000)
	write(t, master, texts...)
	p := visit(t, pod.URL()+"/#e0", visitor{})
	p.await("the entry", `document.activeElement.id === "e0" && document.querySelector("#notice").textContent === ""`)
	if n := len(p.sent("GET", "/guestbook/entries")); n > 4 {
		t.Errorf("%d requests", n)
	}
	p.awaitContiguous(texts, false)
	// What comes meanwhile is counted, and not shown there.
	write(t, master, "new")
	p.awaitFresh("1 new entry")
	p.awaitContiguous(texts, false)
	// From there the book can be read towards its end.
	for range 6 {
		p.eval(`new Promise((done) => { document.querySelector("#entries > li:nth-child(15)").scrollIntoView({ block: "start" }); requestAnimationFrame(() => setTimeout(done, 100)); }).then(() => 0)`, nil)
	}
	p.awaitContiguous(texts, false)
	p.await("newer entries", fmt.Sprintf(`Number(document.querySelector("#entries > li").id.slice(1)) > %d`, offset(texts[:400])))
	// And the newest are one press away.
	p.eval(`document.querySelector("#fresh").click()`, nil)
	p.awaitContiguous(append(texts, "new"), true)
	p.await("the button to be gone", `document.querySelector("#fresh").hidden`)
}

// The page notices hidden entries by reading again the entries in sight, not all that it shows.
func TestNoticingHiddenEntriesTakesSomeKilobytes(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	var texts []string
	for i := range 400 {
		texts = append(texts, fmt.Sprintf("%d %s", i, strings.Repeat("long and longer ", 120)))
	}
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.scrollInto(120)
	check := func() (bytes float64) {
		t.Helper()
		before := len(p.sent("GET", "/guestbook/entries"))
		p.eval(`document.dispatchEvent(new Event("visibilitychange"))`, nil) // as when one comes back to it
		p.awaitNil("it to be read", func() error {
			all := p.sent("GET", "/guestbook/entries")[before:]
			bytes = 0
			for _, r := range all {
				if strings.Contains(r.url, "before=") {
					if bytes += r.bytes; r.bytes == 0 {
						return fmt.Errorf("%s is under way", r.url)
					}
				}
			}
			if bytes == 0 {
				return fmt.Errorf("%d requests", len(all))
			}
			return nil
		})
		return bytes
	}
	if n := check(); n > 8_000 {
		t.Errorf("%.0f bytes", n)
	}
	hidden := p.reading().ID
	if out, err := podtest.Command(t, pod, "hide", strings.TrimPrefix(hidden, "e")).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	var n int
	p.eval(`document.querySelectorAll("#entries > li").length`, &n)
	check()
	p.await("it to be gone, alone", fmt.Sprintf(`document.getElementById(%q) === null && document.querySelectorAll("#entries > li").length === %d`, hidden, n-1))
}

func TestTheFootCoversNothingAndCounts(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, numbered("entry", 49)...)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{360, 800, 1000, 1160, 1400, 1920} {
		p := visit(t, pod.URL(), visitor{width: width, height: 700})
		p.awaitState("live")
		p.eval(`document.querySelector("#answerer").open = true`, nil)
		for _, y := range []float64{0, 300, math.MaxInt32} {
			var covered []string
			p.eval(fmt.Sprintf(`(() => {
				scrollTo(0, %f);
				const foot = document.querySelector("#answerer").getBoundingClientRect();
				return [...document.querySelectorAll("#entries > li, form *, h1")].filter((node) => {
					const box = node.getBoundingClientRect();
					return box.left < foot.right && box.right > foot.left && box.top < foot.bottom && box.bottom > foot.top;
				}).map((node) => node.textContent);
			})()`, y), &covered)
			if len(covered) > 0 {
				t.Errorf("at a width of %d it covers %q", width, covered)
			}
		}
		p.await("the answers to be counted", fmt.Sprintf(`/^%s, version dev: [1-9]\d*$/.test(document.querySelector("#answers li").textContent)`, host))
	}
}
