package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// hostile are texts that some page has taken for something else than text.
var hostile = []string{
	`<script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`<ScRiPt src=//127.0.0.1:1/x.js></sCrIpT>`,
	`<scr<script>ipt>alert(1)</scr</script>ipt>`,
	`<img src=x onerror=alert(1)>`,
	`<IMG """><SCRIPT>alert(1)</SCRIPT>">`,
	`"><img src=x onerror="alert(1)" x="`,
	`' onmouseover='alert(1)' x='`,
	`<body onload=alert(1)>`,
	`<input autofocus onfocus=alert(1)>`,
	`<details open ontoggle=alert(1)>`,
	`<video><source onerror=alert(1)></video>`,
	`<svg onload=alert(1)>`,
	`<svg><script href="data:text/javascript,alert(1)"/></svg>`,
	`<svg><animate onbegin=alert(1) attributeName=x dur=1s>`,
	`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<iframe src="javascript:alert(1)"></iframe>`,
	`<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>`,
	`<a href="javascript:alert(1)">click</a>`,
	`javascript:alert(1)`,
	`data:text/html,<script>alert(1)</script>`,
	`<object data="javascript:alert(1)"></object><embed src="javascript:alert(1)">`,
	`<form action="javascript:alert(1)"><button>click</button></form>`,
	`<base href="http://127.0.0.1:1/">`,
	`<meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">`,
	`<link rel=stylesheet href=//127.0.0.1:1/x.css>`,
	`<style>*{display:none}</style>`,
	`<template><script>alert(1)</script></template>`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`,
	`<!--<img src="--><img src=x onerror=alert(1)//">`,
	`<![CDATA[<script>alert(1)</script>]]>`,
	`<div id="entries"></div><ul id=fresh>`,
	`{{constructor.constructor('alert(1)')()}}`,
	`${alert(1)} #{alert(1)} <%= alert(1) %> [[alert(1)]]`,
	`{"__proto__": {"loaded": true}}`,
	`&lt;b&gt;bold&lt;/b&gt; &amp;amp; &#60;script&#62; &nbsp;`,
	`\u003cscript\u003ealert(1)\u003c/script\u003e \x3cb\x3e`,
	`%3Cscript%3Ealert(1)%3C/script%3E %2C %252C 100%`,
	"event: reset\ndata: {}\n\nid: 0",
	"first line\n\n  third line, indented\tand a tab",
	"one\u2028two\u2029three",
	"left \u202etfel ot thgir\u202c left \u2066isolated\u2069",
	"zero\u200bwidth\u200djoined\ufeffbom\u00adshy",
	"Z\u0351\u036b\u0343a\u0334\u0308l\u0334\u030dg\u0321\u034fo\u0489",
	"\u0645\u0631\u062d\u0628\u0627, guestbook, \u05e9\u05dc\u05d5\u05dd",
	"👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
	strings.Repeat("W", 1500),
	strings.Repeat("<b>", 500),
	`'; DROP TABLE entries; -- " OR ""="`,
	"*1\\r\\n$8\\r\\nFLUSHALL\\r\\n",
}

func post(t *testing.T, address, contentType, body string) {
	t.Helper()
	response, err := http.Post(address, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode >= 300 {
		t.Errorf("posting %.100q: %s", body, response.Status)
	}
}

func TestAnyTextIsShownAsText(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	entries := pod.URL() + "/guestbook/entries"
	ways := []struct {
		name string
		send func(t *testing.T, p *page)
	}{
		{"the page", func(_ *testing.T, p *page) {
			p.eval(signAll(hostile), nil)
		}},
		{"a form", func(t *testing.T, _ *page) {
			for _, text := range hostile {
				post(t, entries, "application/x-www-form-urlencoded", url.Values{"text": {text}}.Encode())
			}
		}},
		{"JSON", func(t *testing.T, _ *page) {
			for _, text := range hostile {
				post(t, entries, "application/json", `{"text": `+inJS(text)+`}`)
			}
		}},
		{"an old page's set", func(t *testing.T, _ *page) {
			var value string
			for _, text := range hostile {
				value += guestbook.Encode(text)
			}
			response, err := http.Get(pod.URL() + "/guestbook.php?" + url.Values{"cmd": {"set"}, "key": {key}, "value": {value}}.Encode())
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("set: %s", response.Status)
			}
		}},
	}
	p := visit(t, pod.URL(), visitor{})
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			p := p.in(t)
			podtest.Do(t, master, "DEL", key)
			p.awaitEntries()
			p.awaitState("live")
			way.send(t, p)
			p.awaitNil("all entries", func() error { return areAllText(p) })
			p.reload()
			p.awaitNil("all entries after a reload", func() error { return areAllText(p) })
			p.await("the page to be where it was", fmt.Sprintf("location.href === %q", pod.URL()+"/"))
			var elements []string
			p.eval(`[...new Set([...document.querySelectorAll("body *")].map((e) => e.localName))].sort()`, &elements)
			if own := []string{"a", "b", "button", "details", "div", "footer", "form", "h1", "h2", "header", "input", "kbd", "label", "li", "main", "p", "script", "section", "span", "summary", "textarea", "ul"}; !slices.Equal(elements, own) {
				t.Errorf("the page has these elements: %q", elements)
			}
		})
	}
}

// areAllText says whether the page shows the hostile texts, each once, in any order.
func areAllText(p *page) error {
	var texts []string
	for _, e := range p.entries() {
		if e.State != "" {
			return fmt.Errorf("%.100q is %s", e.Text, e.State)
		}
		texts = append(texts, e.Text)
	}
	if len(texts) != len(hostile) {
		return fmt.Errorf("%d entries, want %d", len(texts), len(hostile))
	}
	slices.Sort(texts)
	for i, want := range slices.Sorted(slices.Values(hostile)) {
		if texts[i] != want {
			return fmt.Errorf("%.100q is shown as %.100q", want, texts[i])
		}
	}
	return nil
}

// Else the other tests would mean little.
func TestTheWatchNoticesWhatIsForbidden(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	for _, c := range []struct{ name, script, fault string }{
		{"an event handler", `document.querySelector("#state").innerHTML = "<img src=x onerror=alert(1)>"`, "CSP violation"},
		{"an inline script", `document.head.append(Object.assign(document.createElement("script"), { textContent: "alert(1)" }))`, "CSP violation script-src-elem inline"},
		{"another host's script", `document.head.append(Object.assign(document.createElement("script"), { src: "http://127.0.0.1:1/x.js" }))`, "CSP violation"},
		{"another host's data", `fetch("http://127.0.0.1:1/").catch(() => {})`, "CSP violation connect-src"},
		{"a style attribute", `document.body.setAttribute("style", "color: red")`, "CSP violation style-src"},
		{"a dialog", `setTimeout(() => alert("hello"))`, "dialog: hello"},
		{"an exception", `setTimeout(() => { throw new Error("oh") })`, "exception: "},
		{"a rejection", `void Promise.reject(new Error("oh"))`, "exception: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			p.eval(c.script+"; 0", nil)
			p.awaitNil("the fault", func() error {
				for _, fault := range p.unexpected() {
					if strings.Contains(fault, c.fault) {
						return nil
					}
				}
				return fmt.Errorf("faults are %q", p.unexpected())
			})
		})
	}
	p.expect("")
}

// attacks are what a page of another site tries. Each is JavaScript, with BOOK for the guestbook's address.
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

const attackTools = `<!doctype html><title>elsewhere</title><body><script>
function submit(method, action, fields, enctype = "application/x-www-form-urlencoded") {
	const form = Object.assign(document.createElement("form"), { method, action, enctype });
	for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
	document.body.append(form);
	form.submit();
}
function add(name, src) { document.body.append(Object.assign(document.createElement(name), { src })); }
</script>`

func TestPagesOfOtherSitesCannotWrite(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	guestbook := newFront(t, pod)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, attackTools)
	}))
	t.Cleanup(other.Close)
	const before = ",first"
	podtest.Do(t, master, "SET", key, before)
	for _, site := range []struct{ name, url string }{
		{"another port", other.URL},
		{"another name", strings.Replace(other.URL, "127.0.0.1", "localhost", 1)},
	} {
		t.Run(site.name, func(t *testing.T) {
			p := newPage(t, visitor{})
			p.expect("") // the browser may complain as it likes
			for _, attack := range attacks {
				t.Run(attack.name, func(t *testing.T) {
					p := p.in(t)
					// An address of its own: the page that the attack before led to may still arrive, in this one's place.
					from := site.url + "/?" + url.QueryEscape(attack.name)
					p.awaitNil("the attacker's page", func() error {
						ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
						defer cancel()
						var at string
						err := chromedp.Run(ctx, chromedp.Navigate(from), chromedp.Evaluate("location.href", &at))
						if err == nil && at != from {
							err = errors.New("the page is " + at)
						}
						return err
					})
					guestbook.take()
					p.eval("void ("+strings.ReplaceAll(attack.script, "BOOK", guestbook.URL+"/guestbook")+")", nil)
					p.awaitNil("an answer of the guestbook", func() error {
						answers := guestbook.take()
						for _, a := range answers {
							if !isGuestbook(a.path) {
								continue
							}
							refused := a.status == http.StatusForbidden || a.method == http.MethodOptions && a.status == http.StatusMethodNotAllowed
							if !refused {
								t.Errorf("%+v is not refused", a)
							}
						}
						if len(answers) == 0 {
							return errors.New("there is none")
						}
						return nil
					})
					if got, err := redis.String(master.Do("GET", key)); err != nil || got != before {
						t.Errorf("Redis holds %q, %v", got, err)
					}
				})
			}
		})
	}
}
