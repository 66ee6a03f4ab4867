package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

func (p *page) navigate(url string) { p.load(chromedp.Navigate(url)) }

func (p *page) reload() { p.load(chromedp.Reload()) }

// load runs an action that loads a page, and repeats it if the machine meanwhile got or lost a network interface.
func (p *page) load(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	must.Await(p.t, "the page to load", waitLimit, func() error {
		ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
		defer cancel()
		_, err := chromedp.Run(ctx, action)
		p.mu.Lock()
		defer p.mu.Unlock()
		all := len(p.faults)
		p.faults = slices.DeleteFunc(p.faults, func(fault string) bool { return strings.Contains(fault, networkChanged) })
		if len(p.faults) < all {
			p.requests = nil
			return errors.New("the network changed")
		}
		return err
	})
}

// await waits until a JavaScript expression is true, and fails the test if this takes longer than the limit (by default waitLimit).
func (p *page) await(what, expression string, limit ...time.Duration) {
	p.t.Helper()
	must.Hold(p.t, what, append(limit, waitLimit)[0], func() bool { return get[bool](p, "Boolean("+expression+")") })
}

// awaitText waits until an element has exactly this text.
func (p *page) awaitText(selector, text string) {
	p.t.Helper()
	p.await(selector+" to say "+text, fmt.Sprintf(`document.querySelector(%q)?.textContent === %s`, selector, inJS(text)))
}

// awaitDraft waits until the text field of the form contains this text.
func (p *page) awaitDraft(text string) {
	p.t.Helper()
	p.await("the text in the form to be "+text, `document.querySelector("#text").value === `+inJS(text))
}

// awaitState waits until the page shows that its connection has this state, such as "live".
func (p *page) awaitState(state string) {
	p.t.Helper()
	p.await("the connection to be "+state, fmt.Sprintf(`document.querySelector("#connection")?.dataset.state === %q`, state))
	if state == "live" { // the page draws its list a moment after it shows "Live"
		p.await("the list to be shown", `document.querySelector("#state").textContent !== "Opening the book"`)
	}
}

// An entry is an entry of the guestbook as the page shows it. The field Text of an unsent entry ends with "failed" or "pending".
type entry struct{ Text, Note string }

// texts returns the texts of the entries that the page shows, oldest first.
func (p *page) texts() (texts []string) {
	p.t.Helper()
	for _, e := range slices.Backward(get[[]entry](p, "shownEntries()")) {
		texts = append(texts, e.Text)
	}
	return texts
}

// awaitEntries waits until the page shows exactly these texts, oldest first, and all of them are in the guestbook.
func (p *page) awaitEntries(texts ...string) {
	p.t.Helper()
	must.Await(p.t, "the list to be right", waitLimit, func() error {
		if got := p.texts(); !slices.Equal(got, texts) {
			return fmt.Errorf("%d entries, want %d: %.500q", len(got), len(texts), got)
		}
		return nil
	})
}

// awaitNewest waits until the newest entry on the page has this text, and returns the entry's note, such as "Yours".
func (p *page) awaitNewest(text string) (note string) {
	p.t.Helper()
	must.Await(p.t, "the entry "+text, waitLimit, func() error {
		all := get[[]entry](p, "shownEntries()")
		if len(all) == 0 || all[0].Text != text {
			return fmt.Errorf("%d entries are %.500v", len(all), all)
		}
		note = all[0].Note
		return nil
	})
	return note
}

// awaitSettled waits until every entry that the page shows is in the guestbook.
func (p *page) awaitSettled() {
	p.t.Helper()
	p.await("all to be in the book", `document.querySelector(".pending, .failed") === null`)
}

func (p *page) sign(text string) {
	p.t.Helper()
	p.write(text)
	p.click("#post")
}

// signAtOnce submits these texts in the form, one immediately after the other.
func (p *page) signAtOnce(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.eval(`(document.querySelector("#text").value = ` + inJS(text) + `, document.querySelector("#sign").requestSubmit())`)
	}
}

func (p *page) write(text string) {
	p.t.Helper()
	run(p, chromedp.Focus(chromedp.CSS("#text")))
	send(p, input.InsertText, input.InsertTextParams{Text: text})
}

func (p *page) click(selector string) {
	p.t.Helper()
	run(p, chromedp.Click(chromedp.CSS(selector)))
}

// clickOnceThere waits for a button and clicks it in the same script, because the page may replace the button at any moment.
func (p *page) clickOnceThere(selector string) {
	p.t.Helper()
	p.await(selector, fmt.Sprintf("(button => (button?.click(), button))(document.querySelector(%q))", selector))
}

func (p *page) press(key string, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	run(p, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
}

// controlEnter sends the key event of Ctrl+Enter, which submits the form.
func (p *page) controlEnter(repeated bool) {
	p.t.Helper()
	send(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{
		Type: "rawKeyDown", Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Modifiers: int64(chromedp.ModifierCtrl), AutoRepeat: &repeated,
	})
}

func (p *page) focused(selector string) {
	p.t.Helper()
	p.await(selector+" to have the focus", fmt.Sprintf("document.activeElement.matches(%q)", selector))
}

// idempotencyKeys returns the Idempotency-Key headers of the page's POSTs, without duplicates.
func (p *page) idempotencyKeys() (keys []string) {
	for _, r := range p.posts() {
		keys = append(keys, fmt.Sprint(r.header["Idempotency-Key"]))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (p *page) posts() []request { return p.sent("POST", "/guestbook/entries") }

func (p *page) streams() []request { return p.sent("GET", "/guestbook/events") }

// changes makes the page record the value of a JavaScript expression after each change of an element. The JavaScript expression can use the
// element as the variable "node". The function "values" returns the recorded values of the expression, without consecutive duplicates.
func (p *page) changes(selector, expression string) (values func() []string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("recordChanges(%q, (node) => %s)", selector, expression))
	return func() []string {
		p.t.Helper()
		return slices.Compact(get[[]string](p, fmt.Sprintf("recorded[%q]", selector)))
	}
}

// inJS returns a value as a JavaScript expression.
func inJS(value any) string {
	b, _ := json.Marshal(value) // cannot fail, because all values of the tests have a JSON form
	return string(b)
}
