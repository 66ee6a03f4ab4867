package browser

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/must"
)

var guests = []string{
	"Third time here, and still the best breakfast on the coast.",
	"Grüße aus Tübingen! Wir kommen wieder.",
	"The path behind the lighthouse is worth the climb. Take water, and go before noon.",
	"Merci pour tout.\nCamille et Jo",
	"My grandmother signed the first page of the old book in 1961. It is good to see her name is still there.",
	"100% would get lost here again.",
	"We came for one night and stayed for four. Thank you for the maps, the jam, and for not telling anyone about the cove.\nInes, Tom and a very tired dog",
}

// The test checks each state of the page in light, dark and forced colours with axe-core.
func TestThePageIsAccessibleHoweverItLooks(t *testing.T) {
	axe := must.Read(t, must.Root(t), ".build", "node_modules", "axe-core", "axe.min.js") // "make test" installs axe-core
	b := newBook(t)
	front := newProxy(t, b)
	check := func(p *page, state string) {
		t.Helper()
		for _, colors := range []string{"dark", "forced", "light"} {
			t.Run(state+"-"+colors, func(t *testing.T) {
				p := p.in(t)
				p.theme(colors)
				p.eval(axe)
				for _, fault := range get[[]string](p, "axeFaults()") {
					t.Error(fault)
				}
			})
		}
	}
	desk := visit(t, front.URL, visitor{hurried: true})
	check(desk, "empty")
	desk.click("#post")
	desk.await("the complaint", `!document.querySelector("#error").hidden`)
	check(desk, "complaint")
	b.write(guests...)
	desk.awaitEntries(guests...)
	desk.write(strings.Repeat("So much to say. ", 260))
	check(desk, "too-long")
	desk.eval(`document.querySelector("#text").select()`)
	desk.press(kb.Delete)
	desk.await("the entries to be no longer new", `document.querySelector(".new") === null`)
	check(desk, "reading")
	small := visit(t, front.URL, visitor{width: 360, height: 740, phone: true, hurried: true})
	small.awaitEntries(guests...)
	check(small, "phone")

	run(desk, chromedp.Focus(chromedp.CSS("#post")))
	desk.press(kb.Tab)
	desk.focused("#entries a")
	desk.press(kb.ArrowDown)
	check(desk, "keyboard")
	desk.eval(`location.hash = document.querySelector("#entries > li:nth-child(4)").id`)
	desk.focused("#entries > li:nth-child(4)")
	check(desk, "linked")
	desk.eval(`location.hash = "#e3"`)
	desk.await("the notice", `/not in the book any more/.test(document.querySelector("#notice").textContent)`)
	check(desk, "link-gone")
	desk.sign(strings.Repeat("A verse\n", 40) + "by me")
	desk.await("the long entry of one's own", `document.querySelector("li[id] > .more ~ .note")?.textContent === "Yours"`)
	check(desk, "long")
	desk.eval(`scrollTo(0, 700)`)
	b.write("While you read")
	desk.awaitFresh("1 new entry")
	check(desk, "new-below")
	desk.eval(`scrollTo(0, 0)`)

	// While only a pod of the PHP guestbook answers, the page shows that the visitor's entry waits.
	past := newProxy(t, b)
	past.serve(api, past.oldPod())
	old := load(t, past.URL, visitor{hurried: true})
	old.awaitState("polling")
	old.sign("Left while the guestbook was being updated")
	old.await("it to wait", `document.querySelector(".pending .edit") !== null`)
	old.eval(`document.querySelector("#answerer").open = true`)
	check(old, "held")
	old.clickOnceThere(".pending .discard")
	old.awaitSettled()
	past.serve(api, loginPage(http.StatusForbidden))
	old.expect("MIME type")
	old.await("the link to sign in", `document.querySelector("#signin:not([hidden]) a")`)
	old.await("it to have the page's colour",
		`getComputedStyle(document.querySelector("#signin a")).color === getComputedStyle(document.querySelector("#fresh")).backgroundColor`)
	check(old, "signed-out")

	b.do("SET", key, "")
	b.write(guests...)
	desk.awaitEntries(guests...)
	b.kill()
	const unsent = "Left the key under the blue pot. See you in spring!"
	desk.eval(`location.hash = ""`)
	for _, p := range []*page{desk, small} {
		p.sign(unsent)
		p.awaitNewest(unsent + " failed")
		p.awaitState("offline")
		p.await("it to be told", `document.querySelector("#connection").textContent === "Not connected"`)
	}
	desk.await("the dot to be of the note's colour", `getComputedStyle(document.querySelector(".failed"), "::before").borderTopColor === getComputedStyle(document.querySelector(".failed .note")).color`)
	check(desk, "failure")
	check(small, "phone-failure")
	broken := load(t, front.URL, visitor{hurried: true})
	broken.awaitText("#state.broken", "The guestbook is not available just now. Trying again.")
	check(broken, "broken")

	b.restart()
	resume := b.hang()
	loading := load(t, front.URL, visitor{})
	// On a slow machine, nginx stops waiting for the API before axe-core has finished, and then the page reports an outage.
	loading.expect(outage)
	loading.await("the page to be loading", `document.querySelector("#state.loading") !== null && document.querySelector("#stuck") === null`)
	check(loading, "loading")
	resume()
	loading.awaitState("live")

	front.serveScript(t, "")
	stuck := newPage(t, visitor{})
	send(stuck, animation.Enable, struct{}{})
	send(stuck, animation.SetPlaybackRate, animation.SetPlaybackRateParams{PlaybackRate: 100})
	stuck.navigate(front.URL)
	stuck.await("the message", `getComputedStyle(document.querySelector("#stuck")).visibility === "visible"`)
	check(stuck, "stuck")
}

func TestColoursThatAreForced(t *testing.T) {
	b, p := open(t, visitor{})
	p.theme("forced")
	run(p, chromedp.Focus(chromedp.CSS("#text")))
	p.await("the focus in the field to show", `(({ outlineStyle, outlineWidth, outlineColor }) => outlineStyle !== "none" && outlineWidth === "2px" && outlineColor !== getComputedStyle(document.body).backgroundColor)(getComputedStyle(document.querySelector("#text")))`)
	b.write("new")
	p.await("the dots to show", `hasDot("#connection") && hasDot("#entries > .new")`)
}

func TestOnPaperThereIsTheBook(t *testing.T) {
	_, p := open(t, visitor{width: 794, height: 1123}, append([]string{strings.Repeat("a line\n", 60) + "end"}, guests...)...)
	p.eval(`document.querySelector("#text").value = "a draft"`)
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	printed := get[[]string](p, "visibleTexts()")
	if want := append([]string{"h1 "}, slices.Repeat([]string{"p words"}, len(guests)+1)...); !slices.Equal(printed, want) {
		t.Errorf("%q are printed", printed)
	}
	p.await("entries to be whole", `all(".words").every(({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight + 2)`)
	p.await("it to be black on white", `all(".words, h1").every((node) => getComputedStyle(node).color === "rgb(0, 0, 0)")
		&& getComputedStyle(document.body).backgroundColor === "rgb(255, 255, 255)"`)
}

func TestTheFootCoversNothingAndSaysWhichPodAnswered(t *testing.T) {
	b := newBook(t, numbered("entry", 49)...)
	host := must.Get(os.Hostname())(t)
	for _, width := range []int64{360, 800, 1000, 1160, 1400, 1920} {
		p := visit(t, b.URL(), visitor{width: width, height: 700})
		p.eval(`document.querySelector("#answerer").open = true`)
		for _, y := range []float64{0, 300, math.MaxInt32} {
			if covered := get[[]string](p, fmt.Sprintf("coveredByFoot(%f)", y)); len(covered) > 0 {
				t.Errorf("at a width of %d it covers %q", width, covered)
			}
		}
		p.await("the answers to be counted", fmt.Sprintf(`/^%s, version dev: [1-9]\d*$/.test(document.querySelector("#answers li").textContent)`, host))
	}
	front := newProxy(t, b)
	p := visit(t, front.URL, visitor{})
	p.awaitText("#answerer:not([hidden]) > summary", "Answered by "+host+", version dev")
	front.answerer.Store(new("frontend-6f7b9c-x2x4z v2"))
	p.sign("to another pod")
	p.awaitText("#answerer > summary", "Answered by frontend-6f7b9c-x2x4z, version v2")
	p.await("the answers of both to be counted", inJS([]string{"frontend-6f7b9c-x2x4z, version v2: ", host + ", version dev: "})+
		`.every((who) => all("#answers li").some(({ textContent }) => /^\d+$/.test(textContent.replace(who, ""))))`)
	front.answerer.Store(new("")) // as if nginx.conf did not set the header X-Answered-By
	p.reload()
	p.awaitState("live")
	p.await("the foot to be hidden", `document.querySelector("#answerer").hidden`)
}
