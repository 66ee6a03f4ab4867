//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

// The footer of the page shows the pod and the version that answered last, even during a rolling update and without a reload.
func TestThePageShowsWhichPodsAnswer(t *testing.T) {
	n := newGuestbook(t)
	url := "http://" + n.frontendAddress()
	allocator, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	defer end()
	page, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	defer cancel()
	run := func(actions ...chromedp.Action) {
		t.Helper()
		must.OK(t, chromedp.Run(page, actions...))
	}
	// The test marks the loaded page, so that a reload would be noticed.
	run(chromedp.Navigate(url), chromedp.WaitVisible("#answerer", chromedp.ByQuery), chromedp.Evaluate("globalThis.loaded = true", nil))
	signed := 0
	sign := func() (pod, version string) {
		t.Helper()
		signed++
		text := fmt.Sprintf("signature %d", signed)
		run(
			chromedp.SendKeys("#text", text, chromedp.ByQuery), chromedp.Click("#post", chromedp.ByQuery),
			chromedp.Poll(fmt.Sprintf(`document.querySelector("#entries > li:not(.pending) .words")?.textContent === %q`, text), nil, chromedp.WithPollingTimeout(30*time.Second)),
			chromedp.Text("#pod", &pod, chromedp.ByQuery), chromedp.Text("#version", &version, chromedp.ByQuery),
		)
		return pod, version
	}
	pods := map[string]bool{}
	var old string
	for len(pods) < 2 {
		if signed == 60 {
			t.Fatalf("60 requests were answered by %v only", pods)
		}
		var pod string
		run(chromedp.Sleep(500 * time.Millisecond)) // so that nginx closes the old connection and another pod can answer
		pod, old = sign()
		pods[pod] = true
	}
	running := n.names("pods", frontend)
	for pod := range pods {
		if !strings.Contains(strings.Join(running, " "), pod) {
			t.Errorf("the foot named %q, the pods are %v", pod, running)
		}
	}
	t.Logf("%d signatures, answered by %v%s", signed, pods, old)

	n.kubectl("set", "image", "deployment/frontend", "api=gb-frontend-api:v2")
	n.ready()
	n.await("the foot to name the new version", time.Minute, func() bool {
		_, version := sign()
		return version != old
	})
	var loaded bool
	run(chromedp.Evaluate("globalThis.loaded === true", &loaded))
	if !loaded {
		t.Error("the page was loaded again")
	}
}
