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
	own := must.Get(chromedp.CallBrowser(chromium, target.CreateBrowserContext, target.CreateBrowserContextParams{}))(t).BrowserContextID
	dispose := target.DisposeBrowserContextParams{BrowserContextID: own}
	t.Cleanup(func() { must.Get(chromedp.CallBrowser(chromium, target.DisposeBrowserContext, dispose))(t) })
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
	blank := target.CreateTargetParams{URL: "about:blank", BrowserContextID: own, NewWindow: new(true)}
	id := must.Get(chromedp.CallBrowser(chromium, target.CreateTarget, blank))(t).TargetID
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithTargetID(id))
	p := &page{t, ctx, own, &record{expected: []string{networkChanged}}, nil}
	t.Cleanup(func() {
		if t.Failed() {
			ctx, stop := context.WithTimeout(p.ctx, 2*time.Second)
			defer stop()
			text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			t.Logf("the page at the end: %.2000s %v", text, err)
		}
		cancel()
		for _, fault := range p.unexpected() {
			t.Error("in the page: " + fault)
		}
	})
	// The context of chromedp.Listen has no deadline, because chromedp would close the page at the deadline.
	must.OK(t, chromedp.Listen(ctx, p.watch))
	if v.width == 0 {
		v.width, v.height = 1000, 700
	}
	scripts := must.Read(t, "testdata", "prelude.js") + must.Read(t, "testdata", "probes.js")
	if v.hurried {
		scripts += must.Read(t, "testdata", "hurry.js")
		p.expect(outage)
	}
	send(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: v.height, DeviceScaleFactor: 1, Mobile: v.phone})
	send(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: v.phone})
	send(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	p.theme("light")
	p.before(scripts)
	return p
}

// theme sets the colours that the visitor prefers ("light", "dark" or "forced"), and turns off animations.
func (p *page) theme(colors string) {
	p.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: colors}}
	if colors == "forced" {
		features[1] = &emulation.MediaFeature{Name: "forced-colors", Value: "active"}
	}
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
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
		p.faults = append(p.faults, "exception: "+(&chromedp.ExceptionError{ExceptionDetails: event.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if slices.Contains([]runtime.ConsoleAPICalledType{"error", "warning", "assert"}, event.Type) {
			p.faults = append(p.faults, fmt.Sprintf("console.%s: %s", event.Type, inJS(event.Args)))
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError || event.Entry.Source == log.EntrySourceSecurity {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s (%s)", event.Entry.Source, event.Entry.Text, event.Entry.URL))
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.faults = append(p.faults, "dialog: "+event.Message)
		go chromedp.Call(p.ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: false})
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

// run runs an action and returns the action's value. run fails the test if the action fails or takes longer than waitLimit.
func run[T any](p *page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
	defer cancel()
	return must.Get(chromedp.Run(ctx, action))(p.t)
}

// send sends a command of the debugging protocol to the page and returns the command's result.
func send[P, R any](p *page, command protocol.Command[P, R], params P) R {
	p.t.Helper()
	return run(p, func(ctx context.Context, tab *chromedp.Target) (R, error) {
		return protocol.Call(ctx, tab, command, params)
	})
}

func (p *page) before(script string) {
	p.t.Helper()
	send(p, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// eval runs a script by the debugging protocol, to which the Content-Security-Policy does not apply.
func (p *page) eval(script string) {
	p.t.Helper()
	get[any](p, script)
}

// get evaluates a JavaScript expression and returns the expression's value.
func get[T any](p *page, expression string) (result T) {
	p.t.Helper()
	if p.firefox != nil {
		p.firefox.evaluate(expression, &result)
		return result
	}
	return run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}
