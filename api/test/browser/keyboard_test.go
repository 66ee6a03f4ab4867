package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestTheKeyboardIsEnough(t *testing.T) {
	b, p := open(t, visitor{hurried: true}, numbered("entry", 160)...)
	visible := func(selector string) {
		t.Helper()
		p.focused(selector)
		p.await("the focus to be visible", `getComputedStyle(document.activeElement).outlineStyle !== "none" && isInSight(document.activeElement)`)
	}
	p.press(kb.Tab)
	p.focused("#text")
	p.press(kb.Enter, kb.ModifierCtrl)
	p.awaitText("#error[role=alert]:not([hidden])", "Write a few words first.")
	p.press("One line")
	p.press(kb.Enter)
	p.press("and another")
	p.press(kb.Enter, kb.ModifierCtrl)
	p.awaitNewest("One line\nand another")
	p.focused("#text")
	p.press("By the button")
	p.press(kb.Tab)
	p.focused("#name")
	p.press(kb.Tab)
	visible("#post")
	p.press(kb.Enter)
	p.awaitNewest("By the button")

	// The Tab key stops only once in the whole list, and the arrow keys move the focus between entries.
	p.press(kb.Tab)
	visible("#entries > li:first-child > a")
	p.press(kb.ArrowDown)
	visible("#entries > li:nth-child(2)")
	p.press(kb.Tab)
	p.focused("#entries > li:nth-child(2) > a")

	// While the button "Older entries" has the focus, older entries load only when the visitor presses Enter. A press of Enter on the
	// button "Older entries" moves the focus to the first of the loaded entries.
	for range 2 {
		loaded := get[int](p, `document.querySelectorAll("#entries > li").length`)
		p.press(kb.Tab)
		visible("#older")
		p.press(kb.Enter)
		visible(fmt.Sprintf("#entries > li:nth-child(%d)", loaded+1))
		p.press(kb.Tab) // moves the focus to the entry's link
	}

	b.kill()
	p.eval(`document.querySelector("#text").focus()`)
	p.press("Lost")
	p.press(kb.Enter, kb.ModifierCtrl)
	p.awaitNewest("Lost failed")
	p.press(kb.Tab)
	p.press(kb.Tab)
	p.focused("#post")
	for _, button := range []string{".retry", ".edit", ".discard"} {
		p.press(kb.Tab)
		visible(button)
	}
	p.press(kb.Enter)
	p.focused("#text")
	p.awaitSettled()
}

func TestTheFocusIsNeverLost(t *testing.T) {
	b, front, one := openBehindProxy(t, visitor{hurried: true}, numbered("entry", 80)...)
	// A press of Enter on the button "1 new entry" moves the focus to the newest entry.
	one.scrollInto(30)
	b.write("newest")
	one.awaitFresh("1 new entry")
	one.eval(`document.querySelector("#fresh").focus()`)
	one.press(kb.Enter)
	one.focused("#entries > li:first-child")
	one.awaitNewest("newest")
	one.await("it to be in sight", `document.activeElement.getBoundingClientRect().top > 0`)

	// If a second tab removes the first tab's focused entry, the first tab focuses the next entry.
	front.refuse(http.StatusForbidden)
	one.sign("unwanted")
	one.awaitNewest("unwanted failed")
	two := one.tab()
	two.awaitNewest("unwanted failed")
	one.eval(`document.querySelector(".failed .retry").focus()`)
	two.click(".failed .discard")
	one.awaitSettled()
	one.focused("#entries > li:first-child")
}

func TestArrowsLeadOnFromTheEndOfAnEntry(t *testing.T) {
	_, p := open(t, visitor{}, "last", strings.Repeat("a line\n", 100)+"end", "first")
	p.eval(`document.querySelector(".more").click(); document.querySelector("#entries > li:nth-child(2)").tabIndex = -1; document.querySelector("#entries > li:nth-child(2)").focus()`)
	at := func() int {
		t.Helper()
		return get[int](p, `all("#entries > li").indexOf(document.activeElement.closest("li"))`)
	}
	presses := 0
	for ; at() == 1 && presses < 200; presses++ {
		p.press(kb.ArrowDown)
	}
	if presses < 10 || presses == 200 {
		t.Errorf("the next entry was reached after %d presses", presses)
	}
	for _, modifier := range []kb.Modifier{kb.ModifierShift, kb.ModifierAlt, kb.ModifierCtrl, kb.ModifierMeta} {
		p.press(kb.ArrowUp, modifier)
		if at() != 2 {
			t.Fatalf("the focus is on entry %d", at())
		}
	}
}

func TestThePageWorksOnASmallPhone(t *testing.T) {
	b, p := open(t, visitor{width: 360, height: 640, phone: true, hurried: true}, append(hostile, guests...)...)
	check := func(state string) {
		t.Helper()
		wide, width := get[[]string](p, "tooWide()"), get[int](p, "Math.max(document.documentElement.scrollWidth, innerWidth)")
		if width != 360 || len(wide) > 0 {
			t.Errorf("%s: the page has a width of %d: %q", state, width, wide)
		}
	}
	tap := func(selector string) {
		t.Helper()
		at := get[struct{ X, Y float64 }](p, fmt.Sprintf("centreOf(%q)", selector))
		run(p, chromedp.TapXY(at.X, at.Y))
	}
	write := func(text string) {
		t.Helper()
		tap("#text")
		p.focused("#text")
		send(p, input.InsertText, input.InsertTextParams{Text: text})
	}
	check("reading")
	train := "From the train. " + strings.Repeat("Wheee", 40)
	write(train)
	check("writing")
	tap("#post")
	p.awaitNewest(train)
	b.kill()
	write("From the tunnel")
	tap("#post")
	p.awaitNewest("From the tunnel failed")
	check("failing")
	b.restart()
	tap(".retry")
	p.awaitSettled()
}
