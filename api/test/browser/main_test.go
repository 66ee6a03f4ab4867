// Package browser tests the page in a real browser, through a whole local pod.
package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/podtest"
)

// waitLimit is how long a test waits for what must happen, because the machine may be slow.
const waitLimit = 20 * time.Second

// chromium is one browser for all tests. It opens each page in a context of its own, as if another visitor had come.
var chromium context.Context

func TestMain(m *testing.M) {
	os.Exit(func() int {
		profile, err := os.MkdirTemp("", "guestbook-chromium-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(profile)
		stop, err := startChromium(profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer stop()
		// Tests of a page mostly wait, so more of them run at once than there are processors.
		if err := flag.Set("test.parallel", "4"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return podtest.Main(m, "-race")
	}())
}

func startChromium(profile string) (stop func(), err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("these tests need Chromium: run them with make test, or install Debian's package chromium: %w", err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(waitLimit),
		chromedp.Flag("remote-debugging-port", "0"),
		// A process in reserve for each page would take long to start.
		chromedp.Flag("disable-features", "SpareRendererForSitePerProcess"),
		// These names lead to this machine.
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		// A machine without a screen lacks a mouse.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"ignore-certificate-errors", // those of tests' own servers
		"disable-component-update", "disable-extensions", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
		// Pages of several visitors are side by side; none of them is in the background.
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	// Events that the protocol's Go types do not know are no errors, because Chromium is newer.
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	if err := chromedp.Run(ctx); err != nil {
		end()
		return nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	chromium = ctx
	return func() {
		cancel()
		end()
	}, nil
}
