package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// loginPage is what a proxy in front shows to whoever is not signed in.
func loginPage(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<!doctype html><title>Sign in</title>"))
	})
}

func TestWhoIsNotSignedInAnyMoreIsToldSo(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	for name, login := range map[string]http.Handler{
		"a page":                     loginPage(http.StatusOK),
		"a page that says 403":       loginPage(http.StatusForbidden),
		"a page that says 401":       loginPage(http.StatusUnauthorized),
		"a redirect to another host": http.RedirectHandler("http://login.example/?from=guestbook", http.StatusFound),
		"a redirect to another path": http.RedirectHandler("/login", http.StatusSeeOther),
		"a status alone":             http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }),
	} {
		t.Run(name, func(t *testing.T) {
			podtest.Do(t, master, "DEL", key)
			front := newFront(t, pod)
			p := visit(t, front.URL+"/?a=b#e0", visitor{})
			p.expect(outage)
			p.expect("MIME type") // of the stream
			p.awaitState("live")
			front.serveOld(login)
			p.sign("kept")
			p.await("the visitor to be told", `/not signed in/.test(document.querySelector("#notice").textContent) && document.querySelector(".pending .note")?.textContent.startsWith("You are not signed in any more.")`)
			p.write("a draft")
			var link string
			p.eval(`document.querySelector("#notice a").href`, &link)
			if link != front.URL+"/?a=b" {
				t.Errorf("the link leads to %s", link)
			}
			pod.API.Stop() // ends the stream: the page asks for the book
			p.awaitState("offline")
			podtest.Start(t, pod.API)
			p.await("it to be told still", `document.querySelector("#notice a")`)

			front.serveOld(nil) // signed in again
			p.navigate(link)    // not by a click: the page notices it, too, and takes the link away
			p.awaitEntries("kept")
			p.await("the draft to be kept", `document.querySelector("#text").value === "a draft"`)
			p.await("nothing to be told any more", `document.querySelector("#notice").textContent === ""`)
			if got := book(t, master); !slices.Equal(got, []string{"kept"}) {
				t.Errorf("Redis holds %q", got)
			}
		})
	}
}

// Whoever signs in again in another tab need not load this one again.
func TestSigningInAgainElsewhereIsNoticed(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	front.serveOld(loginPage(http.StatusOK))
	p := visit(t, front.URL, visitor{hurried: true})
	p.expect("MIME type")
	p.await("the visitor to be told", `document.querySelector("#notice a") && document.querySelector("#state").textContent.startsWith("You are not signed in any more.")`)
	p.sign("waits")
	p.await("it to wait", `document.querySelector(".pending .note")?.textContent.startsWith("You are not signed in any more.")`)
	front.serveOld(nil)
	p.awaitEntries("waits")
	p.awaitState("live")
	p.await("nothing to be told any more", `document.querySelector("#notice").textContent === ""`)
}

// What cannot be seen is not for a book. Which characters that are, the page and the server know from the same list.
func TestABlankEntryIsRefusedByPageAndServer(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	var blank []rune
	visit(t, modules(t), visitor{}).eval(`(async () => {
		const { isBlank } = await import("/text.js");
		const blank = [];
		for (let c = 0; c < 0x110000; c++) if ((c < 0xd800 || c > 0xdfff) && isBlank(String.fromCodePoint(c))) blank.push(c);
		return blank;
	})()`, &blank)
	for c := range rune(unicode.MaxRune + 1) {
		// The page names them in order.
		if _, found := slices.BinarySearch(blank, c); (c < 0xd800 || c > 0xdfff) && found != isBlank(c) {
			t.Errorf("U+%04X is blank to the page: %v", c, found)
		}
	}
	for first := 0; first < len(blank); first += 1000 {
		text := string(blank[first:min(first+1000, len(blank))])
		if status := statusOfPost(t, pod, text); status != http.StatusBadRequest {
			t.Errorf("the server answers %d to a text of %q…", status, blank[first])
		}
		if status := statusOfPost(t, pod, text+"x"); status != http.StatusCreated {
			t.Errorf("with a letter more it answers %d", status)
		}
	}
	// What is next to them is not blank to the server either.
	for _, c := range blank {
		for _, next := range []rune{c - 1, c + 1} {
			if next > 0 && !isBlank(next) && statusOfPost(t, pod, string(next)) != http.StatusCreated {
				t.Errorf("the server refuses U+%04X", next)
			}
		}
	}

	posts := len(p.sent("POST", ""))
	podtest.Do(t, master, "DEL", key)
	p.awaitEntries()
	p.sign("\u200b\u2060")
	p.await("the visitor to be told", `document.querySelector("#error").textContent === "Nothing of this can be seen. Write a few words."`)
	if n := len(p.sent("POST", "")); n != posts {
		t.Error("it was sent")
	}
}

// isBlank says the same by Go's tables, after the derivation of Default_Ignorable_Code_Point in Unicode's
// DerivedCoreProperties.txt.
func isBlank(c rune) bool {
	ignorable := unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector) &&
		!unicode.In(c, unicode.Prepended_Concatenation_Mark) && (c < 0x13430 || c > 0x1343f)
	return ignorable || unicode.In(c, unicode.White_Space, unicode.Cc) || c == 0x2800 || c >= 0xfff9 && c <= 0xfffc
}

func statusOfPost(t *testing.T, pod *localpod.Pod, text string) int {
	t.Helper()
	response, err := http.PostForm(pod.APIURL()+"/guestbook/entries", map[string][]string{"text": {text}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestEachLineHasItsOwnDirection(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.awaitState("live")
	p.write("שלום")
	p.await("what is typed to go from right to left", `((field) => field.matches(":dir(rtl)") && getComputedStyle(field).unicodeBidi === "plaintext")(document.querySelector("#text"))`)
	p.eval(`document.querySelector("#text").value = ""`, nil)
	p.sign("Hello, all\nשלום לכולם\n123, then\nمرحبا")
	p.await("the entry", `document.querySelector("#entries > li[id] .words")`)
	var sides []string
	p.eval(`(() => {
		const words = document.querySelector(".words"), { left, right } = words.getBoundingClientRect();
		const text = words.firstChild, sides = [];
		let start = 0;
		for (const line of text.data.split("\n")) {
			const range = new Range();
			range.setStart(text, start);
			range.setEnd(text, start += line.length);
			start++;
			const box = range.getBoundingClientRect();
			sides.push(Math.abs(box.left - left) < 2 ? "left" : Math.abs(box.right - right) < 2 ? "right" : "between");
		}
		return sides;
	})()`, &sides)
	if want := []string{"left", "right", "left", "right"}; !slices.Equal(sides, want) {
		t.Errorf("the lines begin at %q, want %q", sides, want)
	}
}

// docs/proxies-and-browsers.md says how a guestbook is put below a prefix. What it says is tried here.
func TestBelowAPrefix(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "proxies-and-browsers.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	lines := regexp.MustCompile(`(?s)location /gb/ \{.*?\n\}\n`).FindString(doc)
	if !strings.Contains(lines, "http://frontend/;") {
		t.Fatalf("the document has no such lines for nginx: %q", lines)
	}
	// What ingress-nginx makes of an Ingress's path, its rewrite-target, and its permanent-redirect.
	path := regexp.MustCompile(`path: (/gb/\S+)`).FindStringSubmatch(doc)
	target := regexp.MustCompile(`rewrite-target: (\S+)`).FindStringSubmatch(doc)
	redirect := regexp.MustCompile(`permanent-redirect: (\S+)`).FindStringSubmatch(doc)
	if path == nil || target == nil || redirect == nil {
		t.Fatal("the document has no Ingress")
	}
	ingress := fmt.Sprintf(`location = /gb { return 301 %s; } location ~* "^%s" { rewrite "(?i)%[2]s" %[3]s break; proxy_set_header Host $http_host; proxy_pass http://POD; }`,
		redirect[1], path[1], target[1])
	for name, locations := range map[string]string{"nginx": strings.ReplaceAll(lines, "http://frontend/", "http://POD/"), "an Ingress": ingress} {
		t.Run(name, func(t *testing.T) {
			podtest.Do(t, master, "DEL", key)
			front := nginxInFront(t, pod, "absolute_redirect off; "+locations)
			for _, address := range []string{"/gb/", "/gb"} {
				p := visit(t, front+address, visitor{})
				p.awaitState("live")
				p.sign("signed at " + address)
				p.await("the entry", fmt.Sprintf(`document.querySelector("#entries > li[id] .words")?.textContent === "signed at %s"`, address))
				p.await("the style", `getComputedStyle(document.querySelector(".words")).whiteSpace.startsWith("pre-wrap") || getComputedStyle(document.querySelector(".words")).whiteSpaceCollapse === "preserve"`)
			}
		})
	}
}
