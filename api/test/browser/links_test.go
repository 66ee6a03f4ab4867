package browser

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

func TestAnEntryHasALink(t *testing.T) {
	texts := numbered("entry", 40_000)
	b, p := open(t, visitor{}, texts...)
	led := func(p *page, text string) {
		t.Helper()
		p.await("the link to lead to "+text, `document.activeElement.querySelector(".words")?.textContent === `+inJS(text)+` && isInSight(document.activeElement)`)
	}
	p.click("#entries > li:nth-child(3) > a")
	led(p, "entry 39997")
	before, _, _ := strings.Cut(get[string](p, "location.href"), "#")
	deep := fmt.Sprint(before, "#e", len(","+strings.Join(texts[:5], ",")))
	// The link to an entry works in the open page, in a new page, and after a reload.
	p.eval("location.href = " + inJS(deep))
	led(p, "entry 5")
	fresh := visit(t, deep, visitor{})
	led(fresh, "entry 5")
	if n := len(fresh.sent("GET", "/guestbook/entries")); n > 4 {
		t.Errorf("%d requests", n)
	}
	fresh.reload()
	led(fresh, "entry 5")
	fresh.awaitContiguous(texts, false)
	// While the list shows old entries, a button counts the new entries. From a linked entry, the visitor can scroll up to newer entries.
	b.write("new")
	fresh.awaitFresh("1 new entry")
	must.Hold(t, "newer entries", waitLimit, func() bool {
		fresh.eval(`document.querySelector("#entries > li:nth-child(15)").scrollIntoView({ block: "start" })`)
		return slices.Contains(fresh.texts(), "entry 400")
	})
	fresh.awaitContiguous(texts, false)
	// The button "1 new entry" leads to the newest entries.
	fresh.clickOnceThere("#fresh")
	fresh.awaitContiguous(append(texts, "new"), true)
	fresh.await("the button to be gone", `document.querySelector("#fresh").hidden`)

	fresh.expect(outage) // the server answers an unknown id with 400, which the browser logs as a failure
	for _, gone := range []string{"#e3", "#e99999999"} {
		fresh.eval("location.hash = " + inJS(gone))
		fresh.awaitText("#notice", "The entry that this link leads to is not in the book any more.")
		fresh.await("that to be in sight", `isInSight(document.querySelector("#notice"))`)
	}
	fresh.eval(`location.hash = "#e0"`)
	led(fresh, "entry 0")
	fresh.awaitText("#notice", "")
}

func TestALinkIsCopied(t *testing.T) {
	b := newBook(t, "first", "second")
	// Chromium has no navigator.clipboard on a page over plain HTTP, unless the host is localhost.
	plain := strings.Replace(b.URL(), "127.0.0.1", "guestbook.example", 1)
	for _, address := range []string{b.URL(), plain} {
		p := visit(t, address, visitor{})
		p.click("#entries > li:nth-child(2) > a")
		p.await("the page to say so", `document.querySelector(".link[data-said=Copied]") && document.querySelector("#news").textContent.includes("The link is copied.")`)
		// The test pastes into the text field to learn the content of the clipboard.
		run(p, chromedp.Focus(chromedp.CSS("#text")))
		send(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "rawKeyDown", Commands: []string{"Paste"}})
		p.awaitDraft(address + "/#e0")
	}
}

func TestOnlyTheWordsOfEntriesAreCopied(t *testing.T) {
	_, p := open(t, visitor{}, "first", "second")
	p.sign("mine")
	p.awaitText("#entries > li:first-child .note", "Yours")
	copied := get[string](p, `(getSelection().selectAllChildren(document.querySelector("#entries")), getSelection().toString())`)
	if got := strings.Fields(copied); strings.Join(got, " ") != "mine second first" {
		t.Errorf("%q is copied", copied)
	}
	// In the list, screen readers find only one link: the link that the Tab key reaches.
	p.await("the other links to be silent", `document.querySelectorAll(".link:not([aria-hidden=true])").length === 1`)
}

func TestALinkToSomeWordsOpensAFoldedEntry(t *testing.T) {
	b := newBook(t, strings.Join(numbered("line", 80), " of it\n"), "short")
	p := visit(t, b.URL()+"/#:~:text=line%2041", visitor{})
	p.awaitText("#entries > .open .more", "Show less")
	p.await("the line to be in sight", `((text, at) => isInSight(rangeOf(text, at, at + 7)))(
		document.querySelector(".open .words").firstChild, document.querySelector(".open .words").textContent.indexOf("line 41"))`)
}

// The page works below the path /gb/, with the configurations of nginx and of an Ingress in docs/proxies-and-browsers.md.
func TestBelowAPrefix(t *testing.T) {
	b := newBook(t)
	doc := must.Read(t, must.Root(t), "docs", "proxies-and-browsers.md")
	found := func(pattern string) string {
		t.Helper()
		match := regexp.MustCompile(pattern).FindStringSubmatch(doc)
		if match == nil {
			t.Fatalf("the document does not have %s", pattern)
		}
		return match[1]
	}
	nginx := strings.ReplaceAll(found(`(?s)(location /gb/ \{.*?\n\}\n)`), "http://frontend/", "http://POD/")
	// The variable "ingress" has the nginx locations that ingress-nginx generates from the Ingress in docs/proxies-and-browsers.md.
	ingress := fmt.Sprintf(`location = /gb { return 301 %s; } location ~* "^%s" { rewrite "(?i)%[2]s" %[3]s break; proxy_set_header Host $http_host; proxy_pass http://POD; }`,
		found(`permanent-redirect: (\S+)`), found(`path: (/gb/\S+)`), found(`rewrite-target: (\S+)`))
	for name, locations := range map[string]string{"nginx": nginx, "an Ingress": ingress} {
		front := nginxInFront(t, b, "absolute_redirect off; "+locations)
		for _, address := range []string{"/gb/", "/gb"} {
			p := visit(t, front+address, visitor{})
			p.sign(name + " at " + address)
			p.awaitNewest(name + " at " + address)
			p.await("the style", `/^preserve|^pre-wrap/.test(getComputedStyle(document.querySelector(".words")).whiteSpace)`)
			// nginx does not buffer the event stream, so that the page stays live.
			b.write("from elsewhere")
			p.awaitNewest("from elsewhere")
			p.awaitState("live")
		}
	}
}
