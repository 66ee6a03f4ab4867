package browser

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/must"
)

func TestVisitorsSeeEachOthersEntriesLive(t *testing.T) {
	b, ada := open(t, visitor{})
	bob := visit(t, b.URL(), visitor{})
	ada.sign("Hello from Ada")
	bob.awaitEntries("Hello from Ada")
	bob.sign("Hello, Ada. 100% agreed, Bob")
	texts := []string{"Hello from Ada", "Hello, Ada. 100% agreed, Bob"}
	ada.awaitEntries(texts...)
	bob.awaitEntries(texts...)
	b.check(texts...)
	bob.await("the entry to be announced", `document.querySelector("#news[aria-live]").textContent !== ""`)
}

func TestSigningTwiceInAHurrySignsOnceAndSaysNothing(t *testing.T) {
	b, p := open(t, visitor{})
	complaints := p.changes("#error", "node.textContent")
	p.write("by a double click")
	run(p, chromedp.DoubleClick(chromedp.CSS("#post")))
	p.awaitEntries("by a double click")
	p.write("by keys held down")
	p.controlEnter(false)
	for range 30 {
		p.controlEnter(true)
	}
	p.awaitEntries("by a double click", "by keys held down")
	b.check("by a double click", "by keys held down")
	if said := complaints(); slices.ContainsFunc(said, func(text string) bool { return text != "" }) {
		t.Errorf("the visitor is told %q", said)
	}
}

func TestControlEnterSignsWhatIsBeingComposed(t *testing.T) {
	b, p := open(t, visitor{})
	var signed []string
	for _, again := range []bool{false, true} { // after text composition, some browsers repeat the event of Ctrl+Enter
		signed = append(signed, "안녕")
		run(p, chromedp.Focus(chromedp.CSS("#text")))
		send(p, input.ImeSetComposition, input.ImeSetCompositionParams{Text: "안녕", SelectionStart: 2, SelectionEnd: 2})
		p.eval(`globalThis.composing = null; document.querySelector("#text").addEventListener("keydown", (event) => { composing ??= event.isComposing; })`)
		p.controlEnter(false)
		p.await("the key to be of the composition", "composing")
		send(p, input.InsertText, input.InsertTextParams{Text: "안녕"})
		if again {
			p.controlEnter(false)
		}
		p.awaitEntries(signed...)
		p.awaitDraft("")
		p.await("no complaint", `document.querySelector("#error").hidden`)
		b.check(signed...)
	}
}

func TestTheWordsArePlainAndSaidOnce(t *testing.T) {
	b, p := open(t, visitor{})
	p.awaitText("label", "Leave a few words")
	p.awaitText("#public", "Everybody can read it, and it stays.")
	p.awaitText("#state.empty", "No entries yet. The first page is yours.")
	p.write(strings.Repeat("a", 4000))
	p.awaitText("#count", "Room for about 96 letters")
	p.write(strings.Repeat("b", 200))
	p.awaitText("#count", "About 104 letters too long")
	p.press(kb.Enter, kb.ModifierCtrl)
	p.awaitText("#error", "This is too long for one entry.")
	p.eval(`globalThis.said = document.querySelector("#error").firstChild; document.querySelector("#text").focus()`)
	p.press(kb.Enter, kb.ModifierCtrl)
	p.await("the same to be said again", `document.querySelector("#error").firstChild !== said`)
	p.eval(`document.querySelector("#text").select()`)
	p.write(strings.Repeat("ü", 2000)) // 4,000 bytes, because each ü has two bytes
	p.awaitText("#count", "Room for about 48 letters")
	p.eval(`document.querySelector("#text").select()`)
	p.press(kb.Delete)
	b.write("Grüße")
	p.await("the language to be unknown", `document.querySelector(".words")?.getAttribute("lang") === "" && document.querySelector("#text").getAttribute("lang") === ""`)
}

func TestANameIsRememberedAndStandsBelowTheText(t *testing.T) {
	_, p := open(t, visitor{})
	run(p, chromedp.Focus(chromedp.CSS("#name")))
	send(p, input.InsertText, input.InsertTextParams{Text: "Ada"})
	p.sign("Hello")
	p.awaitEntries("Hello\n— Ada")
	p.reload()
	p.awaitState("live")
	p.await("the name to be there", `document.querySelector("#name").value === "Ada"`)
	p.sign("Again")
	p.awaitEntries("Hello\n— Ada", "Again\n— Ada")
}

// The page and the server agree which characters are invisible. The page uses the browser's Unicode tables, and the server uses Go's.
func TestABlankEntryIsRefused(t *testing.T) {
	_, p := open(t, visitor{})
	p.sign("\u200b\u2060")
	p.awaitText("#error", "Nothing of this can be seen. Write a few words.")
	if n := len(p.posts()); n > 0 {
		t.Errorf("it was sent %d times", n)
	}
	blank := get[[]rune](load(t, modules(t), visitor{}), `import("/text.js").then(({ isBlank }) => Array.from({ length: 0x110000 }, (_, c) => c)
		.filter((c) => (c < 0xd800 || c > 0xdfff) && isBlank(String.fromCodePoint(c))))`)
	var want []rune
	for c := range rune(unicode.MaxRune + 1) {
		if utf8.ValidRune(c) && guestbook.IsBlank(string(c)) {
			want = append(want, c)
		}
	}
	if !slices.Equal(blank, want) || len(want) < 4000 {
		t.Errorf("to the page, these are blank: %U\nto the server: %U", blank, want)
	}
}

func TestEachLineHasItsOwnDirection(t *testing.T) {
	_, p := open(t, visitor{})
	p.write("שלום")
	p.await("what is typed to go from right to left", `((field) => field.matches(":dir(rtl)") && getComputedStyle(field).unicodeBidi === "plaintext")(document.querySelector("#text"))`)
	p.eval(`document.querySelector("#text").value = ""`)
	p.sign("Hello, all\nשלום לכולם\n123, then\nمرحبا")
	p.await("the entry", `document.querySelector("#entries > li[id] .words")`)
	sides := get[[]string](p, "sidesOfLines()")
	if want := []string{"left", "right", "left", "right"}; !slices.Equal(sides, want) {
		t.Errorf("the lines begin at %q, want %q", sides, want)
	}
}

func TestALongEntryIsFolded(t *testing.T) {
	_, p := open(t, visitor{width: 360, height: 640, phone: true},
		"before", "top"+strings.Repeat("\n", 2000)+"bottom", strings.Repeat("words without a line break ", 150), "short\nand sweet")
	p.await("the long ones to say so", `all("#entries > li").map((li) => li.querySelector(".more")?.textContent ?? "").join() === ",Show all,Show all,"`)
	p.await("them to be short", `all("#entries > li").slice(1, 3).every(({ offsetHeight }) => offsetHeight > 100 && offsetHeight < 500)`)
	const more = "#entries > li:nth-child(3) .more"
	p.clickOnceThere(more)
	p.awaitText(more, "Show less")
	p.await("the entry to be whole", `all("#entries > li")[2].offsetHeight > 50_000`)
	p.clickOnceThere(more)
	p.await("the entry to be short again", `all("#entries > li")[2].offsetHeight < 500`)
	p.await("the entry to be in sight", `document.querySelector("#entries > li:nth-child(3)").getBoundingClientRect().top < innerHeight`)
}

func TestABookThatIsWrittenAnewIsShownAnew(t *testing.T) {
	b, p := open(t, visitor{}, "one", "two", "three")
	p.expect(outage)
	p.awaitEntries("one", "two", "three")
	for _, step := range []struct {
		name    string
		do      func()
		entries []string
		appends bool
	}{
		{"an old page adds its entry", func() { b.do("SET", key, ",one,two,three,four") }, []string{"one", "two", "three", "four"}, true},
		{"an old page drops an entry", func() { b.do("SET", key, ",one,three,four,five") }, []string{"one", "three", "four", "five"}, false},
		{"an old page shortens the book", func() { b.do("SET", key, ",one") }, []string{"one"}, false},
		{"another text of the same length", func() { b.do("SET", key, ",two") }, []string{"two"}, false},
		{"the key is deleted", func() { b.do("DEL", key) }, nil, false},
		{"signed after that", func() { p.sign("new book") }, []string{"new book"}, true},
		{"an entry comes while the API drains", func() {
			must.OK(t, b.API.Stop())
			p.await("the page to notice", `document.querySelector("#connection").dataset.state !== "live"`)
			b.write("meanwhile")
			b.restart()
		}, []string{"new book", "meanwhile"}, false},
		{"written anew, and shorter, while the API was away", func() {
			b.kill()
			b.do("SET", key, ",a,b")
			b.restart()
		}, []string{"a", "b"}, false},
		{"everything is deleted", func() { b.do("FLUSHALL") }, nil, false},
	} {
		streams := len(p.streams())
		step.do()
		p.awaitEntries(step.entries...)
		if !step.appends {
			must.Hold(t, "the page to follow the book again after "+step.name, waitLimit, func() bool {
				all := p.streams()
				return len(all) > streams && all[len(all)-1].status == http.StatusOK
			})
		}
		p.awaitState("live")
	}
	p.await("the empty book to say so", `document.querySelector("#state").textContent.startsWith("No entries yet")`)
}
