package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
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
	if total > 16_000 || len(names) != 2 {
		t.Errorf("%.0f bytes in %d requests: %v", total, len(names), names)
	}
}

// The bytes that a browser waits for before it shows anything.
func TestTheDocumentIsSmall(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, pod.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip") // so that Go leaves it as it comes
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	document, err := io.ReadAll(response.Body)
	if err != nil || response.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %v", response.Header, err)
	}
	t.Logf("the document has %d bytes", len(document))
	if len(document) > 14_000 {
		t.Error("these are more than 14,000")
	}
}

// The page on a slow phone: a processor a quarter as fast, 400 ms to the server and back, 400 kbit/s. How long it takes is
// printed. Where PAGE_BEFORE names the folder of another version of the page, both are opened by turns, and the medians stand
// side by side.
func TestAFirstPaintOnASlowPhone(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, guests...)
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	folders, runs := []string{filepath.Join(root, "nginx", "html")}, 1
	if before := os.Getenv("PAGE_BEFORE"); before != "" {
		folders, runs = append(folders, before), 7
	}
	const serve = `gzip on; gzip_comp_level 6; gzip_min_length 1000; gzip_types text/css text/javascript application/json image/svg+xml;
		types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }
		location / { root %s; index index.html; } location /guestbook { proxy_pass http://POD; proxy_buffering off; }`
	for i, folder := range folders {
		folders[i] = nginxInFront(t, pod, fmt.Sprintf(serve, folder))
	}
	took := make([][3][]float64, len(folders))
	for range runs {
		for i, url := range folders {
			p := newPage(t, visitor{width: 360, height: 740, phone: true})
			p.before(`globalThis.at = {};
				new MutationObserver(() => {
					if (document.querySelector("#post")?.disabled === false) at.interactive ??= performance.now();
					if (document.querySelector("#entries > li")) at.entry ??= performance.now();
				}).observe(document, { childList: true, subtree: true, attributes: true });`)
			const kbit = 1000 / 8
			p.run(emulation.SetCPUThrottlingRate(4), network.EmulateNetworkConditions(false, 400, 400*kbit, 400*kbit))
			p.navigate(url)
			p.await("all of it", `at.interactive && at.entry && performance.getEntriesByName("first-contentful-paint")[0]`)
			var at [3]float64
			p.eval(`[performance.getEntriesByName("first-contentful-paint")[0].startTime, at.interactive, at.entry]`, &at)
			for k := range at {
				took[i][k] = append(took[i][k], at[k])
			}
			p.navigate("about:blank")
		}
	}
	for i, name := range []string{"this page", "the page before"}[:len(folders)] {
		var median [3]float64
		for k := range median {
			slices.Sort(took[i][k])
			median[k] = took[i][k][runs/2]
		}
		t.Logf("%s: first paint %.0f ms, interactive %.0f ms, first entry %.0f ms", name, median[0], median[1], median[2])
	}
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
	p.await("entries to scroll", `document.querySelectorAll("#entries > li").length > 20`)
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
