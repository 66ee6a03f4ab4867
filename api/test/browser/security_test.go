package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// hostile lists texts that a faulty page would treat as HTML, a script or a command.
var hostile = []string{
	`<script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`<scr<script>ipt>alert(1)</scr</script>ipt>`,
	`<img src=x onerror=alert(1)>`,
	`"><img src=x onerror="alert(1)" x="`,
	`' onmouseover='alert(1)' x='`,
	`<svg onload=alert(1)>`,
	`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<iframe src="javascript:alert(1)"></iframe>`,
	`<a href="javascript:alert(1)">click</a>`,
	`javascript:alert(1)`,
	`<base href="http://127.0.0.1:1/">`,
	`<meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">`,
	`<style>*{display:none}</style>`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`,
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

func TestAnyTextIsShownAsText(t *testing.T) {
	b, p := open(t, visitor{})
	for name, send := range map[string]func(){
		"signed on the page": func() { p.signAtOnce(hostile...) },
		"of others":          func() { b.write(hostile...) },
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			b.do("DEL", key)
			p.awaitEntries()
			p.awaitState("live")
			send()
			awaitAll := func() {
				t.Helper()
				must.Await(t, "all entries", waitLimit, func() error {
					if got := slices.Sorted(slices.Values(p.texts())); !slices.Equal(got, slices.Sorted(slices.Values(hostile))) {
						return fmt.Errorf("the page shows %.100q", got)
					}
					return nil
				})
			}
			awaitAll()
			p.reload()
			awaitAll()
			p.await("the page to be where it was", "location.href === "+inJS(b.URL()+"/"))
			elements := get[[]string](p, `[...new Set([...document.querySelectorAll("body *")].map((e) => e.localName))].sort()`)
			if own := strings.Fields("a b button details div footer form h1 h2 header input kbd label li main p script section span summary textarea ul"); !slices.Equal(elements, own) {
				t.Errorf("the page has these elements: %q", elements)
			}
		})
	}
}

// awaitFault waits until the page has a fault that contains this text.
func (p *page) awaitFault(text string) {
	p.t.Helper()
	must.Hold(p.t, "the fault "+text, waitLimit, func() bool {
		return slices.ContainsFunc(p.unexpected(), func(fault string) bool { return strings.Contains(fault, text) })
	})
}

// The tests' method "watch" notices each kind of fault of a page.
func TestTheWatchNoticesWhatIsForbidden(t *testing.T) {
	_, p := open(t, visitor{})
	for _, c := range []struct{ name, script, fault string }{
		{"an event handler", `document.querySelector("#state").innerHTML = "<img src=x onerror=alert(1)>"`, "CSP violation"},
		{"an inline script", `document.head.append(Object.assign(document.createElement("script"), { textContent: "alert(1)" }))`, "CSP violation script-src-elem inline"},
		{"another host's script", `document.head.append(Object.assign(document.createElement("script"), { src: "http://127.0.0.1:1/x.js" }))`, "x.js"},
		{"another host's data", `fetch("http://127.0.0.1:1/").catch(() => {})`, "CSP violation connect-src"},
		{"a style attribute", `document.body.setAttribute("style", "color: red")`, "CSP violation style-src"},
		{"a dialog", `setTimeout(() => alert("hello"))`, "dialog: hello"},
		{"an exception", `setTimeout(() => { throw new Error("oh") })`, "exception: "},
		{"a rejection", `void Promise.reject(new Error("no"))`, "Error: no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			p.eval(c.script)
			p.awaitFault(c.fault)
		})
	}
	p.expect("")
}

func TestNoOtherSiteShowsThePageInAFrame(t *testing.T) {
	b := newBook(t)
	frame := html(http.StatusOK, `<!doctype html><link rel=icon href="data:,"><iframe src="`+b.URL()+`"></iframe>`)
	p := load(t, serve(t, "http", "localhost", frame), visitor{})
	p.awaitFault("frame-ancestors")
	p.expect("")
	doc := must.Read(t, must.Root(t), "docs", "proxies-and-browsers.md")
	if !strings.Contains(doc, "\nNo other site can show the page in a frame") {
		t.Error("docs/proxies-and-browsers.md does not say so")
	}
}
