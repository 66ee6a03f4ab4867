package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// door is a proxy before a pod that keeps what came of each set.
type door struct {
	url string

	mu   sync.Mutex
	sets []string // status and what the browser said of itself
}

// newDoor opens a door at a name that leads to this machine, over TLS if the scheme is https.
func newDoor(t *testing.T, pod *localpod.Pod, scheme, name string) *door {
	t.Helper()
	nginx, err := url.Parse(pod.URL())
	if err != nil {
		t.Fatal(err)
	}
	d := &door{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(nginx)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", scheme)
		},
		ModifyResponse: func(r *http.Response) error {
			if asked := r.Request; strings.Contains(asked.URL.RawQuery, "cmd=set") {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.sets = append(d.sets, fmt.Sprintf("%d %s site=%s mode=%s purpose=%s", r.StatusCode, asked.Method,
					asked.Header.Get("Sec-Fetch-Site"), asked.Header.Get("Sec-Fetch-Mode"), asked.Header.Get("Sec-Purpose")))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }, // the browser has gone
	}
	d.url = serveAs(t, scheme, name, proxy)
	return d
}

// serveAs starts a server, and returns its address at that name.
func serveAs(t *testing.T, scheme, name string, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if scheme == "https" {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.Replace(server.URL, "127.0.0.1", name, 1)
}

// take returns the sets since it was called last.
func (d *door) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	sets := d.sets
	d.sets = nil
	return sets
}

// lures are pages of another site, or addresses of it, each of which makes the browser ask for SET. REDIRECT is an address of the
// other site that leads there by two redirects.
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

func TestNothingThatABrowserOpensOrLoadsForOthersWrites(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	const before = ",first"
	podtest.Do(t, master, "SET", key, before)
	for _, c := range []struct{ name, scheme, here, there string }{
		{"another port", "http", "127.0.0.1", "127.0.0.1"},
		{"another site over https", "https", "gb.example", "other.example"},
		{"a sibling over https", "https", "gb.site.example", "other.site.example"},
		{"another site over plain http", "http", "gb.example", "other.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := newDoor(t, pod, c.scheme, c.here)
			set := book.url + "/guestbook/?cmd=set&key=messages&value=,pwned"
			var redirect string
			other := serveAs(t, c.scheme, c.there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/redirect":
					http.Redirect(w, r, "/again", http.StatusFound)
				case "/again":
					http.Redirect(w, r, set, http.StatusTemporaryRedirect)
				default:
					w.Header().Set("Content-Type", "text/html")
					for _, lure := range lures {
						if r.URL.Query().Get("lure") == lure.name {
							fmt.Fprint(w, "<!doctype html><title>elsewhere</title>"+strings.NewReplacer("SET", set, "REDIRECT", redirect).Replace(lure.page))
						}
					}
				}
			}))
			redirect = other + "/redirect"
			p := newPage(t, visitor{})
			p.expect("") // the browser may complain as it likes
			for _, lure := range lures {
				if c.scheme == "http" && c.here == "gb.example" && strings.Contains(lure.page, "speculationrules") {
					continue // Chromium follows these rules over https and on this machine only
				}
				t.Run(lure.name, func(t *testing.T) {
					p := p.in(t)
					address := map[string]string{"SET": set, "REDIRECT": redirect}[lure.page]
					if address == "" {
						address = other + "/?" + url.Values{"lure": {lure.name}}.Encode()
					}
					book.take()
					ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
					defer cancel()
					_ = chromedp.Run(ctx, chromedp.Navigate(address)) // a refused navigation is an error
					p.awaitNil("the book to be asked", func() error {
						sets := book.take()
						for _, s := range sets {
							if !strings.HasPrefix(s, "403 ") {
								t.Errorf("answered %s", s)
							}
						}
						if len(sets) == 0 {
							return errors.New("it is not")
						}
						return nil
					})
					if got, err := redis.String(master.Do("GET", key)); err != nil || got != before {
						t.Errorf("Redis holds %q, %v", got, err)
						podtest.Do(t, master, "SET", key, before)
					}
				})
			}

			// An old page writes so.
			p.navigate(book.url)
			var status int
			p.eval(`new Promise((done) => {
				const request = new XMLHttpRequest();
				request.open("GET", "guestbook.php?cmd=set&key=messages&value=,own");
				request.onload = () => done(request.status);
				request.send();
			})`, &status)
			if got, err := redis.String(master.Do("GET", key)); err != nil || status != http.StatusOK || got != ",own" {
				t.Errorf("the guestbook's own page is answered %d; Redis holds %q, %v", status, got, err)
			}
			podtest.Do(t, master, "SET", key, before)
		})
	}
}
