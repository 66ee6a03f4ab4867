package browser

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// hostile lists texts that a faulty page would treat as HTML, a script or a command.
var hostile = []string{
	`<script>alert(1)</script>`,
	`<img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)' x='`,
	`<svg onload=alert(1)>`,
	`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<a href="javascript:alert(1)">click</a>`,
	`<meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">`,
	`<style>*{display:none}</style>`,
	`{{constructor.constructor('alert(1)')()}}`,
	`${alert(1)} #{alert(1)} <%= alert(1) %> [[alert(1)]]`,
	`&lt;b&gt;bold&lt;/b&gt; &amp;amp; &#60;script&#62; &nbsp;`,
	"event: reset\ndata: {}\n\nid: 0",
	"first line\n\n  third line, indented\tand a tab",
	"one\u2028two\u2029three",
	"left \u202etfel ot thgir\u202c left \u2066isolated\u2069",
	"Z\u0351\u036b\u0343a\u0334\u0308l\u0334\u030dg\u0321\u034fo\u0489",
	"\u0645\u0631\u062d\u0628\u0627, guestbook, \u05e9\u05dc\u05d5\u05dd",
	"👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
	strings.Repeat("W", 1500),
}

func TestAnyTextIsShownAsText(t *testing.T) {
	b, p := open(t, visitor{})
	for _, send := range []func(...string){p.signAtOnce, b.write} {
		b.do("DEL", key)
		p.awaitEntries()
		p.awaitState("live")
		send(hostile...)
		for range 2 {
			must.Hold(t, "the page shows all texts", waitLimit, func() bool {
				return slices.Equal(slices.Sorted(slices.Values(p.texts())), slices.Sorted(slices.Values(hostile)))
			})
			p.reload()
		}
		p.await("the page to be where it was", "location.href === "+inJS(b.URL()+"/"))
		p.awaitState("live")
		elements := get[[]string](p, `[...new Set(all("body *").map((e) => e.localName))].sort()`)
		if own := strings.Fields("a b button details div footer form h1 h2 header input kbd label li main p script section span summary textarea ul"); !slices.Equal(elements, own) {
			t.Errorf("the page has these elements: %q", elements)
		}
	}
}

func (p *page) awaitFault(text string) {
	p.t.Helper()
	must.Hold(p.t, "the fault "+text, waitLimit, func() bool {
		return slices.ContainsFunc(p.unexpected(), func(fault string) bool { return strings.Contains(fault, text) })
	})
}

// The tests' method "watch" notices each kind of fault of a page.
func TestTheWatchNoticesWhatIsForbidden(t *testing.T) {
	_, p := open(t, visitor{})
	for script, fault := range map[string]string{
		`document.querySelector("#state").innerHTML = "<img src=x onerror=alert(1)>"`:                        "CSP violation script-src-attr",
		`document.head.append(Object.assign(document.createElement("script"), { textContent: "alert(1)" }))`: "CSP violation script-src-elem inline",
		`fetch("http://127.0.0.1:1/").catch(() => {})`:                                                       "CSP violation connect-src",
		`document.body.setAttribute("style", "color: red")`:                                                  "CSP violation style-src",
		`setTimeout(() => alert("hello"))`:                                                                   "dialog: hello",
		`setTimeout(() => { throw new Error("oh") })`:                                                        "exception: ",
	} {
		p.eval(script)
		p.awaitFault(fault)
	}
	p.expect("")
}

func TestNoOtherSiteShowsThePageInAFrame(t *testing.T) {
	b := newBook(t)
	frame := html(http.StatusOK, `<!doctype html><link rel=icon href="data:,"><iframe src="`+b.URL()+`"></iframe>`)
	p := load(t, serve(t, "http", "localhost", frame), visitor{})
	p.awaitFault("frame-ancestors")
	p.expect("")
}
