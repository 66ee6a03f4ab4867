// Package browser tests the page in a real browser, through a whole local pod.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	protocol "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// waitLimit is how long a test waits for what must happen: the machine may be slow.
const waitLimit = 20 * time.Second

// chromium is one browser for all tests. Each page is opened in a context of its own in it, as by another visitor.
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
		// A process in reserve for each page that is opened would take long to start.
		chromedp.Flag("disable-features", "SpareRendererForSitePerProcess"),
		// Names of hosts that lead to this machine.
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		// A mouse, which a machine without a screen lacks.
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
	// The protocol's Go types are older than Chromium: what they do not know is not an error.
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

// visitor says how a visitor's browser is.
type visitor struct {
	width, height int64 // 1000 × 700 unless said
	phone         bool
	// hurried makes the page's timers run ten times as fast, so that it gives up in seconds.
	hurried bool
}

// page is a visitor's page. Whatever goes wrong in it fails the test: exceptions, errors on the console, violations
// of the content security policy, dialogs.
type page struct {
	t    *testing.T
	ctx  context.Context
	tabs protocol.BrowserContextID // what tabs of one browser share
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
	ended             bool
}

// prelude runs in a page before its own scripts.
const prelude = `
addEventListener("securitypolicyviolation", (event) =>
	console.error(["CSP violation", event.violatedDirective, event.blockedURI, event.sample].join(" ")));`

const hurry = `{
	const { setTimeout } = window;
	window.setTimeout = (act, delay, ...rest) => setTimeout(act, delay / 10, ...rest);
}`

// outage is what the console says about requests that fail because the guestbook is away.
const outage = "Failed to load resource: "

// visit opens a page in a browser context of its own. It is closed, and its faults are told, when the test ends.
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
	var url string
	p.eval("location.href", &url)
	other.navigate(url)
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
	// Not under a deadline: it would end the page.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if v.width == 0 {
		v.width, v.height = 1000, 700
	}
	scripts := prelude
	if v.hurried {
		scripts += hurry
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
	features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
	if colors == "forced" {
		features = append(features, &emulation.MediaFeature{Name: "forced-colors", Value: "active"})
	} else {
		features = append(features, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: colors})
	}
	return emulation.SetEmulatedMedia().WithFeatures(features)
}

// in is the page as used by a subtest.
func (p *page) in(t *testing.T) *page { return &page{t, p.ctx, p.tabs, p.record} }

// expect says that faults with this text in them are none.
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
		if r := p.request(event.RequestID); r != nil {
			r.status = event.Response.Status
		}
	case *network.EventLoadingFinished:
		if r := p.request(event.RequestID); r != nil {
			r.bytes, r.ended = event.EncodedDataLength, true
		}
	case *network.EventLoadingFailed:
		if r := p.request(event.RequestID); r != nil {
			r.ended = true
		}
	}
}

func (p *page) request(id network.RequestID) *request {
	for _, r := range p.requests {
		if r.id == id {
			return r
		}
	}
	return nil
}

// sent gives copies of the requests whose addresses have the text in them.
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

// networkChanged is what Chromium says when it gives up requests because the machine has got or lost a network, as
// those that run containers do all the time.
const networkChanged = "net::ERR_NETWORK_CHANGED"

// navigate loads a page, again if the network changed meanwhile.
func (p *page) navigate(url string) { p.load(chromedp.Navigate(url)) }

func (p *page) reload() { p.load(chromedp.Reload()) }

func (p *page) load(action chromedp.Action) {
	p.t.Helper()
	p.awaitNil("the page to load", func() error {
		before := p.networkChanges()
		ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
		defer cancel()
		err := chromedp.Run(ctx, action)
		if p.networkChanges() > before {
			p.forgetRequests()
			return errors.New("the network changed")
		}
		return err
	})
}

func (p *page) networkChanges() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		if strings.Contains(fault, networkChanged) {
			n++
		}
	}
	return n
}

func (p *page) forgetRequests() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// eval evaluates an expression, which may be a promise. It does so by the debugging protocol, which the content
// security policy does not hold back.
func (p *page) eval(expression string, result any) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expression, result, func(e *runtime.EvaluateParams) *runtime.EvaluateParams {
		return e.WithAwaitPromise(true)
	}))
}

// await waits until an expression is true.
func (p *page) await(what, expression string) {
	p.t.Helper()
	p.awaitNil(what, func() error {
		var held bool
		p.eval("Boolean("+expression+")", &held)
		if !held {
			return errors.New("not so")
		}
		return nil
	})
}

// pressOnceThere waits for a button that the page may make anew at any moment, and presses it in the same step.
func (p *page) pressOnceThere(selector string) {
	p.t.Helper()
	p.await(selector, fmt.Sprintf("(button => (button?.click(), button))(document.querySelector(%q))", selector))
}

// awaitNil waits until the condition gives no error, for as long as a limit says that differs from the usual one.
func (p *page) awaitNil(what string, condition func() error, limit ...time.Duration) {
	p.t.Helper()
	for deadline := time.Now().Add(append(limit, waitLimit)[0]); ; time.Sleep(60 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited for %s in vain: %v", what, err)
		}
	}
}

// entry is one of the page's list.
type entry struct{ ID, Text, State, Note string }

const entriesScript = `[...document.querySelectorAll("#entries > li")].map((li) => ({
	ID: li.id,
	Text: li.querySelector(".words").textContent,
	State: li.classList.contains("failed") ? "failed" : li.classList.contains("pending") ? "pending" : "",
	Note: li.querySelector(".note")?.textContent ?? "",
}))`

// entries reads the list, newest first.
func (p *page) entries() (entries []entry) {
	p.t.Helper()
	p.eval(entriesScript, &entries)
	return entries
}

// awaitEntries waits until the list is exactly this, oldest first, and all of it in the book.
func (p *page) awaitEntries(texts ...string) {
	p.t.Helper()
	p.awaitNil("the list to be right", func() error {
		entries := p.entries()
		if len(entries) != len(texts) {
			return fmt.Errorf("%d entries, want %d", len(entries), len(texts))
		}
		for i, text := range texts {
			if e := entries[len(entries)-1-i]; e.Text != text || e.State != "" {
				return fmt.Errorf("entry %d is %+v, want %q", i, e, text)
			}
		}
		return nil
	})
}

// awaitState waits until the page says that it is live, or something else.
func (p *page) awaitState(state string) {
	p.t.Helper()
	p.await("the connection to be "+state, fmt.Sprintf(`document.querySelector("#connection")?.dataset.state === %q`, state))
	if state == "live" { // the list is drawn with the next frame
		p.await("the list to be shown", `document.querySelector("#state").textContent !== "Opening the book"`)
	}
}

// sign writes a text into the form and sends it.
func (p *page) sign(text string) {
	p.t.Helper()
	p.write(text)
	p.run(chromedp.Click("#post", chromedp.ByQuery))
}

// write puts a text into the form.
func (p *page) write(text string) {
	p.t.Helper()
	p.run(chromedp.Focus("#text", chromedp.ByQuery), input.InsertText(text))
}

// describe tells how the page stands, for a test that failed.
func (p *page) describe() string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	var text string
	if err := chromedp.Run(ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text)); err != nil {
		return "the page does not answer: " + err.Error()
	}
	return fmt.Sprintf("the page at the end: %.2000s", text)
}

// screenshot writes what is in sight to .build/screenshots.
func (p *page) screenshot(name string) {
	p.t.Helper()
	root, err := localpod.Root()
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(root, ".build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	var png []byte
	p.run(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// inJS writes a value as a JavaScript expression.
func inJS(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // of strings and slices of them
	}
	return string(b)
}

// before runs a script in each page that is loaded from now on, before the page's own.
func (p *page) before(script string) {
	p.t.Helper()
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// nginxInFront starts an nginx of its own before the pod's, which has these locations and is otherwise as it comes.
// POD stands for the pod's address. It gives its URL.
func nginxInFront(t *testing.T, pod *localpod.Pod, locations string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	dir, port := t.TempDir(), podtest.FreePorts(t).Nginx
	temporary := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(dir, name))
	}
	conf := fmt.Sprintf("daemon off; pid %s; events {} http { access_log off; %s server { listen 127.0.0.1:%d; %s } }",
		filepath.Join(dir, "pid"), temporary, port, strings.ReplaceAll(locations, "POD", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Nginx)))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	nginx := exec.Command(program, "-e", "/dev/stderr", "-c", file)
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait()
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for until := time.Now().Add(waitLimit); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return "http://" + address
		}
		if time.Now().After(until) {
			t.Fatalf("%v\n%s", err, said.String())
		}
	}
}

// plainHTTP is an address of the pod on a host that Chromium does not take for a safe one, as it does localhost: most
// guestbooks are visited so, and there some functions of the browser are missing.
func plainHTTP(pod *localpod.Pod) string {
	return fmt.Sprintf("http://guestbook.example:%d", pod.Ports.Nginx)
}

// awaitViewers waits until so many streams are open.
func (p *page) awaitViewers(pod *localpod.Pod, want string) {
	p.t.Helper()
	p.awaitNil(want+" streams", func() error {
		response, err := http.Get(pod.APIURL() + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		metrics, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(string(metrics), "\nguestbook_event_viewers ")
		if got, _, _ := strings.Cut(after, "\n"); got != want {
			return fmt.Errorf("%s streams", got)
		}
		return nil
	})
}
