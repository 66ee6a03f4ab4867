package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

// scripted is the beginning of a page that runs a script, and defines the functions "submit" and "add" for this script.
const scripted = `<!doctype html><title>elsewhere</title><body><script>
function submit(method, action, fields, enctype = "application/x-www-form-urlencoded") {
	const form = Object.assign(document.createElement("form"), { method, action, enctype });
	for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
	document.body.append(form);
	form.submit();
}
function add(name, src) { document.body.append(Object.assign(document.createElement(name), { src })); }
`

// lures lists tricks by which another site makes a browser overwrite the guestbook. In the field "page", SET stands for a URL that
// overwrites the guestbook. REDIRECT stands for a URL that leads to SET by two redirects.
var lures = []struct{ name, page string }{
	{"prefetch", `<script type=speculationrules>{"prefetch": [{"source": "list", "urls": ["SET"]}]}</script>`},
	{"prerender", `<script type=speculationrules>{"prerender": [{"source": "list", "urls": ["SET"]}]}</script>`},
	{"prefetch of a redirect", `<script type=speculationrules>{"prefetch": [{"source": "list", "urls": ["REDIRECT"]}]}</script>`},
	{"prefetch without a referrer", `<script type=speculationrules>{"prefetch": [{"source": "list", "urls": ["SET"], "referrer_policy": "no-referrer"}]}</script>`},
	{"prefetch of a link", `<link rel=prefetch href="SET">`},
	{"a typed address that redirects", "REDIRECT"},
	{"a typed address", "SET"},
	{"a page that refreshes", `<meta http-equiv=refresh content="0; url=SET">`},
	{"an image", `<img src="SET">`},
	{"an image by redirects", `<img src="REDIRECT">`},
	{"an image without a referrer", `<meta name=referrer content=no-referrer><img src="SET">`},
	{"an icon", `<link rel=icon href="SET">`},
	{"a style sheet", `<link rel=stylesheet href="SET">`},
	{"a video", `<video src="SET" preload=auto></video>`},
	{"a redirected frame", `<iframe src="REDIRECT" referrerpolicy=no-referrer></iframe>`},
	{"a form by POST", scripted + `submit("POST", "BOOK/entries", { text: "attack" })`},
	{"a form by POST as plain text", scripted + `submit("POST", "BOOK/entries", { '{"text": "attack", "x': '": 1}' }, "text/plain")`},
	{"a form by POST of several parts", scripted + `submit("POST", "BOOK/entries", { text: "attack" }, "multipart/form-data")`},
	{"a form with the old command", scripted + `submit("POST", "BOOK.php", { cmd: "set", key: "messages", value: ",attack" })`},
	{"a form by GET", scripted + `submit("GET", "BOOK/", { cmd: "set", key: "messages", value: ",attack" })`},
	{"a link", scripted + `location.href = "SET"`},
	{"an image from the .php address", scripted + `new Image().src = "BOOK.php?cmd=set&key=messages&value=,attack"`},
	{"a script", scripted + `add("script", "SET")`},
	{"a frame", scripted + `add("iframe", "SET")`},
	{"a form by fetch", scripted + `fetch("BOOK/entries", { method: "POST", mode: "no-cors", body: new URLSearchParams({ text: "attack" }) })`},
	{"fetch with credentials", scripted + `fetch("SET", { mode: "no-cors", credentials: "include" })`},
	{"JSON by fetch", scripted + `fetch("BOOK/entries", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"text": "attack"}' })`},
	{"a beacon", scripted + `navigator.sendBeacon("BOOK/entries", new URLSearchParams({ text: "attack" }))`},
	{"fetch without a referrer", scripted + `fetch("BOOK/entries", { method: "POST", mode: "no-cors", referrerPolicy: "no-referrer", body: new URLSearchParams({ text: "attack" }) })`},
}

func TestPagesOfOtherSitesCannotWrite(t *testing.T) {
	b := newBook(t)
	const before = ",first"
	b.do("SET", key, before)
	for _, c := range []struct{ name, scheme, here, there string }{
		{"another port", "http", "127.0.0.1", "127.0.0.1"},
		{"another name", "http", "127.0.0.1", "localhost"},
		{"another site over https", "https", "gb.example", "other.example"},
		{"a sibling over https", "https", "gb.site.example", "other.site.example"},
		{"another site over plain http", "http", "gb.example", "other.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			front := newProxyAt(t, b, c.scheme, c.here)
			set := front.URL + "/guestbook/?cmd=set&key=messages&value=,pwned"
			mux := http.NewServeMux()
			mux.Handle("/redirect", http.RedirectHandler("/again", http.StatusFound))
			mux.Handle("/again", http.RedirectHandler(set, http.StatusTemporaryRedirect))
			other := serve(t, c.scheme, c.there, mux)
			addresses := strings.NewReplacer("SET", set, "REDIRECT", other+"/redirect", "BOOK", front.URL+"/guestbook")
			for i, lure := range lures {
				page := "<!doctype html><title>elsewhere</title>" + addresses.Replace(lure.page) + "</script>"
				mux.Handle(fmt.Sprint("/lure/", i), html(http.StatusOK, page))
			}
			p := newPage(t, visitor{})
			p.expect("")
			for i, lure := range lures {
				if c.scheme == "http" && c.here == "gb.example" && strings.Contains(lure.page, "speculationrules") {
					continue // Chromium follows speculation rules only over HTTPS or on localhost
				}
				t.Run(lure.name, func(t *testing.T) {
					p := p.in(t)
					address := fmt.Sprint(other, "/lure/", i)
					if !strings.HasPrefix(lure.page, "<") {
						address = addresses.Replace(lure.page)
					}
					front.take()
					must.Await(t, "the book to be asked", waitLimit, func() error {
						ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
						defer cancel()
						_ = chromedp.Run(ctx, chromedp.Navigate(address))
						return awaitRefusal(ctx, t, front)
					})
					if got := b.raw(); got != before {
						t.Errorf("Redis holds %q", got)
						b.do("SET", key, before)
					}
				})
			}

			// The page of the PHP guestbook writes by a GET request to guestbook.php.
			p.navigate(front.URL)
			status := get[int](p, `fetch("guestbook.php?cmd=set&key=messages&value=,own").then(({ status }) => status)`)
			if got := b.raw(); status != http.StatusOK || got != ",own" {
				t.Errorf("the guestbook's own page is answered %d; Redis holds %q", status, got)
			}
			b.do("SET", key, before)
		})
	}
}

// awaitRefusal waits up to a second for a request to the guestbook. If the guestbook accepts the request, the test fails.
func awaitRefusal(ctx context.Context, t *testing.T, front *proxy) error {
	t.Helper()
	for until := time.Now().Add(time.Second); ctx.Err() == nil && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		answers := slices.DeleteFunc(front.take(), func(answer string) bool { return !strings.Contains(answer, " /guestbook") })
		for _, answer := range answers {
			if !strings.Contains(answer, " 403 ") && !strings.HasPrefix(answer, "OPTIONS 405 ") {
				t.Errorf("%s is not refused", answer)
			}
		}
		if len(answers) > 0 {
			return nil
		}
	}
	return errors.New("it is not")
}
