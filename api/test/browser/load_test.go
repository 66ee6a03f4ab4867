package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"

	"guestbook/api/test/kit/must"
)

func TestThePageIsLightAndComesFromOneOrigin(t *testing.T) {
	b, p := open(t, visitor{}, guests...)
	p.awaitEntries(guests...)
	var total float64
	var paths []string
	must.Await(t, "everything to have arrived", waitLimit, func() error {
		total, paths = 0, nil
		for _, r := range p.sent("GET", "") {
			path, ours := strings.CutPrefix(r.url, b.URL())
			switch {
			case !ours:
				t.Fatalf("%s comes from elsewhere", r.url)
			case r.kind == "EventSource":
			case r.bytes == 0:
				return fmt.Errorf("%s has not", r.url)
			default:
				paths = append(paths, path)
				total += r.bytes
			}
		}
		return nil
	})
	if want := []string{"/", "/guestbook/entries?limit=50"}; total > 16_000 || !slices.Equal(paths, want) {
		t.Errorf("%.0f bytes in these requests: %q", total, paths)
	}
	// The document must be small, because a browser shows nothing before the document arrives. Because of the header Accept-Encoding, Go
	// does not decompress the document.
	response, text := must.Do(t, http.MethodGet, b.URL(), nil, "Accept-Encoding", "gzip")
	t.Logf("the document has %d bytes, all of the page %.0f", len(text), total)
	if len(text) > 14_000 || response.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the document has %d bytes: %v", len(text), response.Header)
	}
}

// The test logs how fast the page loads on a slow phone: a quarter of this machine's CPU speed, 400 ms of latency, 400 kbit/s. If the
// environment variable PAGE_BEFORE names a folder with an earlier version of the page, the test measures both versions.
func TestAFirstPaintOnASlowPhone(t *testing.T) {
	b := newBookAlone(t, guests...)
	folders, runs := []string{filepath.Join(must.Root(t), "nginx", "html")}, 1
	if before := os.Getenv("PAGE_BEFORE"); before != "" {
		folders, runs = append(folders, before), 7
	}
	const serve = `gzip on; gzip_comp_level 6; gzip_min_length 1000; gzip_types text/css text/javascript application/json image/svg+xml;
		types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }
		location / { root %s; index index.html; } location /guestbook { proxy_pass http://POD; proxy_buffering off; }`
	for i, folder := range folders {
		folders[i] = nginxInFront(t, b, fmt.Sprintf(serve, folder))
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
			at := get[[3]float64](p, `[performance.getEntriesByName("first-contentful-paint")[0].startTime, at.interactive, at.entry]`)
			for k := range at {
				took[i][k] = append(took[i][k], at[k])
			}
			p.run(emulation.SetCPUThrottlingRate(1))
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

// To notice hidden entries, the page repeats its requests only for the entries in sight.
func TestNoticingHiddenEntriesTakesSomeKilobytes(t *testing.T) {
	b, p := open(t, visitor{}, numbered(strings.Repeat("long and longer ", 120), 400)...)
	p.scrollInto(120)
	check := func() (bytes float64) {
		t.Helper()
		before := len(p.sent("GET", "before="))
		p.eval(`document.dispatchEvent(new Event("visibilitychange"))`) // as if the visitor returned to the tab
		must.Hold(t, "it to be read", waitLimit, func() bool {
			bytes = 0
			all := p.sent("GET", "before=")[before:]
			for _, r := range all {
				bytes += r.bytes
			}
			return len(all) > 0 && !slices.ContainsFunc(all, func(r request) bool { return r.bytes == 0 })
		})
		return bytes
	}
	if n := check(); n > 8_000 {
		t.Errorf("%.0f bytes", n)
	}
	hidden, n := p.reading().ID, len(p.texts())
	b.hide(strings.TrimPrefix(hidden, "e"))
	check()
	p.await("it to be gone, alone", fmt.Sprintf(`document.getElementById(%q) === null && document.querySelectorAll("#entries > li").length === %d`, hidden, n-1))
}
