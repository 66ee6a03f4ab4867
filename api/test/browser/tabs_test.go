//go:build long

package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

// plainHTTP is an address of the pod on a host that Chromium does not take for a safe one, as it does localhost: most
// guestbooks are visited so, and there some functions of the browser are missing.
func plainHTTP(pod *localpod.Pod) string {
	return fmt.Sprintf("http://guestbook.example:%d", pod.Ports.Nginx)
}

// viewers asks the API how many streams are open.
func viewers(t *testing.T, pod *localpod.Pod) string {
	t.Helper()
	response, err := http.Get(pod.APIURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(metrics), "\nguestbook_event_viewers ")
	count, _, _ := strings.Cut(after, "\n")
	return count
}

func (p *page) awaitViewers(pod *localpod.Pod, want string) {
	p.t.Helper()
	p.awaitNil(want+" streams", func() error {
		if got := viewers(p.t, pod); got != want {
			return fmt.Errorf("%s streams", got)
		}
		return nil
	})
}

// tabsOf opens as many tabs of one browser, all at once.
func tabsOf(t *testing.T, n int, url, script string) []*page {
	t.Helper()
	tabs := []*page{newPage(t, visitor{})}
	for range n - 1 {
		tabs = append(tabs, newTab(t, tabs[0].tabs, visitor{}))
	}
	for _, p := range tabs {
		if script != "" {
			p.before(script)
		}
		p.eval(fmt.Sprintf("location.href = %q", url), nil)
	}
	for _, p := range tabs {
		p.awaitNil("the page to load", func() error {
			var there bool
			if err := chromedp.Run(p.ctx, chromedp.Evaluate(`document.querySelector("#post")?.disabled === false`, &there)); err != nil || !there {
				return fmt.Errorf("not there: %w", err)
			}
			return nil
		})
	}
	return tabs
}

// leader gives the tab that has the stream.
func leader(t *testing.T, tabs []*page) int {
	t.Helper()
	latest := -1
	for i, p := range tabs {
		if streams := p.sent("GET", "/guestbook/events"); len(streams) > 0 && !streams[len(streams)-1].ended {
			if latest >= 0 {
				t.Fatalf("tabs %d and %d have streams", latest, i)
			}
			latest = i
		}
	}
	if latest < 0 {
		t.Fatal("no tab has a stream")
	}
	return latest
}

func TestManyTabsShareOneStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		tabs         int
	}{
		{"as it is", "", 12},
		{"without a BroadcastChannel", "delete globalThis.BroadcastChannel;", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, master := podtest.Pod(t, localpod.Options{})
			script := c.script
			tabs := tabsOf(t, c.tabs, plainHTTP(pod), script)
			var safe bool
			if tabs[0].eval("isSecureContext", &safe); safe {
				t.Fatal("the browser takes this address for a safe one")
			}
			for _, p := range tabs {
				p.awaitState("live")
			}
			tabs[0].awaitViewers(pod, "1")

			// What one writes, all show.
			var texts []string
			for _, i := range []int{0, 1, c.tabs / 2, c.tabs - 1} {
				text := fmt.Sprint("from tab ", i)
				texts = append(texts, text)
				start := time.Now()
				tabs[i].sign(text)
				for _, other := range tabs {
					other.awaitEntries(texts...)
				}
				t.Logf("%s is in all tabs after %s", text, time.Since(start))
			}

			// The one with the stream is killed.
			first := leader(t, tabs)
			tabs[first].kill()
			start := time.Now()
			rest := slices.Delete(slices.Clone(tabs), first, first+1)
			write(t, master, "meanwhile")
			texts = append(texts, "meanwhile")
			for _, p := range rest {
				p.awaitEntries(texts...)
				p.awaitState("live")
			}
			t.Logf("another leads after %s", time.Since(start))
			rest[0].awaitViewers(pod, "1")

			// The one with the stream freezes.
			second := leader(t, rest)
			rest[second].run(cdppage.SetWebLifecycleState(cdppage.SetWebLifecycleStateStateFrozen))
			write(t, master, "after that")
			texts = append(texts, "after that")
			for i, p := range rest {
				if i != second {
					p.awaitEntries(texts...)
					p.awaitState("live")
				}
			}
			rest[second].run(cdppage.SetWebLifecycleState(cdppage.SetWebLifecycleStateStateActive))
			rest[second].awaitEntries(texts...)
			rest[second].awaitState("live")
			rest[0].awaitViewers(pod, "1")

			// The one with the stream is closed, another is opened, and a book is written anew.
			rest[leader(t, rest)].navigate("about:blank")
			fresh := rest[0].tabLike(plainHTTP(pod), script)
			fresh.awaitState("live")
			fresh.awaitEntries(texts...)
			podtest.Do(t, master, "SET", key, ",a new book")
			rest = append(rest, fresh)
			for _, p := range rest {
				var url string
				if p.eval("location.href", &url); url != "about:blank" {
					p.awaitEntries("a new book")
				}
			}
			fresh.awaitViewers(pod, "1")
		})
	}
}

// tabLike opens another tab of the browser.
func (p *page) tabLike(url, script string) *page {
	p.t.Helper()
	other := newTab(p.t, p.tabs, visitor{})
	if script != "" {
		other.before(script)
	}
	other.navigate(url)
	return other
}

// kill ends the process of a tab.
func (p *page) kill() {
	p.t.Helper()
	p.expect("")
	ctx, cancel := context.WithTimeout(p.ctx, time.Second)
	defer cancel()
	target := chromedp.FromContext(p.ctx).Target
	_ = cdppage.Crash().Do(protocol.WithExecutor(ctx, target)) // there is no answer
}
