package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"guestbook/api/internal/guestbook"
)

// hostile are texts that a faulty page would take for HTML, a script or a command instead of text.
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

func TestAnyTextIsShownAsText(t *testing.T) {
	b, p := open(t)
	entries := b.URL() + "/guestbook/entries"
	send := func(address, contentType, body string) {
		if status := post(t, address, contentType, body); status >= 300 {
			t.Errorf("posting %.100q: %d", body, status)
		}
	}
	const form = "application/x-www-form-urlencoded"
	for _, way := range []struct {
		name string
		send func()
	}{
		{"the page", func() { p.eval(signAll(hostile)) }},
		{"a form", func() {
			for _, text := range hostile {
				send(entries, form, url.Values{"text": {text}}.Encode())
			}
		}},
		{"JSON", func() {
			for _, text := range hostile {
				send(entries, "application/json", `{"text": `+inJS(text)+`}`)
			}
		}},
		{"an old page's set", func() {
			var value string
			for _, text := range hostile {
				value += guestbook.Encode(text)
			}
			response, err := http.Get(b.URL() + "/guestbook.php?" + url.Values{"cmd": {"set"}, "key": {key}, "value": {value}}.Encode())
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("set: %s", response.Status)
			}
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			p := p.in(t)
			b.do("DEL", key)
			p.awaitEntries()
			p.awaitState("live")
			way.send()
			p.awaitNil("all entries", func() error { return areAllText(p) })
			p.reload()
			p.awaitNil("all entries after a reload", func() error { return areAllText(p) })
			p.await("the page to be where it was", "location.href === "+inJS(b.URL()+"/"))
			elements := get[[]string](p, `[...new Set([...document.querySelectorAll("body *")].map((e) => e.localName))].sort()`)
			if own := strings.Fields("a b button details div footer form h1 h2 header input kbd label li main p script section span summary textarea ul"); !slices.Equal(elements, own) {
				t.Errorf("the page has these elements: %q", elements)
			}
		})
	}
}

// areAllText returns an error unless the page shows each of the hostile texts once, in any order.
func areAllText(p *page) error {
	got, want := slices.Sorted(slices.Values(p.texts())), slices.Sorted(slices.Values(hostile))
	if len(got) != len(want) {
		return fmt.Errorf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("%.100q is shown as %.100q", want[i], got[i])
		}
	}
	return nil
}

// The method watch must record each kind of fault, because all other tests find faults by this method.
func TestTheWatchNoticesWhatIsForbidden(t *testing.T) {
	t.Parallel()
	p := visit(t, newBook(t).URL(), visitor{})
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
			p.eval(c.script)
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
