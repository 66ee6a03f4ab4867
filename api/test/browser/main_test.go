// Package browser tests the page in Chromium and Firefox, with nginx, the API and Redis running on this machine.
package browser

import (
	"context"
	"flag"
	"log"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/podtest"
)

// waitLimit is how long a test waits for a condition before the test fails.
const waitLimit = 30 * time.Second

// chromium is the context of the Chromium that all tests share. Each simulated visitor has a browser context with separate storage.
var chromium context.Context

func TestMain(m *testing.M) {
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		// Chromium must not start spare processes, because their start takes long.
		chromedp.Flag("disable-features", "SpareRendererForSitePerProcess"),
		// Chromium resolves all names that end with .example to this machine.
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		chromedp.IgnoreCertErrors, // the tests' own servers have self-signed certificates.
		// Chromium must pretend that there is a mouse, because the machine may have none.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)...)
	// The tests ignore protocol errors, because Chromium may send events that are newer than the protocol's Go types.
	chromium, _ = chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	deadline := time.AfterFunc(waitLimit, stop)
	if err := chromedp.Do(chromium); err != nil {
		log.Fatal("Chromium does not start; make test installs Chromium: ", err)
	}
	deadline.Stop()
	_ = flag.Set("test.parallel", "4") // even if the machine has fewer CPUs, because the tests mostly wait
	code := podtest.Main(m, "-race")
	_ = chromedp.Cancel(chromium)
	os.Exit(code)
}
