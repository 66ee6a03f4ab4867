package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// firefox is a running Firefox, which a test controls by Marionette. A Marionette message has the form LENGTH:JSON, such as 5:[1,2].
type firefox struct {
	*page
	conn net.Conn
	in   *bufio.Reader
	id   int
}

// newFirefox starts Firefox with the given preferences, and stops Firefox when the test ends.
func newFirefox(t *testing.T, preferences string) *firefox {
	t.Helper()
	profile := must.Get(os.MkdirTemp("", "guestbook-firefox-"))(t)
	t.Cleanup(func() { os.RemoveAll(profile) })
	// Without DNS, Firefox reaches only the servers of the tests.
	must.Write(t, filepath.Join(profile, "user.js"), preferences+`
		user_pref("marionette.port", 0);
		user_pref("network.auth.confirmAuth.enabled", false);
		user_pref("network.proxy.type", 0);
		user_pref("network.dns.disabled", true);
	`)
	process := exec.CommandContext(t.Context(), "firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", profile)
	process.Env = append(os.Environ(), "HOME="+profile)
	must.OK(t, process.Start()) // "make test" installs Firefox
	t.Cleanup(func() { _ = process.Wait() })
	f := &firefox{page: &page{t: t}}
	f.firefox = f
	must.Await(t, "Firefox to listen", 2*waitLimit, func() error {
		port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		if err == nil {
			f.conn, err = net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
		}
		return err
	})
	f.in = bufio.NewReader(f.conn)
	f.receive(new(any)) // Firefox sends a greeting first
	f.do("WebDriver:NewSession", nil, nil)
	return f
}

// receive reads one message into a variable.
func (f *firefox) receive(message any) {
	f.t.Helper()
	_ = f.conn.SetReadDeadline(time.Now().Add(4 * waitLimit))
	var length int64
	must.Get(fmt.Fscanf(f.in, "%d:", &length))(f.t)
	must.OK(f.t, json.NewDecoder(io.LimitReader(f.in, length)).Decode(message))
}

func (f *firefox) do(command string, params map[string]any, result any) {
	f.t.Helper()
	f.id++
	message := inJS([]any{0, f.id, command, params})
	must.Get(fmt.Fprintf(f.conn, "%d:%s", len(message), message))(f.t)
	var failure struct{ Error, Message string }
	if f.receive(&[]any{nil, nil, &failure, result}); failure.Error != "" {
		f.t.Fatalf("%s: %+v", command, failure)
	}
}

func (f *firefox) evaluate(expression string, result any) {
	f.t.Helper()
	script := must.Read(f.t, "testdata", "probes.js") + "return " + expression
	f.do("WebDriver:ExecuteScript", map[string]any{"script": script, "args": []any{}, "sandbox": nil}, &struct{ Value any }{result})
}

func (f *firefox) navigate(url string) {
	f.t.Helper()
	f.do("WebDriver:Navigate", map[string]any{"url": url}, nil)
}

func TestFirefoxSendsNothingThatWasTakenBackWhileThePageWasAway(t *testing.T) {
	b := newBook(t)
	// Firefox keeps no page with a Web Lock in its back/forward cache. Over plain HTTP, the page has no Web Lock.
	front := newProxyAt(t, b, "http", "guestbook.example")
	f := newFirefox(t, `user_pref("network.dns.localDomains", "guestbook.example");`)
	f.navigate(front.URL)
	f.awaitState("live")
	// Firefox's back/forward cache keeps no page that waits for a response, so Retry-After makes the page pause between two tries.
	front.serve(posts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	f.signAtOnce("taken back elsewhere")
	f.await("it to be tried", `document.querySelector(".pending .note").textContent.includes("Trying again")`)
	// Firefox keeps the page in its back/forward cache only because the page has closed its event stream.
	f.eval(`(document.body.dataset.visit = "first", ` + asleep + `)`)
	var first struct{ Value string }
	f.do("WebDriver:GetWindowHandle", nil, &first)
	f.navigate(b.URL() + "/nginx-health")

	var other struct{ Handle string }
	f.do("WebDriver:NewWindow", map[string]any{"type": "tab"}, &other)
	f.do("WebDriver:SwitchToWindow", map[string]any{"handle": other.Handle}, nil)
	f.navigate(front.URL)
	f.clickOnceThere("#entries .discard")
	f.awaitEntries()

	f.do("WebDriver:SwitchToWindow", map[string]any{"handle": first.Value}, nil)
	front.serve(posts, nil)
	f.do("WebDriver:Back", nil, nil)
	f.await("the page to be the one that was left", `document.body.dataset.visit === "first"`)
	f.awaitState("live")
	f.awaitEntries()
	f.signAtOnce("another")
	f.awaitEntries("another")
	b.check("another")
}

// If the page's address contains a user name and a password, the page's scripts omit both in their requests. Browsers refuse scripts'
// requests to a URL with a password. With cookieBehavior 2, Firefox refuses cookies and storage.
func TestAnAddressWithCredentials(t *testing.T) {
	b := newBook(t)
	f := newFirefox(t, `user_pref("network.cookie.cookieBehavior", 2);`)
	var texts []string
	for _, credentials := range []string{"user:pass@", "user@", "user%40example:%3F@"} {
		address := strings.Replace(b.URL(), "http://", "http://"+credentials, 1)
		f.navigate(address)
		f.awaitState("live")
		f.signAtOnce("in Firefox by " + credentials)
		p := visit(t, address, visitor{})
		p.sign("in Chromium by " + credentials)
		texts = append(texts, "in Firefox by "+credentials, "in Chromium by "+credentials)
		p.awaitEntries(texts...)
		f.awaitEntries(texts...)
	}
	f.await("the storage to be refused", `(() => { try { localStorage; return false; } catch { return true; } })()`)
}
