package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	protocol "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

// visitor contains the settings of a test's browser.
type visitor struct {
	width, height int64 // size of the browser's window in pixels; zero means 1000 × 700
	phone         bool
	hurried       bool // whether the page's timers run ten times as fast
}

// A page is a tab of a visitor's browser. The test fails if the page has a fault: an exception, an error or a warning on the console, a
// violation of the Content-Security-Policy, or a dialog.
type page struct {
	t    *testing.T
	ctx  context.Context
	tabs protocol.BrowserContextID
	*record
	firefox *firefox // nil for a page in Chromium
}

type record struct {
	mu       sync.Mutex
	faults   []string
	expected []string
	requests []request
}

type request struct {
	id                network.RequestID
	method, url, kind string
	header            map[string]any
	status            int64
	bytes             float64 // size of the compressed response; zero until the response is complete
}

const (
	// outage is the beginning of the browser's message about a failed request.
	outage = "Failed to load resource: "
	// networkChanged is part of Chromium's message about an aborted request. Chromium aborts requests if a container on the machine starts
	// or stops, because this changes the network interfaces.
	networkChanged = "net::ERR_NETWORK_CHANGED"
)

// visit opens a page in a new browser context, and waits until the page shows "Live".
func visit(t *testing.T, url string, v visitor) *page {
	t.Helper()
	p := load(t, url, v)
	p.awaitState("live")
	return p
}

// load opens a page in a new browser context, but does not wait until the page shows "Live".
func load(t *testing.T, url string, v visitor) *page {
	t.Helper()
	p := newPage(t, v)
	p.navigate(url)
	return p
}

// newPage opens a blank page in a new browser context.
func newPage(t *testing.T, v visitor) *page {
	t.Helper()
	browser := protocol.WithExecutor(chromium, chromedp.FromContext(chromium).Browser)
	own := must.Get(target.CreateBrowserContext().Do(browser))(t)
	t.Cleanup(func() { must.OK(t, target.DisposeBrowserContext(own).Do(browser)) })
	return newTab(t, own, v)
}

// tab opens the page's URL in a second tab of the visitor's browser.
func (p *page) tab() *page {
	p.t.Helper()
	other := newTab(p.t, p.tabs, visitor{})
	other.navigate(get[string](p, "location.href"))
	return other
}

func newTab(t *testing.T, own protocol.BrowserContextID, v visitor) *page {
	t.Helper()
	browser := protocol.WithExecutor(chromium, chromedp.FromContext(chromium).Browser)
	id := must.Get(target.CreateTarget("about:blank").WithBrowserContextID(own).WithNewWindow(true).Do(browser))(t)
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithTargetID(id))
	p := &page{t, ctx, own, &record{expected: []string{networkChanged}}, nil}
	t.Cleanup(func() {
		if t.Failed() {
			ctx, stop := context.WithTimeout(p.ctx, 2*time.Second)
			defer stop()
			var text string
			err := chromedp.Run(ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text))
			t.Logf("the page at the end: %.2000s %v", text, err)
		}
		cancel()
		for _, fault := range p.unexpected() {
			t.Error("in the page: " + fault)
		}
	})
	chromedp.ListenTarget(ctx, p.watch)
	// The first call of chromedp.Run has no deadline, because chromedp would close the page at the deadline.
	must.OK(t, chromedp.Run(ctx))
	if v.width == 0 {
		v.width, v.height = 1000, 700
	}
	scripts := must.Read(t, "testdata", "prelude.js") + must.Read(t, "testdata", "probes.js")
	if v.hurried {
		scripts += must.Read(t, "testdata", "hurry.js")
		p.expect(outage)
	}
	p.run(
		emulation.SetDeviceMetricsOverride(v.width, v.height, 1, v.phone),
		emulation.SetTouchEmulationEnabled(v.phone),
		emulation.SetFocusEmulationEnabled(true),
		theme("light"),
	)
	p.before(scripts)
	return p
}

// theme sets the colours that the visitor prefers ("light", "dark" or "forced"), and turns off animations.
func theme(colors string) chromedp.Action {
	features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: colors}}
	if colors == "forced" {
		features[1] = &emulation.MediaFeature{Name: "forced-colors", Value: "active"}
	}
	return emulation.SetEmulatedMedia().WithFeatures(features)
}

func (p *page) in(t *testing.T) *page { return &page{t, p.ctx, p.tabs, p.record, p.firefox} }

// expect makes the test tolerate each console error or other fault of the page whose message contains the text.
func (p *page) expect(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, text)
}

func (p *page) unexpected() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.faults), func(fault string) bool {
		return slices.ContainsFunc(p.expected, func(text string) bool { return strings.Contains(fault, text) })
	})
}

func (p *page) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if slices.Contains([]runtime.APIType{runtime.APITypeError, runtime.APITypeWarning, runtime.APITypeAssert}, event.Type) {
			p.faults = append(p.faults, fmt.Sprintf("console.%s: %s", event.Type, inJS(event.Args)))
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.LevelError || event.Entry.Source == log.SourceSecurity {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s (%s)", event.Entry.Source, event.Entry.Text, event.Entry.URL))
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.faults = append(p.faults, "dialog: "+event.Message)
		go func() { _ = chromedp.Run(p.ctx, cdppage.HandleJavaScriptDialog(false)) }()
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, request{
			id: event.RequestID, method: event.Request.Method, url: event.Request.URL, kind: string(event.Type), header: event.Request.Headers,
		})
	case *network.EventResponseReceived:
		p.answered(event.RequestID, func(r *request) { r.status = event.Response.Status })
	case *network.EventLoadingFinished:
		p.answered(event.RequestID, func(r *request) { r.bytes = event.EncodedDataLength })
	}
}

func (r *record) answered(id network.RequestID, change func(*request)) {
	for i := range r.requests {
		if r.requests[i].id == id {
			change(&r.requests[i])
		}
	}
}

// sent returns the page's requests with this method and with this text in the URL.
func (p *page) sent(method, text string) []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.requests), func(r request) bool { return r.method != method || !strings.Contains(r.url, text) })
}

// run fails the test if an action fails or takes longer than waitLimit.
func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
	defer cancel()
	must.OK(p.t, chromedp.Run(ctx, actions...))
}

func (p *page) before(script string) {
	p.t.Helper()
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// eval runs a script by the debugging protocol, to which the Content-Security-Policy does not apply. If eval gets a pointer, eval stores the
// script's value there.
func (p *page) eval(script string, result ...any) {
	p.t.Helper()
	value := append(result, nil)[0]
	if p.firefox != nil {
		p.firefox.evaluate(script, value)
		return
	}
	p.run(chromedp.Evaluate(script, value, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

// get evaluates a JavaScript expression and returns the expression's value.
func get[T any](p *page, expression string) (result T) {
	p.t.Helper()
	p.eval(expression, &result)
	return result
}
