package browser

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// asleep and awake are what a browser says when it puts a page away and takes it out again.
const (
	asleep = `dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))`
	awake  = `dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`
)

// mark is an entry that is being read, and how far from the top of the window.
type mark struct {
	ID string
	Y  float64
}

// reading gives the entry in the middle of the window.
func (p *page) reading() (m mark) {
	p.t.Helper()
	p.eval(`(() => {
		const li = document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest("li");
		return { ID: li.id, Y: li.getBoundingClientRect().top };
	})()`, &m)
	return m
}

// checkPlace fails if what was being read has moved.
func (p *page) checkPlace(was mark) {
	p.t.Helper()
	var y float64
	p.eval(fmt.Sprintf("document.getElementById(%q)?.getBoundingClientRect().top ?? 1e9", was.ID), &y)
	if math.Abs(y-was.Y) > 2 {
		p.t.Errorf("%s was at %.1f and is at %.1f", was.ID, was.Y, y)
	}
}

// scrollInto scrolls down to the nth entry.
func (p *page) scrollInto(n int) {
	p.t.Helper()
	p.awaitNil("the entry to be there", func() error {
		var there bool
		p.eval(fmt.Sprintf(`(() => {
			const all = document.querySelectorAll("#entries > li");
			(all[%d] ?? all[all.length - 1])?.scrollIntoView({ block: "center", behavior: "instant" });
			return all.length > %d;
		})()`, n, n), &there)
		if !there {
			return errors.New("not yet")
		}
		return nil
	})
	// Entries load as one comes near the end; that is over when two frames pass without any.
	p.await("no more to load", `new Promise((done) => {
		const count = () => document.querySelectorAll("#entries > li, .busy").length;
		const before = count();
		requestAnimationFrame(() => requestAnimationFrame(() => done(!document.querySelector(".busy") && count() === before)));
	})`)
}

func (p *page) awaitFresh(text string) {
	p.t.Helper()
	p.await("the button to say "+text, fmt.Sprintf(`document.querySelector("#fresh:not([hidden])")?.textContent === %q`, text))
}

// awaitContiguous waits until the list is a part of the book with nothing missing, newest first.
func (p *page) awaitContiguous(texts []string, newest bool) {
	p.t.Helper()
	p.awaitNil("the list to have nothing missing", func() error {
		entries := p.entries()
		if len(entries) == 0 {
			return errors.New("it is empty")
		}
		end := slices.Index(texts, entries[0].Text)
		if newest && end != len(texts)-1 {
			return fmt.Errorf("it begins with %q", entries[0].Text)
		}
		for i, e := range entries {
			if end-i < 0 || e.Text != texts[end-i] {
				return fmt.Errorf("entry %d is %q", i, e.Text)
			}
		}
		return nil
	})
}

func TestWhatIsBeingReadStaysInItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, style string }{
		{"with the browser's own anchoring", ""},
		{"without it", "html { overflow-anchor: none }"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, master := podtest.Pod(t, localpod.Options{})
			texts := numbered("one that was there", 60)
			write(t, master, texts...)
			p := visit(t, pod.URL(), visitor{width: 360, height: 640, phone: true})
			p.awaitState("live")
			p.eval(fmt.Sprintf(`(() => {
				const sheet = new CSSStyleSheet();
				sheet.replaceSync(%q);
				document.adoptedStyleSheets = [sheet];
			})()`, c.style), nil)
			p.scrollInto(20)
			was := p.reading()
			for batch := range 20 {
				// Lines of several lengths, so that heights are not whole pixels.
				more := numbered(fmt.Sprintf("%d from elsewhere, of a few lines on a phone", batch), 25)
				texts = append(texts, more...)
				write(t, master, more...)
				p.awaitFresh(fmt.Sprintf("%d new entries", 25*(batch+1)))
				p.checkPlace(was)
			}
			p.eval(`document.querySelector("#fresh").click()`, nil)
			p.awaitContiguous(texts, true)
			p.await("nothing more to be announced", `document.querySelector("#fresh").hidden`)
		})
	}
}

func TestAPageThatSleptKeepsThePlaceAndReadsWhatItMissed(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("before", 100)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.scrollInto(20)
	was := p.reading()
	streams := len(p.sent("GET", "/guestbook/events"))
	p.eval(asleep, nil)
	missed := numbered("missed", 620)
	texts = append(texts, missed...)
	write(t, master, missed...)
	p.eval(awake, nil)
	p.awaitFresh("620 new entries")
	p.awaitNil("the page to follow the book again", func() error {
		if n := len(p.sent("GET", "/guestbook/events")); n != streams+1 {
			return fmt.Errorf("%d streams", n)
		}
		return nil
	})
	p.checkPlace(was)
	p.awaitContiguous(texts, true)
}

func TestOnlyWhatIsNewIsCounted(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 1300)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.awaitNil("the beginning of the book", func() error {
		var more bool
		p.eval(`scrollTo(0, document.body.scrollHeight), !document.querySelector("#older").hidden`, &more)
		if more {
			return errors.New("not yet")
		}
		return nil
	})
	was := p.reading()
	p.eval(asleep+","+awake, nil)
	write(t, master, "really new")
	p.awaitFresh("1 new entry")
	p.checkPlace(was)
	p.eval(`document.querySelector("#fresh").click()`, nil)
	p.awaitContiguous(append(texts, "really new"), true)
}

// busy is the processor time that the page's main thread has taken, in seconds, whatever else the machine does.
func (p *page) busy() (seconds float64) {
	p.t.Helper()
	p.run(performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks), chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
			}
		}
		return err
	}))
	return seconds
}

func TestABurstOfEntriesIsCheapAndQuiet(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, numbered("entry", 50)...)
	p := visit(t, pod.URL(), visitor{})
	p.run(emulation.SetEmulatedMedia()) // all that moves
	p.awaitState("live")
	p.eval(`
		globalThis.announced = [];
		globalThis.mostGlowing = 0;
		new MutationObserver(() => announced.push(document.querySelector("#news").textContent)).observe(document.querySelector("#news"), { childList: true });
		new MutationObserver(() => { mostGlowing = Math.max(mostGlowing, document.getAnimations().length); }).observe(document.querySelector("#entries"), { childList: true });`, nil)
	before, start := p.busy(), time.Now()
	step, longest := before, 0.0
	tick := time.NewTicker(10 * time.Millisecond) // 500 entries in 5 seconds
	defer tick.Stop()
	for i := range 500 {
		<-tick.C
		podtest.Do(t, master, "APPEND", key, fmt.Sprintf(",%d. A long entry that is not to be read out as a whole as it would never end: %s", i, strings.Repeat("and so on ", 10)))
		if i%20 == 19 {
			now := p.busy()
			step, longest = now, max(longest, now-step)
		}
	}
	p.await("the last entry", `document.querySelector("#entries > li .words").textContent.startsWith("499.")`)
	took := p.busy() - before
	t.Logf("the main thread took %.2f s, at most %.2f at once", took, longest)
	if took > 2 || longest > 0.2 {
		t.Errorf("the main thread took %.2f s, %.2f at once", took, longest)
	}
	var glowing int
	p.eval("mostGlowing", &glowing)
	if glowing > 3 {
		t.Errorf("%d entries glow at a time", glowing)
	}
	var said []string
	p.eval("announced", &said)
	if burst := time.Since(start); len(said) == 0 || len(said) > 3+int(burst/(5*time.Second)) {
		t.Errorf("%d announcements in %s: %q", len(said), burst, said)
	}
	for _, s := range said {
		if len(s) > 120 {
			t.Errorf("%q is long", s)
		}
	}
	p.await("the entries to be no longer new", `document.querySelector(".new") === null`)
}
