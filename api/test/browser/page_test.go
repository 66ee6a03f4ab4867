package browser

import (
	"context"
	"fmt"
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
)

// visitor is the state of a visitor's browser.
type visitor struct {
	width, height int64 // 1000 × 700 unless said
	phone         bool
	// hurried makes the page's timers run ten times as fast, so that it gives up in seconds. Requests may fail.
	hurried bool
}

// page is a visitor's page. These faults in it fail the test: exceptions, errors on the console, violations of the content security
// policy, dialogs.
type page struct {
	t    *testing.T
	ctx  context.Context
	tabs protocol.BrowserContextID // is the same for tabs of one browser
	*record
}

// record is what was noted about a page.
type record struct {
	mu       sync.Mutex
	faults   []string
	expected []string // parts of faults that are no faults here
	requests []*request
}

// request is one that the page has sent.
type request struct {
	id                network.RequestID
	method, url, kind string
	header            map[string]any
	status            int64
	bytes             float64 // over the wire, known when all has arrived
}

// prelude runs in a page before its own scripts.
const prelude = `
addEventListener("securitypolicyviolation", (event) =>
	console.error(["CSP violation", event.violatedDirective, event.blockedURI, event.sample].join(" ")));`

const hurry = `{
	const { setTimeout } = window;
	window.setTimeout = (act, delay, ...rest) => setTimeout(act, delay / 10, ...rest);
}`

const (
	// outage is on the console if a request fails because the guestbook is away.
	outage = "Failed to load resource: "
	// networkChanged is on the console if Chromium gives up requests because the machine has got or lost a network, as machines
	// that run containers do all the time.
	networkChanged = "net::ERR_NETWORK_CHANGED"
)

// visit opens a page in a browser context of its own. The test closes it at its end, and fails if the page had faults.
func visit(t *testing.T, url string, v visitor) *page {
	t.Helper()
	p := newPage(t, v)
	p.navigate(url)
	return p
}

// newPage opens a blank page.
func newPage(t *testing.T, v visitor) *page {
	t.Helper()
	browser := protocol.WithExecutor(chromium, chromedp.FromContext(chromium).Browser)
	own, err := target.CreateBrowserContext().Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.DisposeBrowserContext(own).Do(browser); err != nil {
			t.Error(err)
		}
	})
	return newTab(t, own, v)
}

// tab opens the same page in another tab of the visitor's browser.
func (p *page) tab() *page {
	p.t.Helper()
	other := newTab(p.t, p.tabs, visitor{})
	other.navigate(get[string](p, "location.href"))
	return other
}

func newTab(t *testing.T, own protocol.BrowserContextID, v visitor) *page {
	t.Helper()
	browser := protocol.WithExecutor(chromium, chromedp.FromContext(chromium).Browser)
	// Without a window of its own, a new context has nowhere to open the page.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(own).WithNewWindow(true).Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithTargetID(id))
	p := &page{t, ctx, own, &record{expected: []string{networkChanged}}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.describe())
		}
		cancel()
		for _, fault := range p.unexpected() {
			t.Error("in the page: " + fault)
		}
	})
	chromedp.ListenTarget(ctx, p.watch)
	// A deadline would end the page.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if v.width == 0 {
		v.width, v.height = 1000, 700
	}
	scripts := prelude
	if v.hurried {
		scripts += hurry
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

// theme sets the colours that the visitor prefers, "light", "dark" or "forced", and keeps the page from moving.
func theme(colors string) chromedp.Action {
	features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: colors}}
	if colors == "forced" {
		features[1] = &emulation.MediaFeature{Name: "forced-colors", Value: "active"}
	}
	return emulation.SetEmulatedMedia().WithFeatures(features)
}

// in returns the page as used by a subtest.
func (p *page) in(t *testing.T) *page { return &page{t, p.ctx, p.tabs, p.record} }

// expect makes the test ignore faults with this text in them.
func (p *page) expect(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, text)
}

func (p *page) unexpected() (faults []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
next:
	for _, fault := range p.faults {
		for _, text := range p.expected {
			if strings.Contains(fault, text) {
				continue next
			}
		}
		faults = append(faults, fault)
	}
	return faults
}

// watch notes what happens in the page.
func (p *page) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.APITypeError || event.Type == runtime.APITypeWarning || event.Type == runtime.APITypeAssert {
			said := fmt.Sprintf("console.%s:", event.Type)
			for _, arg := range event.Args {
				said += " " + string(arg.Value) + arg.Description
			}
			p.faults = append(p.faults, said)
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.LevelError || event.Entry.Source == log.SourceSecurity {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s (%s)", event.Entry.Source, event.Entry.Text, event.Entry.URL))
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.faults = append(p.faults, "dialog: "+event.Message)
		go func() { _ = chromedp.Run(p.ctx, cdppage.HandleJavaScriptDialog(false)) }() // the page may have gone
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, &request{
			id: event.RequestID, method: event.Request.Method, url: event.Request.URL, kind: string(event.Type), header: event.Request.Headers,
		})
	case *network.EventResponseReceived:
		for _, r := range p.requests {
			if r.id == event.RequestID {
				r.status = event.Response.Status
			}
		}
	case *network.EventLoadingFinished:
		for _, r := range p.requests {
			if r.id == event.RequestID {
				r.bytes = event.EncodedDataLength
			}
		}
	}
}

// sent returns copies of the requests whose addresses contain the text.
func (p *page) sent(method, text string) (requests []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if r.method == method && strings.Contains(r.url, text) {
			requests = append(requests, *r)
		}
	}
	return requests
}

// run does things in the page. The test fails if they fail or take too long.
func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// before runs a script in each page that is loaded from now on, before the page's own.
func (p *page) before(script string) {
	p.t.Helper()
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// eval runs a script by the debugging protocol, because the content security policy does not apply to that.
func (p *page) eval(script string) {
	p.t.Helper()
	p.run(evaluate(script, nil))
}

// get evaluates an expression, which may be a promise, and returns its value.
func get[T any](p *page, expression string) (result T) {
	p.t.Helper()
	p.run(evaluate(expression, &result))
	return result
}

func evaluate(script string, result any) chromedp.Action {
	return chromedp.Evaluate(script, result, func(e *runtime.EvaluateParams) *runtime.EvaluateParams {
		return e.WithAwaitPromise(true)
	})
}

// describe returns how the page stands, for a test that failed.
func (p *page) describe() string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	var text string
	if err := chromedp.Run(ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text)); err != nil {
		return "the page does not answer: " + err.Error()
	}
	return fmt.Sprintf("the page at the end: %.2000s", text)
}
