// Package browser tests the page in Chromium and Firefox, with nginx, the API and Redis running on this machine.
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

// waitLimit is how long a test waits for a condition before the test fails. The limit is long, because the machine may be slow.
const waitLimit = 20 * time.Second

// chromium is the one browser that all tests share. Each visitor's pages have a browser context of their own, with separate storage.
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
		// The tests mostly wait, so four tests run in parallel even if the machine has fewer CPUs.
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
		// By default, Chromium starts a spare process for each page, which takes long.
		chromedp.Flag("disable-features", "SpareRendererForSitePerProcess"),
		// Chromium resolves all names that end with .example to this machine.
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		// Chromium must pretend that there is a mouse, because a machine without a screen has none.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"ignore-certificate-errors", // the tests' own servers have self-signed certificates
		"disable-component-update", "disable-extensions", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
		// Chromium must not slow down pages in the background, because a test may have pages of several visitors.
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	// The tests ignore protocol errors, because Chromium may send events that are newer than the protocol's Go types.
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
