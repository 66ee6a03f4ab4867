package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// lures are pages of another site, or URLs, that make the browser request SET. In lures, SET stands for a URL that rewrites the guestbook,
// and REDIRECT for a URL of the other site that leads to SET by two redirects.
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
}

// attacks are scripts in a page of another site. BOOK stands for the guestbook's URL.
var attacks = []struct{ name, script string }{
	{"a form by POST", `submit("POST", "BOOK/entries", { text: "attack" })`},
	{"a form by POST as plain text", `submit("POST", "BOOK/entries", { '{"text": "attack", "x': '": 1}' }, "text/plain")`},
	{"a form by POST of several parts", `submit("POST", "BOOK/entries", { text: "attack" }, "multipart/form-data")`},
	{"a form with the old command", `submit("POST", "BOOK.php", { cmd: "set", key: "messages", value: ",attack" })`},
	{"a form by GET", `submit("GET", "BOOK/", { cmd: "set", key: "messages", value: ",attack" })`},
	{"a link", `location.href = "BOOK/?cmd=set&key=messages&value=,attack"`},
	{"an image", `new Image().src = "BOOK/?cmd=set&key=messages&value=,attack"`},
	{"an image from the .php address", `new Image().src = "BOOK.php?cmd=set&key=messages&value=,attack"`},
	{"a script", `add("script", "BOOK/?cmd=set&key=messages&value=,attack")`},
	{"a frame", `add("iframe", "BOOK/?cmd=set&key=messages&value=,attack")`},
	{"a form by fetch", `fetch("BOOK/entries", { method: "POST", mode: "no-cors", body: new URLSearchParams({ text: "attack" }) })`},
	{"fetch with credentials", `fetch("BOOK/?cmd=set&key=messages&value=,attack", { mode: "no-cors", credentials: "include" })`},
	{"JSON by fetch", `fetch("BOOK/entries", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"text": "attack"}' })`},
	{"a beacon", `navigator.sendBeacon("BOOK/entries", new URLSearchParams({ text: "attack" }))`},
	{"fetch without a referrer", `fetch("BOOK/entries", { method: "POST", mode: "no-cors", referrerPolicy: "no-referrer", body: new URLSearchParams({ text: "attack" }) })`},
}

// attackTools is the beginning of a page, and defines the functions submit and add for the scripts in attacks.
const attackTools = `<!doctype html><title>elsewhere</title><body><script>
function submit(method, action, fields, enctype = "application/x-www-form-urlencoded") {
	const form = Object.assign(document.createElement("form"), { method, action, enctype });
	for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
	document.body.append(form);
	form.submit();
}
function add(name, src) { document.body.append(Object.assign(document.createElement(name), { src })); }
`

func TestPagesOfOtherSitesCannotWrite(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	const before = ",first"
	b.do("SET", key, before)
	all := slices.Clone(lures)
	for _, attack := range attacks {
		all = append(all, struct{ name, page string }{attack.name, attackTools + attack.script + "</script>"})
	}
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
			var redirect string
			other := serve(t, c.scheme, c.there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/redirect":
					http.Redirect(w, r, "/again", http.StatusFound)
				case "/again":
					http.Redirect(w, r, set, http.StatusTemporaryRedirect)
				default:
					w.Header().Set("Content-Type", "text/html")
					for _, lure := range all {
						if r.URL.Query().Get("lure") == lure.name {
							fmt.Fprint(w, "<!doctype html><title>elsewhere</title>"+strings.NewReplacer("SET", set, "REDIRECT", redirect, "BOOK", front.URL+"/guestbook").Replace(lure.page))
						}
					}
				}
			}))
			redirect = other + "/redirect"
			p := newPage(t, visitor{})
			p.expect("") // the test ignores all errors in the page
			for _, lure := range all {
				if c.scheme == "http" && c.here == "gb.example" && strings.Contains(lure.page, "speculationrules") {
					continue // Chromium follows speculation rules only over HTTPS or on localhost
				}
				t.Run(lure.name, func(t *testing.T) {
					p := p.in(t)
					address := map[string]string{"SET": set, "REDIRECT": redirect}[lure.page]
					if address == "" {
						address = other + "/?" + url.Values{"lure": {lure.name}}.Encode()
					}
					front.take()
					// The page of the previous lure may still load in place of this lure's page, so the test tries again.
					p.awaitNil("the book to be asked", func() error {
						ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
						defer cancel()
						_ = chromedp.Run(ctx, chromedp.Navigate(address)) // Run returns an error if the guestbook refuses the navigation
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
			status := get[int](p, `new Promise((done) => {
				const request = new XMLHttpRequest();
				request.open("GET", "guestbook.php?cmd=set&key=messages&value=,own");
				request.onload = () => done(request.status);
				request.send();
			})`)
			if got := b.raw(); status != http.StatusOK || got != ",own" {
				t.Errorf("the guestbook's own page is answered %d; Redis holds %q", status, got)
			}
			b.do("SET", key, before)
		})
	}
}

// awaitRefusal waits up to a second for a request to the guestbook. awaitRefusal fails the test if the
// guestbook accepted the request.
func awaitRefusal(ctx context.Context, t *testing.T, front *proxy) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for ctx.Err() == nil {
		answers := slices.DeleteFunc(front.take(), func(a answer) bool { return !strings.HasPrefix(a.path, "/guestbook") })
		for _, a := range answers {
			if a.status != http.StatusForbidden && (a.method != http.MethodOptions || a.status != http.StatusMethodNotAllowed) {
				t.Errorf("%+v is not refused", a)
			}
		}
		if len(answers) > 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("it is not")
}
