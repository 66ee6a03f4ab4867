package browser

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

func (p *page) press(key string, modifiers ...input.Modifier) {
	p.t.Helper()
	p.run(chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
}

// focused waits until what the selector names has the focus.
func (p *page) focused(selector string) {
	p.t.Helper()
	p.await(selector+" to have the focus", fmt.Sprintf("document.activeElement.matches(%q)", selector))
}

// noteAnnouncements keeps what screen readers say, and when, in the page's global announced.
const noteAnnouncements = `globalThis.announced = [];
	new MutationObserver(() => announced.push({ Text: document.querySelector("#news").textContent, At: performance.now() }))
		.observe(document.querySelector("#news"), { childList: true });`

func TestOnesOwnEntryIsAnnouncedHoweverManyOthersCome(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.eval(noteAnnouncements, nil)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 30 {
		<-tick.C
		write(t, master, fmt.Sprintf("entry %d", i))
		if i == 10 {
			p.sign("mine")
		}
	}
	p.await("one's own to be announced", `announced.some(({ Text }) => Text.includes("Your entry is in the book."))`)
	p.await("the others to be announced", `/\d+ new entries/.test(announced.map(({ Text }) => Text).join())`)
	var said []struct {
		Text string
		At   float64
	}
	p.eval(`announced.filter(({ Text }) => Text !== "")`, &said)
	for i := range said[1:] {
		if gap := said[i+1].At - said[i].At; gap < 4900 {
			t.Errorf("%q comes %.0f ms after %q", said[i+1].Text, gap, said[i].Text)
		}
	}
}

func TestSigningTwiceInAHurrySignsOnceAndSaysNothing(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.eval(`globalThis.complaints = [];
		new MutationObserver(() => complaints.push(document.querySelector("#error").textContent)).observe(document.querySelector("#error"), { childList: true, subtree: true })`, nil)
	p.write("by a double click")
	p.run(chromedp.DoubleClick("#post", chromedp.ByQuery))
	p.awaitEntries("by a double click")

	p.write("by keys held down")
	down := input.DispatchKeyEvent(input.KeyRawDown).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13).WithModifiers(input.ModifierCtrl)
	p.run(down)
	for range 30 {
		p.run(down.WithAutoRepeat(true))
	}
	texts := []string{"by a double click", "by keys held down"}
	p.awaitEntries(texts...)
	if got := book(t, master); !slices.Equal(got, texts) {
		t.Errorf("Redis holds %q", got)
	}
	var complaints []string
	p.eval(`complaints.filter(Boolean)`, &complaints)
	if len(complaints) > 0 {
		t.Errorf("the visitor is told %q", complaints)
	}
}

func TestAnEntryThatTakesLongCanBeTakenBack(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	hang(t, pod)
	for _, how := range []string{"discard", "edit"} {
		p.sign("taken back")
		p.pressOnceThere(".pending ." + how)
		p.await("it to be gone", `document.querySelector("#entries > li") === null`)
		p.focused("#text")
	}
	p.await("the text to be back in the form", `document.querySelector("#text").value === "taken back"`)
	p.eval(`document.querySelector("#text").value = ""`, nil)
	p.reload()
	p.await("nothing to be sent after a reload", `document.querySelector(".pending, .failed") === null`)
	resume(t, pod)
	p.awaitState("live")
}

// hang keeps the API from answering, without closing anything; resume lets it go on.
func hang(t *testing.T, pod *localpod.Pod) {
	t.Helper()
	if err := pod.API.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resume(t, pod) }) // else it cannot be stopped
}

func resume(t *testing.T, pod *localpod.Pod) {
	t.Helper()
	if err := pod.API.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

func TestWhatTheStreamShowsSettlesAnEntryWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	p := visit(t, front.URL, visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")

	// No answer to any of its requests, and then a copy in the book.
	front.refusePosts(http.StatusServiceUnavailable)
	p.sign("came through")
	p.awaitFailure("came through")
	write(t, master, "came through")
	p.awaitEntries("came through")

	// A copy that was there before is another entry.
	p.sign("came through")
	p.awaitFailure("came through")
	p.sign("another")
	p.awaitFailure("another")
	write(t, master, "another")
	p.awaitNil("the other to be settled", func() error {
		var states []string
		for _, e := range p.entries() {
			states = append(states, e.Text+" "+e.State)
		}
		if !slices.Equal(states, []string{"came through failed", "another ", "came through "}) {
			return fmt.Errorf("entries are %q", states)
		}
		return nil
	})

	// While the server answers it says whose the copy is: here it is somebody else's.
	front.refusePosts(0)
	p.run(chromedp.Click(".failed .retry", chromedp.ByQuery))
	p.awaitEntries("came through", "another", "came through")
}

func TestARefusedEntryIsCertainlyNotInTheBook(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	for status, note := range map[int]string{
		http.StatusTooManyRequests:       "Not in the book yet. The guestbook is very busy.",
		http.StatusRequestTimeout:        "Not in the book yet. The guestbook answered with an error (408).",
		http.StatusForbidden:             "Not in the book yet. The guestbook refused this request.",
		http.StatusRequestEntityTooLarge: "Not in the book yet. That is more than the guestbook takes at once.",
		http.StatusInsufficientStorage:   "Not in the book yet. The guestbook is full.",
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			podtest.Do(t, master, "DEL", key)
			front.refusePosts(status)
			p := visit(t, front.URL, visitor{hurried: true})
			p.expect(outage)
			p.awaitState("live")
			p.sign("refused")
			p.awaitFailure("refused")
			if got := p.entries()[0].Note; got != note {
				t.Errorf("the visitor is told %q", got)
			}
			front.refusePosts(0)
			p.run(chromedp.Click(".failed .retry", chromedp.ByQuery))
			p.awaitEntries("refused")
		})
	}
}

func TestEachGuestbookAndEachTabHasItsOwnDraft(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	draft := func(p *page, text string) {
		t.Helper()
		p.await("the draft to be "+text, fmt.Sprintf(`document.querySelector("#text").value === %q`, text))
	}
	p := visit(t, front.URL+"/a/", visitor{})
	p.awaitState("live")
	p.write("for the one at /a/")
	p.reload()
	draft(p, "for the one at /a/")
	p.navigate(front.URL + "/")
	draft(p, "")
	p.write("first tab")

	other := p.tab()
	draft(other, "")
	other.write("second tab")
	for _, c := range []struct {
		tab  *page
		text string
	}{{p, "first tab"}, {other, "second tab"}} {
		c.tab.reload()
		draft(c.tab, c.text)
	}
	// A tab that is closed leaves its draft to the next that is opened.
	other.navigate("about:blank")
	draft(p.tab(), "second tab")
}

func TestTheOfflineEventIsNotBelievedWhileEntriesArrive(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.eval(`globalThis.states = [];
		new MutationObserver(() => states.push(document.querySelector("#connection").textContent)).observe(document.querySelector("#connection"), { childList: true });
		dispatchEvent(new Event("offline"))`, nil)
	write(t, master, "arrives")
	p.awaitEntries("arrives")
	p.awaitState("live")
	var states []string
	p.eval("states", &states)
	if slices.Contains(states, "Not connected") {
		t.Errorf("the page said %q", states)
	}
}

func TestTheFocusIsNeverLost(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, numbered("entry", 80)...)
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.awaitState("live")

	// "n new entries" leads to the newest.
	p.scrollInto(30)
	write(t, master, "newest")
	p.awaitFresh("1 new entry")
	p.eval(`document.querySelector("#fresh").focus()`, nil)
	p.press(kb.Enter)
	p.focused("#entries > li:first-child")
	if first := p.entries()[0].Text; first != "newest" {
		t.Errorf("the focus is on %q", first)
	}
	p.await("it to be in sight", `document.activeElement.getBoundingClientRect().top > 0`)

	// An entry that is discarded in another tab leaves it to the next one.
	front := newFront(t, pod)
	front.refusePosts(http.StatusForbidden)
	one := visit(t, front.URL, visitor{hurried: true})
	one.expect(outage)
	one.awaitState("live")
	one.sign("unwanted")
	one.awaitFailure("unwanted")
	two := one.tab()
	two.awaitFailure("unwanted")
	one.eval(`document.querySelector(".failed .retry").focus()`, nil)
	two.run(chromedp.Click(".failed .discard", chromedp.ByQuery))
	one.await("it to be gone", `document.querySelector(".failed") === null`)
	one.focused("#entries > li:first-child")
}

func TestALongEntryIsFolded(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "before", "top"+strings.Repeat("\n", 2000)+"bottom", strings.Repeat("words without a line break ", 150), "short\nand sweet")
	p := visit(t, pod.URL(), visitor{width: 360, height: 640, phone: true})
	p.awaitState("live")
	height := func(n int) (h float64) {
		t.Helper()
		p.eval(fmt.Sprintf(`document.querySelector("#entries > li:nth-child(%d)").getBoundingClientRect().height`, n), &h)
		return h
	}
	for _, n := range []int{2, 3} {
		if h := height(n); h > 500 {
			t.Errorf("entry %d is %.0f pixels tall", n, h)
		}
	}
	if n := len(p.entries()); n != 4 {
		t.Errorf("%d entries", n)
	}
	p.await("the long ones to say so", `[...document.querySelectorAll("#entries > li")].map((li) => li.querySelector(".more")?.textContent ?? "").join() === ",Show all,Show all,"`)
	p.eval(`document.querySelector("#entries > li:nth-child(3) .more").click()`, nil)
	if h := height(3); h < 50_000 {
		t.Errorf("opened, it is %.0f pixels tall", h)
	}
	p.await("a way back", `document.querySelector("#entries > li:nth-child(3) .more").textContent === "Show less"`)
	p.eval(`document.querySelector("#entries > li:nth-child(3) .more").click()`, nil)
	if h := height(3); h > 500 {
		t.Errorf("folded again, it is %.0f pixels tall", h)
	}
	p.await("the entry to be in sight", `document.querySelector("#entries > li:nth-child(3)").getBoundingClientRect().top < innerHeight`)
}

func TestAnEntryHasALink(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 1700)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	led := func(p *page, text string) {
		t.Helper()
		p.await("the link to lead to "+text, fmt.Sprintf(`(({ textContent, top, bottom }) => textContent === %q && top >= 0 && bottom <= innerHeight)((() => {
			const li = document.activeElement, { top, bottom } = li.getBoundingClientRect();
			return { textContent: li.querySelector(".words")?.textContent, top, bottom };
		})())`, text))
	}
	p.run(chromedp.Click("#entries > li:nth-child(3) > a", chromedp.ByQuery))
	led(p, "entry 1697")

	var deep string
	p.eval("location.href", &deep)
	before, _, _ := strings.Cut(deep, "#")
	deep = before + "#e" + fmt.Sprint(offset(texts[:5]))
	// In the page that is open, in a new one, and after a reload.
	p.eval(fmt.Sprintf("location.href = %q", deep), nil)
	led(p, "entry 5")
	fresh := visit(t, deep, visitor{})
	led(fresh, "entry 5")
	fresh.reload()
	led(fresh, "entry 5")
	fresh.awaitContiguous(texts, false)
	fresh.eval("scrollTo(0, 0)", nil)
	fresh.awaitContiguous(texts, true)

	fresh.expect(outage) // the server says that no entry starts there
	for _, gone := range []string{"#e3", "#e99999999"} {
		fresh.eval(fmt.Sprintf("location.hash = %q", gone), nil)
		fresh.await("the page to say that it is gone", `document.querySelector("#notice").textContent === "The entry that this link leads to is not in the book any more."`)
		fresh.await("that to be in sight", `document.querySelector("#notice").getBoundingClientRect().top >= 0`)
	}
	fresh.eval(`location.hash = "#e0"`, nil)
	led(fresh, "entry 0")
	fresh.await("the notice to be gone", `document.querySelector("#notice").textContent === ""`)
}

// offset is where the entry after these starts.
func offset(texts []string) (n int) {
	for _, text := range texts {
		n += len(text) + 1
	}
	return n
}

func TestThePageSaysWhichPodAnswered(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	front := newFront(t, pod)
	p := visit(t, front.URL, visitor{})
	foot := func(text string) {
		t.Helper()
		p.await("the foot to say "+text, fmt.Sprintf(`document.querySelector("#answerer:not([hidden])")?.firstElementChild.textContent === %q`, text))
	}
	foot("Answered by " + host + ", version dev")
	p.awaitState("live")
	p.await("it to be in sight", `document.querySelector("#answerer").getBoundingClientRect().bottom <= innerHeight`)
	front.answerAs("frontend-6f7b9c-x2x4z v2")
	p.sign("to another pod")
	foot("Answered by frontend-6f7b9c-x2x4z, version v2")
	front.answerAs("") // as without the line in nginx.conf
	p.reload()
	p.awaitState("live")
	p.await("the foot to be hidden", `document.querySelector("#answerer").hidden`)
}

func TestAPageWithoutItsScriptSaysSo(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	const stuck = `document.querySelector("#stuck")`
	for name, script := range map[string]string{
		"it does not arrive":                "",
		"it does not run in an old browser": "let a = 1; a ?=?= 2;",
		"it fails in an old browser":        "document.noSuchFunction();",
	} {
		t.Run(name, func(t *testing.T) {
			front.serveScript(script)
			p := newPage(t, visitor{})
			p.expect(outage)
			p.expect("exception")
			p.run(animation.Enable())
			p.navigate(front.URL)
			p.await("the message to be there, not shown yet", stuck+` && getComputedStyle(`+stuck+`).visibility === "hidden"`)
			var wait float64
			p.eval(stuck+`.getAnimations()[0].effect.getTiming().delay`, &wait)
			if wait != 8000 {
				t.Errorf("the message comes after %v ms", wait)
			}
			p.run(animation.SetPlaybackRate(100))
			p.await("the message", `getComputedStyle(`+stuck+`).visibility === "visible"`)
			front.serveScript("whole")
			p.run(chromedp.Click("#stuck a", chromedp.ByQuery))
			p.awaitState("live")
			p.await("the message to be gone", stuck+` === null`)
		})
	}
}

func TestColoursThatAreForced(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.run(theme("forced"))
	p.awaitState("live")
	p.run(chromedp.Focus("#text", chromedp.ByQuery))
	p.await("the focus in the field to show", `(({ outlineStyle, outlineWidth, outlineColor }) => outlineStyle !== "none" && outlineWidth === "2px" && outlineColor !== getComputedStyle(document.body).backgroundColor)(getComputedStyle(document.querySelector("#text")))`)
	write(t, master, "new")
	p.await("the dots to show", `["#connection", "#entries > .new"].every((selector) => {
		const node = document.querySelector(selector);
		const { borderTopWidth, borderTopColor, content } = node ? getComputedStyle(node, "::before") : { content: "none" };
		return content !== "none" && parseFloat(borderTopWidth) >= 1 && borderTopColor !== getComputedStyle(document.body).backgroundColor;
	})`)
}

func TestTheWordsArePlainAndSaidOnce(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	text := func(selector, want string) {
		t.Helper()
		p.await(selector+" to say "+want, fmt.Sprintf(`document.querySelector(%q)?.textContent === %q`, selector, want))
	}
	text("label", "Leave a few words")
	text("#public", "Everybody can read it, and it stays.")
	text("#state.empty", "No entries yet. The first page is yours.")
	p.write(strings.Repeat("a", 4000))
	text("#count", "Room for about 96 letters")
	p.write(strings.Repeat("b", 200))
	text("#count", "About 104 letters too long")
	p.press(kb.Enter, input.ModifierCtrl)
	text("#error", "This is too long for one entry.")
	p.eval(`globalThis.said = document.querySelector("#error").firstChild, document.querySelector("#text").focus()`, nil)
	p.press(kb.Enter, input.ModifierCtrl)
	p.await("the same to be said again", `document.querySelector("#error").firstChild !== said`)
	p.eval(`document.querySelector("#text").select()`, nil)
	p.write(strings.Repeat("ü", 2000)) // of two bytes each
	text("#count", "Room for about 48 letters")
	p.eval(`document.querySelector("#text").select()`, nil)
	p.press(kb.Delete)

	write(t, master, "Grüße")
	p.await("the language to be unknown", `document.querySelector(".words")?.lang === "" && document.querySelector(".words").hasAttribute("lang")
		&& document.querySelector("#text").getAttribute("lang") === ""`)

	pod.API.Stop()
	broken := visit(t, pod.URL(), visitor{})
	broken.expect(outage)
	p.expect(outage)
	broken.await("the page to say that it is broken", `document.querySelector("#state.broken")?.textContent === "The guestbook is not available just now. Trying again."`)
}

func TestBordersOfButtonsCanBeSeen(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	front.refusePosts(http.StatusForbidden)
	p := visit(t, front.URL, visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	p.sign("refused")
	p.awaitFailure("refused")
	p.await("the dot to be of the note's colour", `getComputedStyle(document.querySelector(".failed"), "::before").borderTopColor === getComputedStyle(document.querySelector(".failed .note")).color`)
	for _, colors := range []string{"light", "dark"} {
		p.run(theme(colors))
		for _, button := range []string{".retry", ".edit", ".discard"} {
			var rgb [2][3]float64
			p.eval(fmt.Sprintf(`[getComputedStyle(document.querySelector(%q)).borderTopColor, getComputedStyle(document.querySelector(".failed")).backgroundColor].map((color) => color.match(/[\d.]+/g).slice(0, 3).map(Number))`, button), &rgb)
			if c := contrast(rgb[0], rgb[1]); c < 3 {
				t.Errorf("%s: the border of %s has a contrast of %.1f", colors, button, c)
			}
		}
	}
}

// contrast is that of two colours after WCAG 2.
func contrast(a, b [3]float64) float64 {
	luminance := func(rgb [3]float64) (l float64) {
		for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
			c := rgb[i] / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			l += weight * c
		}
		return l
	}
	light, dark := luminance(a), luminance(b)
	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}
