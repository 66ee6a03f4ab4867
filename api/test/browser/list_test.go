package browser

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/must"
)

const (
	asleep = `dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))`
	awake  = `dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`
)

// checkPlace fails the test if the marked entry has moved in the window since the call of mark() in testdata/probes.js.
func (p *page) checkPlace() {
	p.t.Helper()
	if by := get[float64](p, "moved()"); math.Abs(by) > 2 {
		p.t.Errorf("the entry has moved by %.1f pixels", by)
	}
}

// scrollInto scrolls down to the nth entry, and waits until the page has loaded the entries around it.
func (p *page) scrollInto(n int) {
	p.t.Helper()
	p.await("the entry to be there", fmt.Sprintf("scrollToEntry(%d)", n))
	must.Hold(p.t, "no more to load", waitLimit, func() bool { return get[bool](p, "isQuiet()") })
}

func (p *page) awaitFresh(text string) {
	p.t.Helper()
	p.awaitText("#fresh:not([hidden])", text)
}

// awaitContiguous waits until the page's list consists of at most 1000 consecutive elements of "texts". If "newest" is true, the page's
// list must end with the last element of "texts".
func (p *page) awaitContiguous(texts []string, newest bool) {
	p.t.Helper()
	must.Await(p.t, "the list to have nothing missing", waitLimit, func() error {
		got := p.texts()
		from := slices.IndexFunc(texts, func(text string) bool { return len(got) > 0 && text == got[0] })
		to := from + len(got)
		if len(got) > 1000 || from < 0 || to > len(texts) || !slices.Equal(got, texts[from:to]) || newest && to < len(texts) {
			return fmt.Errorf("it has %d entries: %.1000q", len(got), got)
		}
		return nil
	})
}

func TestWhatIsBeingReadStaysInItsPlace(t *testing.T) {
	t.Parallel()
	for name, anchor := range map[string]string{"with the browser's own anchoring": "auto", "without it": "none"} {
		t.Run(name, func(t *testing.T) {
			texts := numbered("one that was there", 60)
			b, p := open(t, visitor{width: 360, height: 640, phone: true}, texts...)
			p.eval("document.documentElement.style.overflowAnchor = " + inJS(anchor))
			p.scrollInto(20)
			p.eval("mark()")
			for batch := range 20 {
				more := numbered(fmt.Sprintf("%d from elsewhere, of a few lines on a phone", batch), 25)
				texts = append(texts, more...)
				b.write(more...)
				p.awaitFresh(fmt.Sprintf("%d new entries", 25*(batch+1)))
				p.checkPlace()
			}
			p.clickOnceThere("#fresh")
			p.awaitContiguous(texts, true)
			p.await("nothing more to be announced", `document.querySelector("#fresh").hidden`)
		})
	}
}

func TestAPageThatSleptKeepsThePlaceAndReadsWhatItMissed(t *testing.T) {
	texts := numbered("before", 100)
	b, p := open(t, visitor{}, texts...)
	p.scrollInto(20)
	p.eval("mark()")
	streams := len(p.streams())
	p.eval(asleep)
	missed := numbered("missed", 620)
	b.write(missed...)
	p.eval(awake)
	p.awaitFresh("620 new entries")
	must.Hold(t, "the page to follow the book again", waitLimit, func() bool { return len(p.streams()) == streams+1 })
	p.checkPlace()
	p.awaitContiguous(append(texts, missed...), true)
}

func TestOlderEntriesLoadAsOneScrolls(t *testing.T) {
	texts := numbered("entry", 1300)
	_, p := open(t, visitor{}, texts...)
	p.awaitEntries(texts[1250:]...)
	p.await("the beginning of the book", `(scrollTo(0, document.body.scrollHeight), document.querySelector("#older").hidden)`)
	p.awaitText("#state", "This is where the book begins.")
	p.awaitContiguous(texts, false)
	p.press(kb.Home)
	p.awaitContiguous(texts, true)
}

func TestOlderEntriesThatCannotBeReadAreReadAtAnotherTry(t *testing.T) {
	texts := numbered("entry", 130)
	b, p := open(t, visitor{}, texts...)
	p.expect(outage)
	b.kill()
	p.eval(`scrollTo(0, document.body.scrollHeight)`)
	p.awaitText("#older", "The guestbook is not available just now. Try again")
	b.restart()
	p.await("older entries", `document.querySelectorAll("#entries > li").length >= 100`)
	p.awaitContiguous(texts, true)
}

func TestAPageThatIsLeftOpenStaysSmall(t *testing.T) {
	b, p := open(t, visitor{})
	var texts []string
	grow := func(by int) {
		t.Helper()
		more := numbered(fmt.Sprintf("entry after %d", len(texts)), by)
		texts = append(texts, more...)
		b.write(more...)
		p.awaitContiguous(texts, true)
	}
	for range 6 {
		grow(400)
	}
	grow(990 - len(p.texts()))
	// If the list has too many entries, the page removes some of them, and loads them again on demand. Like a screen reader, the test
	// presses the button "Older entries" without scrolling.
	oldest := p.texts()[0]
	p.clickOnceThere("#older")
	must.Hold(t, "older entries", waitLimit, func() bool { return slices.Index(p.texts(), oldest) > 0 })
	p.awaitContiguous(texts, false)
	p.eval(`scrollTo(0, 0)`)
	p.awaitContiguous(texts, true)
}

// busy returns how many seconds of CPU time the page's main thread has used so far.
func (p *page) busy() (seconds float64) {
	p.t.Helper()
	send(p, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	metrics := send(p, performance.GetMetrics, struct{}{}).Metrics
	return metrics[slices.IndexFunc(metrics, func(m *performance.Metric) bool { return m.Name == "TaskDuration" })].Value
}

// This test does not run in parallel with other tests, because it measures CPU time.
func TestABurstOfEntriesIsCheapAndQuiet(t *testing.T) {
	b := newBookAlone(t, numbered("entry", 50)...)
	p := visit(t, b.URL(), visitor{})
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}) // removes the preference for reduced motion, so that animations run
	announced := p.changes("#news", "node.textContent")
	glowing := p.changes("#entries", "String(document.getAnimations().length)")
	before, start := p.busy(), time.Now()
	step, longest := before, 0.0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range 500 {
		<-tick.C
		b.do("APPEND", key, fmt.Sprintf(",%d. A long entry that is not to be read out as a whole as it would never end: %s", i, strings.Repeat("and so on ", 10)))
		if i%20 == 19 {
			now := p.busy()
			step, longest = now, max(longest, now-step)
		}
		if i == 100 {
			p.sign("mine")
		}
	}
	p.await("the last entry", `document.querySelector("#entries > li .words").textContent.startsWith("499.")`)
	took := p.busy() - before
	if took > 2 || longest > 0.2 {
		t.Errorf("the main thread took %.2f s, %.2f at once", took, longest)
	}
	for _, n := range glowing() {
		if len(n) > 1 || n > "3" {
			t.Errorf("%s entries glow at a time", n)
		}
	}
	p.await("the entries to be no longer new", `document.querySelector(".new") === null`)
	said := announced()
	if burst := time.Since(start); len(said) == 0 || len(said) > 3+int(burst/(5*time.Second)) {
		t.Errorf("%d announcements in %s: %q", len(said), burst, said)
	}
	for _, s := range said {
		if len(s) > 120 {
			t.Errorf("%q is long", s)
		}
	}
	// Even while many entries of other visitors arrive, the page announces the visitor's own entry.
	for _, want := range []string{`Your entry is in the book\.`, `\d+ new entries`} {
		if !regexp.MustCompile(want).MatchString(strings.Join(said, "\n")) {
			t.Errorf("%q does not contain %s", said, want)
		}
	}
}
