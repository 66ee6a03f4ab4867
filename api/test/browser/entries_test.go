package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestVisitorsSeeEachOthersEntriesLive(t *testing.T) {
	b, ada := open(t)
	bob := b.visit(visitor{})
	ada.awaitEntries()
	ada.sign("Hello from Ada")
	bob.awaitEntries("Hello from Ada")
	bob.sign("Hello, Ada. 100% agreed, Bob")
	texts := []string{"Hello from Ada", "Hello, Ada. 100% agreed, Bob"}
	ada.awaitEntries(texts...)
	bob.awaitEntries(texts...)
	b.check(texts...)
	bob.await("the entry to be announced", `document.querySelector("#news[aria-live]").textContent !== ""`)
}

func TestOnesOwnEntryIsAnnouncedHoweverManyOthersCome(t *testing.T) {
	b, p := open(t)
	p.eval(`globalThis.announced = [];
		new MutationObserver(() => announced.push({ Text: document.querySelector("#news").textContent, At: performance.now() }))
			.observe(document.querySelector("#news"), { childList: true })`)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 30 {
		<-tick.C
		b.write(fmt.Sprintf("entry %d", i))
		if i == 10 {
			p.sign("mine")
		}
	}
	p.await("one's own to be announced", `announced.some(({ Text }) => Text.includes("Your entry is in the book."))`)
	p.await("the others to be announced", `/\d+ new entries/.test(announced.map(({ Text }) => Text).join())`)
	said := get[[]struct {
		Text string
		At   float64
	}](p, `announced.filter(({ Text }) => Text !== "")`)
	for i := range said[1:] {
		if gap := said[i+1].At - said[i].At; gap < 4900 {
			t.Errorf("%q comes %.0f ms after %q", said[i+1].Text, gap, said[i].Text)
		}
	}
}

func TestSigningTwiceInAHurrySignsOnceAndSaysNothing(t *testing.T) {
	b, p := open(t)
	p.eval(`globalThis.complaints = [];
		new MutationObserver(() => complaints.push(document.querySelector("#error").textContent)).observe(document.querySelector("#error"), { childList: true, subtree: true })`)
	p.write("by a double click")
	p.run(chromedp.DoubleClick("#post", chromedp.ByQuery))
	p.awaitEntries("by a double click")
	p.write("by keys held down")
	p.run(controlEnter())
	for range 30 {
		p.run(controlEnter().WithAutoRepeat(true))
	}
	p.awaitEntries("by a double click", "by keys held down")
	b.check("by a double click", "by keys held down")
	if complaints := get[[]string](p, `complaints.filter(Boolean)`); len(complaints) > 0 {
		t.Errorf("the visitor is told %q", complaints)
	}
}

func TestControlEnterSignsWhatIsBeingComposed(t *testing.T) {
	b, p := open(t)
	var signed []string
	for _, again := range []bool{false, true} { // some browsers send the key event again after the composition
		signed = append(signed, "안녕")
		p.run(chromedp.Focus("#text", chromedp.ByQuery), input.ImeSetComposition("안녕", 2, 2))
		p.eval(`globalThis.composing = null; document.querySelector("#text").addEventListener("keydown", (event) => { composing ??= event.isComposing; })`)
		p.run(controlEnter())
		p.await("the key to be of the composition", "composing")
		p.run(input.InsertText("안녕"))
		if again {
			p.run(controlEnter())
		}
		p.awaitEntries(signed...)
		p.awaitSettled()
		p.awaitDraft("")
		p.await("no complaint", `document.querySelector("#error").hidden`)
		b.check(signed...)
	}
}

func TestTheWordsArePlainAndSaidOnce(t *testing.T) {
	b, p := open(t)
	p.awaitText("label", "Leave a few words")
	p.awaitText("#public", "Everybody can read it, and it stays.")
	p.awaitText("#state.empty", "No entries yet. The first page is yours.")
	p.write(strings.Repeat("a", 4000))
	p.awaitText("#count", "Room for about 96 letters")
	p.write(strings.Repeat("b", 200))
	p.awaitText("#count", "About 104 letters too long")
	p.press(kb.Enter, input.ModifierCtrl)
	p.awaitText("#error", "This is too long for one entry.")
	p.eval(`globalThis.said = document.querySelector("#error").firstChild; document.querySelector("#text").focus()`)
	p.press(kb.Enter, input.ModifierCtrl)
	p.await("the same to be said again", `document.querySelector("#error").firstChild !== said`)
	p.eval(`document.querySelector("#text").select()`)
	p.write(strings.Repeat("ü", 2000)) // each ü has two bytes
	p.awaitText("#count", "Room for about 48 letters")
	p.eval(`document.querySelector("#text").select()`)
	p.press(kb.Delete)
	b.write("Grüße")
	p.await("the language to be unknown", `document.querySelector(".words")?.getAttribute("lang") === "" && document.querySelector("#text").getAttribute("lang") === ""`)
	b.API.Stop()
	p.expect(outage)
	broken := newPage(t, visitor{})
	broken.expect(outage)
	broken.navigate(b.URL())
	broken.awaitText("#state.broken", "The guestbook is not available just now. Trying again.")
}

func TestANameIsRememberedAndStandsBelowTheText(t *testing.T) {
	_, p := open(t)
	p.run(chromedp.Focus("#name", chromedp.ByQuery), input.InsertText("Ada"))
	p.sign("Hello")
	p.awaitEntries("Hello\n— Ada")
	p.reload()
	p.awaitState("live")
	p.await("the name to be there", `document.querySelector("#name").value === "Ada"`)
	p.sign("Again")
	p.awaitEntries("Hello\n— Ada", "Again\n— Ada")
}

// The page and the server treat the same characters as invisible.
func TestABlankEntryIsRefusedByPageAndServer(t *testing.T) {
	b, p := open(t)
	blank := get[[]rune](visit(t, modules(t), visitor{}), `(async () => {
		const { isBlank } = await import("/text.js");
		const blank = [];
		for (let c = 0; c < 0x110000; c++) if ((c < 0xd800 || c > 0xdfff) && isBlank(String.fromCodePoint(c))) blank.push(c);
		return blank;
	})()`)
	for c := range rune(unicode.MaxRune + 1) {
		// The slice blank has its characters in ascending order.
		if _, found := slices.BinarySearch(blank, c); (c < 0xd800 || c > 0xdfff) && found != isBlank(c) {
			t.Errorf("U+%04X is blank to the page: %v", c, found)
		}
	}
	send := func(text string) int {
		t.Helper()
		return post(t, b.APIURL()+"/guestbook/entries", "application/x-www-form-urlencoded", url.Values{"text": {text}}.Encode())
	}
	for first := 0; first < len(blank); first += 1000 {
		text := string(blank[first:min(first+1000, len(blank))])
		if status := send(text); status != http.StatusBadRequest {
			t.Errorf("the server answers %d to a text of %q…", status, blank[first])
		}
		if status := send(text + "x"); status != http.StatusCreated {
			t.Errorf("with a letter more it answers %d", status)
		}
	}
	// The server accepts a visible character whose code point is next to that of an invisible character.
	for _, c := range blank {
		for _, next := range []rune{c - 1, c + 1} {
			if next > 0 && !isBlank(next) && send(string(next)) != http.StatusCreated {
				t.Errorf("the server refuses U+%04X", next)
			}
		}
	}

	sent := len(p.posts())
	b.do("DEL", key)
	p.awaitEntries()
	p.sign("\u200b\u2060")
	p.awaitText("#error", "Nothing of this can be seen. Write a few words.")
	if len(p.posts()) != sent {
		t.Error("it was sent")
	}
}

// isBlank reports whether a character is invisible by Go's Unicode tables. Default_Ignorable_Code_Point is derived as in Unicode's
// DerivedCoreProperties.txt.
func isBlank(c rune) bool {
	ignorable := unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector) &&
		!unicode.In(c, unicode.Prepended_Concatenation_Mark) && (c < 0x13430 || c > 0x1343f)
	return ignorable || unicode.In(c, unicode.White_Space, unicode.Cc) || c == 0x2800 || c >= 0xfff9 && c <= 0xfffc
}

func TestEachLineHasItsOwnDirection(t *testing.T) {
	_, p := open(t)
	p.write("שלום")
	p.await("what is typed to go from right to left", `((field) => field.matches(":dir(rtl)") && getComputedStyle(field).unicodeBidi === "plaintext")(document.querySelector("#text"))`)
	p.eval(`document.querySelector("#text").value = ""`)
	p.sign("Hello, all\nשלום לכולם\n123, then\nمرحبا")
	p.await("the entry", `document.querySelector("#entries > li[id] .words")`)
	sides := get[[]string](p, `(() => {
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
	})()`)
	if want := []string{"left", "right", "left", "right"}; !slices.Equal(sides, want) {
		t.Errorf("the lines begin at %q, want %q", sides, want)
	}
}

func TestALongEntryIsFolded(t *testing.T) {
	t.Parallel()
	b := newBook(t, "before", "top"+strings.Repeat("\n", 2000)+"bottom", strings.Repeat("words without a line break ", 150), "short\nand sweet")
	p := b.visit(visitor{width: 360, height: 640, phone: true})
	height := func(n int) float64 {
		t.Helper()
		return get[float64](p, fmt.Sprintf(`document.querySelector("#entries > li:nth-child(%d)").getBoundingClientRect().height`, n))
	}
	if h2, h3 := height(2), height(3); h2 > 500 || h3 > 500 {
		t.Errorf("the long entries are %.0f and %.0f pixels tall", h2, h3)
	}
	p.await("the long ones to say so", `[...document.querySelectorAll("#entries > li")].map((li) => li.querySelector(".more")?.textContent ?? "").join() === ",Show all,Show all,"`)
	const more = "#entries > li:nth-child(3) .more"
	p.clickOnceThere(more)
	if h := height(3); h < 50_000 {
		t.Errorf("opened, it is %.0f pixels tall", h)
	}
	p.awaitText(more, "Show less")
	p.clickOnceThere(more)
	if h := height(3); h > 500 {
		t.Errorf("folded again, it is %.0f pixels tall", h)
	}
	p.await("the entry to be in sight", `document.querySelector("#entries > li:nth-child(3)").getBoundingClientRect().top < innerHeight`)
}

func TestABookThatIsWrittenAnewIsShownAnew(t *testing.T) {
	b, p := open(t, "one", "two", "three")
	p.expect(outage)
	p.awaitEntries("one", "two", "three")
	oldSet := func(value string) func() {
		return func() {
			if status := post(t, b.URL()+"/guestbook.php", "application/x-www-form-urlencoded", "cmd=set&key="+key+"&value="+value); status != http.StatusOK {
				t.Errorf("set is answered %d", status)
			}
		}
	}
	for _, step := range []struct {
		name    string
		do      func()
		entries []string
		appends bool
	}{
		{"an old page adds its entry", oldSet(",one,two,three,four"), []string{"one", "two", "three", "four"}, true},
		{"an old page drops an entry", oldSet(",one,three,four,five"), []string{"one", "three", "four", "five"}, false},
		{"an old page shortens the book", oldSet(",one"), []string{"one"}, false},
		{"another text of the same length", oldSet(",two"), []string{"two"}, false},
		{"the key is deleted", func() { b.do("DEL", key) }, nil, false},
		{"signed after that", func() { p.sign("new book") }, []string{"new book"}, true},
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
		if step.appends {
			continue
		}
		p.awaitNil("the page to follow the book again", func() error {
			if all := p.streams(); len(all) == streams || all[len(all)-1].status != http.StatusOK {
				return fmt.Errorf("after %s: %d streams, before %d", step.name, len(all), streams)
			}
			return nil
		})
	}
	p.await("the empty book to say so", `document.querySelector("#state").textContent.startsWith("No entries yet")`)
}
