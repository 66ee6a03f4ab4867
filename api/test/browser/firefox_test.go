package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// firefox is a running Firefox, which a test controls by Marionette. A Marionette message is a length, a colon, and JSON.
type firefox struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	id   int
}

// newFirefox starts Firefox with these preferences, and stops Firefox when the test ends.
func newFirefox(t *testing.T, preferences map[string]any) *firefox {
	t.Helper()
	program, err := exec.LookPath("firefox-esr")
	if err != nil {
		t.Fatalf("this test needs Firefox: run it with make test, or install Debian's package firefox-esr: %v", err)
	}
	profile, err := os.MkdirTemp("", "guestbook-firefox-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) })
	all := map[string]any{
		"marionette.port":                            0, // Firefox chooses a free port
		"network.auth.confirmAuth.enabled":           false,
		"network.proxy.type":                         0,
		"datareporting.policy.dataSubmissionEnabled": false, "toolkit.telemetry.enabled": false,
		"app.update.disabledForTesting": true, "browser.shell.checkDefaultBrowser": false,
		"network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
		"services.settings.server": "data:,", "browser.safebrowsing.provider.mozilla.updateURL": "",
	}
	for name, value := range preferences {
		all[name] = value
	}
	var lines strings.Builder
	for name, value := range all {
		fmt.Fprintf(&lines, "user_pref(%q, %s);\n", name, inJS(value))
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(program, "--headless", "--no-remote", "--marionette", "--profile", profile)
	process.Env = append(os.Environ(), "HOME="+profile)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	f := &firefox{t: t}
	awaitNil(t, "Firefox to listen", func() error {
		port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		if err != nil {
			return err
		}
		f.conn, err = net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
		return err
	}, 2*waitLimit)
	t.Cleanup(func() { f.conn.Close() })
	f.in = bufio.NewReader(f.conn)
	f.receive() // Firefox sends a greeting first
	f.do("WebDriver:NewSession", map[string]any{}, nil)
	return f
}

func (f *firefox) receive() []byte {
	f.t.Helper()
	_ = f.conn.SetReadDeadline(time.Now().Add(4 * waitLimit))
	length, err := f.in.ReadString(':')
	if err != nil {
		f.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil || n > 1<<24 {
		f.t.Fatalf("Firefox says %q", length)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(f.in, message); err != nil {
		f.t.Fatal(err)
	}
	return message
}

// do sends a command to Firefox, and decodes the result.
func (f *firefox) do(command string, params, result any) {
	f.t.Helper()
	f.id++
	message := inJS([]any{0, f.id, command, params})
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(message), message); err != nil {
		f.t.Fatal(err)
	}
	var failure struct{ Error, Message string }
	var value json.RawMessage
	answer := []any{0, 0, &failure, &value}
	raw := f.receive()
	if err := json.Unmarshal(raw, &answer); err != nil {
		f.t.Fatalf("%s: %v: %s", command, err, raw)
	}
	if failure.Error != "" {
		f.t.Fatalf("%s: %s: %s", command, failure.Error, failure.Message)
	}
	if result != nil {
		if err := json.Unmarshal(value, result); err != nil {
			f.t.Fatalf("%s: %v: %s", command, err, raw)
		}
	}
}

func (f *firefox) navigate(url string) {
	f.t.Helper()
	f.do("WebDriver:Navigate", map[string]any{"url": url}, nil)
}

func (f *firefox) eval(expression string, result any) {
	f.t.Helper()
	f.do("WebDriver:ExecuteScript", map[string]any{"script": "return " + expression, "args": []any{}, "sandbox": nil}, &struct{ Value any }{result})
}

func (f *firefox) await(what, expression string) {
	f.t.Helper()
	awaitNil(f.t, what, func() error {
		var held bool
		if f.eval("Boolean("+expression+")", &held); !held {
			return errors.New("not so")
		}
		return nil
	}, 2*waitLimit)
}

// open opens the guestbook's page at this URL, and waits until the page is live.
func (f *firefox) open(url string) {
	f.t.Helper()
	f.navigate(url)
	f.awaitLive()
}

func (f *firefox) awaitLive() {
	f.t.Helper()
	f.await("the page to be live", `document.querySelector("#connection")?.dataset.state === "live"`)
}

func (f *firefox) sign(text string) {
	f.t.Helper()
	f.eval(`(document.querySelector("#text").value = `+inJS(text)+`, document.querySelector("#sign").requestSubmit())`, nil)
}

func (f *firefox) awaitEntry(text string) {
	f.t.Helper()
	f.await("the entry", `[...document.querySelectorAll("#entries > li[id] .words")].some(({ textContent }) => textContent === `+inJS(text)+`)`)
}

func TestFirefoxThatRefusesCookiesAndStorage(t *testing.T) {
	t.Parallel()
	b := newBook(t, "first")
	f := newFirefox(t, map[string]any{"network.cookie.cookieBehavior": 2})
	f.open(b.URL())
	var refused bool
	if f.eval(`(() => { try { localStorage; return false; } catch { return true; } })()`, &refused); !refused {
		t.Fatal("Firefox does not refuse the storage")
	}
	f.awaitEntry("first")
	f.sign("second")
	f.awaitEntry("second")
}

func TestFirefoxAtAnAddressWithCredentials(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	f := newFirefox(t, nil)
	for _, credentials := range []string{"user:pass@", "user@", "user%40example:%3F@"} {
		f.open(strings.Replace(b.URL(), "http://", "http://"+credentials, 1))
		f.sign("by " + credentials)
		f.awaitEntry("by " + credentials)
	}
}

func TestFirefoxSendsNothingThatWasTakenBackWhileThePageWasAway(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	// Firefox keeps no page with a Web Lock in its back/forward cache. A page over plain HTTP never has a Web Lock.
	front := newProxyAt(t, b, "http", "guestbook.example")
	f := newFirefox(t, map[string]any{"network.dns.localDomains": "guestbook.example"})
	f.open(front.URL)
	front.refuse(http.StatusServiceUnavailable)
	f.sign("taken back elsewhere")
	f.await("it to be tried", `document.querySelector(".pending .note").textContent.includes("Trying again")`)
	// Firefox keeps no page with an open event stream in its back/forward cache. The event pagehide makes the page close its event stream.
	f.eval(`(document.body.dataset.visit = "first", dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })))`, nil)
	var first struct{ Value string }
	f.do("WebDriver:GetWindowHandle", map[string]any{}, &first)
	f.navigate(b.URL() + "/nginx-health")

	var other struct{ Handle string }
	f.do("WebDriver:NewWindow", map[string]any{"type": "tab"}, &other)
	f.do("WebDriver:SwitchToWindow", map[string]any{"handle": other.Handle}, nil)
	f.navigate(front.URL)
	f.await("a way to take it back", `(button => (button?.click(), button))(document.querySelector("#entries .discard"))`)
	f.await("it to be gone", `document.querySelector("#entries > li") === null`)

	f.do("WebDriver:SwitchToWindow", map[string]any{"handle": first.Value}, nil)
	front.serve(posts, nil)
	f.do("WebDriver:Back", map[string]any{}, nil)
	f.await("the page to be the one that was left", `document.body.dataset.visit === "first"`)
	f.awaitLive()
	f.await("it to be gone here as well", `document.querySelector("#entries > li") === null`)
	f.sign("another")
	f.awaitEntry("another")
	b.check("another")
}
