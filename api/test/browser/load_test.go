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
	"guestbook/api/test/kit/podtest"
)

func TestThePageIsLightAndComesFromOneOrigin(t *testing.T) {
	b, p := open(t, visitor{}, guests...)
	p.awaitEntries(guests...)
	var total float64
	var urls []string
	must.Hold(t, "everything has arrived", waitLimit, func() bool {
		total, urls = 0, nil
		all := slices.DeleteFunc(p.sent("GET", ""), func(r request) bool { return r.kind == "EventSource" })
		for _, r := range all {
			urls = append(urls, r.url)
			total += r.bytes
		}
		return !slices.ContainsFunc(all, func(r request) bool { return r.bytes == 0 })
	})
	if want := []string{b.URL() + "/", b.URL() + "/guestbook/entries?limit=50"}; total > 16_000 || !slices.Equal(urls, want) {
		t.Errorf("%.0f bytes from these URLs: %q", total, urls)
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
	urls, took := map[string]string{}, map[string]*[3][]float64{} // milliseconds until the first paint, until the button "Sign" works, and until the first entry
	for _, folder := range folders {
		took[folder] = new([3][]float64)
		urls[folder] = nginxInFront(t, b, fmt.Sprintf(`gzip on; gzip_comp_level 6; gzip_min_length 1000; gzip_types text/css text/javascript application/json image/svg+xml;
			types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }
			location / { root %s; index index.html; } location /guestbook { proxy_pass http://POD; proxy_buffering off; }`, folder))
	}
	for range runs {
		for _, folder := range folders { // in turn, so that both pages are measured under the same conditions
			p := newPage(t, visitor{width: 360, height: 740, phone: true})
			p.before(must.Read(t, "testdata", "paint.js"))
			const kbit = 1000 / 8
			slow := []*network.Conditions{{Latency: 400, DownloadThroughput: 400 * kbit, UploadThroughput: 400 * kbit}}
			send(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: slow})
			send(p, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
			p.navigate(urls[folder])
			p.await("all of it", "times().every(Boolean)")
			for i, at := range get[[3]float64](p, "times()") {
				took[folder][i] = slices.Sorted(slices.Values(append(took[folder][i], at)))
			}
			send(p, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 1})
			p.navigate("about:blank")
		}
	}
	for folder, took := range took {
		t.Logf("%s: first paint %.0f ms, interactive %.0f ms, first entry %.0f ms", folder, took[0][runs/2], took[1][runs/2], took[2][runs/2])
	}
}

// To notice that a moderator has hidden an entry, the page requests the entries in the window again.
func TestNoticingHiddenEntriesTakesSomeKilobytes(t *testing.T) {
	b, p := open(t, visitor{hurried: true}, numbered(strings.Repeat("long and longer ", 120), 400)...)
	p.scrollInto(120)
	before := len(p.sent("GET", "before="))
	p.eval(`document.dispatchEvent(new Event("visibilitychange"))`) // as if the visitor returned to the tab
	var again request
	must.Hold(t, "the entries to be read again, and a second stream", waitLimit, func() bool {
		if all := p.sent("GET", "before=")[before:]; len(all) > 0 {
			again = all[0]
		}
		return again.bytes > 0 && len(p.streams()) == 2
	})
	if again.bytes > 8_000 {
		t.Errorf("%.0f bytes", again.bytes)
	}
	// An open page requests the entries in its window regularly.
	hidden, n := get[string](p, "entryInTheMiddle().id"), len(p.texts())
	must.Run(t, podtest.Command(t, b.Pod, "hide", strings.TrimPrefix(hidden, "e")))
	p.await("it to be gone, alone", fmt.Sprintf(`document.getElementById(%q) === null && document.querySelectorAll("#entries > li").length === %d`, hidden, n-1))
	if n := len(p.streams()); n != 2 {
		t.Errorf("%d streams", n)
	}
}
