package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"guestbook/api/test/kit/must"
)

func TestADraftAndAnUnsentEntrySurviveAReload(t *testing.T) {
	b, p := open(t, visitor{hurried: true})
	b.kill()
	p.sign("unsent")
	if note := p.awaitNewest("unsent failed"); !strings.Contains(note, "Retrying is safe") {
		t.Errorf("the visitor is told %q", note)
	}
	if n := len(p.posts()); n < 3 {
		t.Errorf("%d requests: it did not try again by itself", n)
	}
	p.sign("on its way")
	p.write("only begun")
	p.reload()
	p.awaitDraft("only begun")
	p.await("both entries", `document.querySelectorAll(".pending, .failed").length === 2`)
	b.restart()
	p.await("the one on its way to be sent again by itself, or to have failed", `document.querySelector(".pending") === null`)
	p.eval(`document.querySelectorAll(".retry").forEach((button) => button.click())`)
	p.awaitSettled()
	b.check("on its way", "unsent")
	// The page sends each entry with an Idempotency-Key that is long enough to be unique.
	if keys := p.idempotencyKeys(); len(keys) != 2 || len(keys[0]) < 20 {
		t.Errorf("posted under the keys %q", keys)
	}
	p.before(`Object.defineProperty(document, "prerendering", { value: true })`)
	p.reload()
	p.await("a prerendered page to do nothing", `document.querySelector("#post").disabled`)
	p.eval(`document.dispatchEvent(new Event("prerenderingchange"))`)
	p.awaitEntries(b.texts()...)
}

func TestAnAnswerThatIsLostDoesNotDoubleTheEntry(t *testing.T) {
	b, front, p := openBehindProxy(t, visitor{})
	p.expect(outage)
	var received atomic.Int32
	front.serve(posts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if received.Add(1) > 12 {
			front.pod.ServeHTTP(w, r)
			return
		}
		front.pod.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // closes the connection
	}))
	texts := numbered("entry", 10)
	p.signAtOnce(texts...)
	must.Hold(t, "all entries", waitLimit, func() bool { return len(b.texts()) >= len(texts) })
	p.awaitSettled()
	b.check(texts...)
	p.awaitEntries(b.texts()...)
	// If a POST gets no answer, the page repeats the POST with the same Idempotency-Key.
	if keys := p.idempotencyKeys(); len(keys) != len(texts) || received.Load() <= 12 {
		t.Errorf("%d requests under the keys %q", received.Load(), keys)
	}
}

func TestAnEntryThatTakesLongCanBeTakenBack(t *testing.T) {
	b, p := open(t, visitor{hurried: true})
	b.hang()
	for _, how := range []string{"discard", "edit"} {
		p.sign("taken back")
		p.clickOnceThere(".pending ." + how)
		p.awaitEntries()
		p.focused("#text")
	}
	p.awaitDraft("taken back")
	p.awaitText("#notice", "It may be in the book already.")
	p.eval(`document.querySelector("#text").value = ""`)
	p.reload()
	p.awaitSettled()
}

func TestWhatTheStreamShowsSettlesAnEntryWithoutAnAnswer(t *testing.T) {
	b, front, p := openBehindProxy(t, visitor{hurried: true})
	// If each POST of an entry fails, but the entry's text appears in the guestbook, the page shows the entry as sent.
	front.refuse(http.StatusServiceUnavailable)
	p.sign("came through")
	p.awaitNewest("came through failed")
	b.write("came through")
	p.awaitEntries("came through")

	// If the guestbook already contains the visitor's text, the page does not mistake the earlier entry for the visitor's.
	p.sign("came through")
	p.awaitNewest("came through failed")
	p.sign("another")
	p.awaitNewest("another failed")
	p.navigate("about:blank")
	b.write("another")
	p.navigate(front.URL)
	p.awaitEntries("came through", "another", "came through failed")

	front.serve(posts, nil)
	p.click(".failed .retry")
	p.awaitEntries("came through", "another", "came through")
}

func TestARefusedEntryIsCertainlyNotInTheBook(t *testing.T) {
	_, front, p := openBehindProxy(t, visitor{hurried: true})
	var stored []string
	for status, note := range map[int]string{
		http.StatusTooManyRequests:       "Not in the book yet. The guestbook is very busy.",
		http.StatusRequestTimeout:        "Not in the book yet. The guestbook answered with an error (408).",
		http.StatusForbidden:             "Not in the book yet. The guestbook refused this request.",
		http.StatusRequestEntityTooLarge: "Not in the book yet. That is more than the guestbook takes at once.",
		http.StatusInsufficientStorage:   "Not in the book yet. The guestbook is full.",
	} {
		text := fmt.Sprint("refused with ", status)
		front.refuse(status)
		p.sign(text)
		if got := p.awaitNewest(text + " failed"); got != note {
			t.Errorf("%d: the visitor is told %q", status, got)
		}
		front.serve(posts, nil)
		p.click(".failed .retry")
		stored = append(stored, text)
		p.awaitEntries(stored...)
	}
}

func TestEachGuestbookAndEachTabHasItsOwnDraft(t *testing.T) {
	_, front, p := openBehindProxy(t, visitor{hurried: true})
	p.navigate(front.URL + "/a/")
	p.awaitState("live")
	p.write("for the one at /a/")
	p.reload()
	p.awaitDraft("for the one at /a/")
	p.navigate(front.URL + "/")
	p.awaitDraft("")
	p.write("first tab")

	other := p.tab()
	other.awaitDraft("")
	other.write("second tab")
	for tab, text := range map[*page]string{p: "first tab", other: "second tab"} {
		tab.reload()
		tab.awaitDraft(text)
	}
	// If a tab with a draft is closed, the next new tab gets the draft.
	other.navigate("about:blank")
	p.tab().awaitDraft("second tab")
}
