package browser

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

func TestThePageIsLightAndComesFromOneOrigin(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, guests...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitEntries(guests...)
	p.awaitNil("everything to have arrived", func() error {
		for _, r := range p.sent("GET", "") {
			if r.kind != "EventSource" && r.bytes == 0 {
				return fmt.Errorf("%s has not", r.url)
			}
		}
		return nil
	})
	var total float64
	var names []string
	for _, r := range p.sent("GET", "") {
		u, err := url.Parse(r.url)
		if err != nil {
			t.Fatal(err)
		}
		if u.Scheme+"://"+u.Host != pod.URL() {
			t.Errorf("%s comes from elsewhere", r.url)
		}
		if r.kind == "EventSource" {
			continue
		}
		names = append(names, fmt.Sprintf("%s %.0f", u.Path, r.bytes))
		total += r.bytes
	}
	t.Logf("%.1f KB in %d requests: %v", total/1000, len(names), names)
	// The document and the entries; the stream has begun.
	if total > 15_500 || len(names) != 2 {
		t.Errorf("%.0f bytes in %d requests: %v", total, len(names), names)
	}
}

// The page on a slow phone, as Lighthouse imagines that: a processor a quarter as fast, 150 ms to the server and back,
// 1.6 Mbit/s. How long it takes is printed.
func TestAFirstPaintOnASlowPhone(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, guests...)
	p := newPage(t, visitor{width: 360, height: 740, phone: true})
	const mbit = 1_000_000 / 8
	p.run(emulation.SetCPUThrottlingRate(4), network.EmulateNetworkConditions(false, 150, 1.6*mbit, 0.75*mbit))
	p.navigate(pod.URL())
	p.awaitEntries(guests...)
	var paint float64
	p.eval(`performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0`, &paint)
	if paint == 0 {
		t.Error("nothing was painted")
	}
	t.Logf("first contentful paint after %.0f ms", paint)
}

func TestOlderEntriesLoadAsOneScrolls(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 620)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitEntries(texts[570:]...)
	p.awaitState("live")
	p.awaitNil("the beginning of the book", func() error {
		var more bool
		p.eval(`scrollTo({ top: document.body.scrollHeight, behavior: "instant" }), !document.querySelector("#older").hidden`, &more)
		if more {
			return fmt.Errorf("%d entries are shown", len(p.entries()))
		}
		return nil
	})
	p.awaitEntries(texts...)
	p.await("the page to say so", `document.querySelector("#state").textContent === "This is where the book begins."`)
}

func TestOlderEntriesThatCannotBeReadAreReadAtAnotherTry(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 130)
	write(t, master, texts...)
	p := visit(t, pod.URL(), visitor{})
	p.expect(outage)
	p.awaitState("live")
	podtest.Kill(t, pod.API)
	p.eval(`scrollTo(0, document.body.scrollHeight)`, nil)
	p.await("the failure", `document.querySelector("#older").textContent === "The guestbook is not available just now. Try again"`)
	podtest.Start(t, pod.API)
	p.run(chromedp.Click("#older", chromedp.ByQuery))
	p.await("older entries", `document.querySelectorAll("#entries > li").length >= 100`)
	p.awaitContiguous(texts, true)
}

func TestAPageThatIsLeftOpenStaysSmall(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	const most = 1000
	var texts []string
	for batch := range 6 {
		more := numbered(fmt.Sprintf("batch %d", batch), 400)
		texts = append(texts, more...)
		write(t, master, more...)
		p.awaitNil("the batch", func() error {
			entries := p.entries()
			if len(entries) > most {
				t.Fatalf("the list has %d entries", len(entries))
			}
			if len(entries) == 0 || entries[0].Text != more[len(more)-1] {
				return fmt.Errorf("the newest is not shown among %d", len(entries))
			}
			return nil
		})
	}
	shown := func() (shown []string) {
		for _, e := range slices.Backward(p.entries()) {
			shown = append(shown, e.Text)
		}
		return shown
	}
	if got := shown(); !slices.Equal(got, texts[len(texts)-len(got):]) {
		t.Errorf("%d entries are shown, and not the newest", len(got))
	}
	// What was let go can be read again.
	oldest := shown()[0]
	p.eval(`document.querySelector("#older").click()`, nil)
	p.awaitNil("older entries", func() error {
		if slices.Index(shown(), oldest) <= 0 {
			return fmt.Errorf("%d entries", len(shown()))
		}
		return nil
	})
	p.awaitContiguous(texts, false)
	p.eval(`scrollTo(0, 0)`, nil)
	p.awaitContiguous(texts, true)
}

func TestOlderEntriesAreShownWhenTheListIsFull(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 1090)
	write(t, master, texts[:150]...)
	p := visit(t, pod.URL(), visitor{})
	p.awaitEntries(texts[100:150]...)
	p.awaitState("live")
	for i := 150; i < len(texts); i += 470 {
		write(t, master, texts[i:i+470]...)
		p.awaitEntries(texts[100 : i+470]...)
	}
	// As a screen reader does: the button is pressed, and the page was not scrolled to it.
	p.eval(`document.querySelector("#older").click()`, nil)
	p.await("older entries", `[...document.querySelectorAll(".words")].some(({ textContent }) => textContent === "entry 99")`)
	p.awaitContiguous(texts, false)
	p.eval(`scrollTo(0, 0)`, nil)
	p.awaitContiguous(texts, true)
}
