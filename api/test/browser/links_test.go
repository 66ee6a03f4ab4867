package browser

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

func TestAnEntryHasALink(t *testing.T) {
	texts := numbered("entry", 1700)
	_, p := open(t, visitor{}, texts...)
	led := func(p *page, text string) {
		t.Helper()
		p.await("the link to lead to "+text, `((li) => {
			const { top, bottom } = li.getBoundingClientRect();
			return li.querySelector(".words")?.textContent === `+inJS(text)+` && top >= 0 && bottom <= innerHeight;
		})(document.activeElement)`)
	}
	p.click("#entries > li:nth-child(3) > a")
	led(p, "entry 1697")
	before, _, _ := strings.Cut(get[string](p, "location.href"), "#")
	deep := fmt.Sprint(before, "#e", offset(texts[:5]))
	// The link to an entry works in the open page, in a new page, and after a reload.
	p.eval("location.href = " + inJS(deep))
	led(p, "entry 5")
	fresh := visit(t, deep, visitor{})
	led(fresh, "entry 5")
	fresh.reload()
	led(fresh, "entry 5")
	fresh.awaitContiguous(texts, false)
	fresh.eval("scrollTo(0, 0)")
	fresh.awaitContiguous(texts, true)

	fresh.expect(outage) // for an unknown id, the server returns 400, and the browser logs an error
	for _, gone := range []string{"#e3", "#e99999999"} {
		fresh.eval("location.hash = " + inJS(gone))
		fresh.awaitText("#notice", "The entry that this link leads to is not in the book any more.")
		fresh.await("that to be in sight", `document.querySelector("#notice").getBoundingClientRect().top >= 0`)
	}
	fresh.eval(`location.hash = "#e0"`)
	led(fresh, "entry 0")
	fresh.awaitText("#notice", "")
}

func TestALinkIntoAnOldBookTakesFewRequests(t *testing.T) {
	texts := numbered("entry", 40_000)
	b := newBook(t, texts...)
	p := visit(t, b.URL()+"/#e0", visitor{})
	p.await("the entry", `document.activeElement.id === "e0" && document.querySelector("#notice").textContent === ""`)
	if n := len(p.sent("GET", "/guestbook/entries")); n > 4 {
		t.Errorf("%d requests", n)
	}
	p.awaitContiguous(texts, false)
	// While the list shows old entries, the page only counts new entries.
	b.write("new")
	p.awaitFresh("1 new entry")
	p.awaitContiguous(texts, false)
	// From the linked entry, the visitor can scroll up to newer entries.
	p.await("newer entries", fmt.Sprintf(`new Promise((done) => {
		document.querySelector("#entries > li:nth-child(15)").scrollIntoView({ block: "start" });
		requestAnimationFrame(() => done(Number(document.querySelector("#entries > li").id.slice(1)) > %d));
	})`, offset(texts[:400])))
	p.awaitContiguous(texts, false)
	// The button "1 new entry" leads to the newest entries.
	p.clickOnceThere("#fresh")
	p.awaitContiguous(append(texts, "new"), true)
	p.await("the button to be gone", `document.querySelector("#fresh").hidden`)
}

func TestALinkIsCopied(t *testing.T) {
	b := newBook(t, "first", "second")
	// Chromium has no navigator.clipboard on a page over plain HTTP, unless the host is localhost.
	plain := strings.Replace(b.URL(), "127.0.0.1", "guestbook.example", 1)
	for _, address := range []string{b.URL(), plain} {
		p := visit(t, address, visitor{})
		p.run(browser.GrantPermissions([]browser.PermissionType{"clipboardReadWrite", "clipboardSanitizedWrite"}).WithBrowserContextID(p.tabs))
		p.click("#entries > li:nth-child(2) > a")
		p.await("the page to say so", `document.querySelector(".link[data-said=Copied]") && document.querySelector("#news").textContent.includes("The link is copied.")`)
		// The test pastes into the text field to learn the content of the clipboard.
		p.run(chromedp.Focus("#text", chromedp.ByQuery), input.DispatchKeyEvent(input.KeyRawDown).WithCommands([]string{"Paste"}))
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
	p.await("the line to be in sight", `(() => {
		const text = document.querySelector(".open .words").firstChild, at = text.data.indexOf("line 41"), range = new Range();
		range.setStart(text, at);
		range.setEnd(text, at + 7);
		const { top, bottom } = range.getBoundingClientRect();
		return top >= 0 && bottom <= innerHeight;
	})()`)
}

// The page works below the path /gb/, with the configurations of nginx and of an Ingress in docs/proxies-and-browsers.md.
func TestBelowAPrefix(t *testing.T) {
	b := newBook(t)
	doc := must.Read(t, must.Root(t), "docs", "proxies-and-browsers.md")
	lines := regexp.MustCompile(`(?s)location /gb/ \{.*?\n\}\n`).FindString(doc)
	if !strings.Contains(lines, "http://frontend/;") {
		t.Fatalf("the document has no such lines for nginx: %q", lines)
	}
	// The Ingress controller ingress-nginx turns the Ingress of the document into these nginx locations.
	path := regexp.MustCompile(`path: (/gb/\S+)`).FindStringSubmatch(doc)
	target := regexp.MustCompile(`rewrite-target: (\S+)`).FindStringSubmatch(doc)
	redirect := regexp.MustCompile(`permanent-redirect: (\S+)`).FindStringSubmatch(doc)
	if path == nil || target == nil || redirect == nil {
		t.Fatal("the document has no Ingress")
	}
	ingress := fmt.Sprintf(`location = /gb { return 301 %s; } location ~* "^%s" { rewrite "(?i)%[2]s" %[3]s break; proxy_set_header Host $http_host; proxy_pass http://POD; }`,
		redirect[1], path[1], target[1])
	for name, locations := range map[string]string{"nginx": strings.ReplaceAll(lines, "http://frontend/", "http://POD/"), "an Ingress": ingress} {
		front := nginxInFront(t, b, "absolute_redirect off; "+locations)
		for _, address := range []string{"/gb/", "/gb"} {
			p := visit(t, front+address, visitor{})
			p.sign(name + " at " + address)
			p.awaitNewest(name + " at " + address)
			p.await("the style", `getComputedStyle(document.querySelector(".words")).whiteSpace.startsWith("pre-wrap") || getComputedStyle(document.querySelector(".words")).whiteSpaceCollapse === "preserve"`)
		}
	}
}
