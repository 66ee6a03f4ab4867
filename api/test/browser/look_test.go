package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// guests are what people write into a guestbook, oldest first.
var guests = []string{
	"Third time here, and still the best breakfast on the coast.",
	"Grüße aus Tübingen! Wir kommen wieder.",
	"The path behind the lighthouse is worth the climb. Take water, and go before noon.",
	"Merci pour tout.\nCamille et Jo",
	"My grandmother signed the first page of the old book in 1961. It is good to see her name is still there.",
	"100% would get lost here again.",
	"We came for one night and stayed for four. Thank you for the maps, the jam, and for not telling anyone about the cove.\nInes, Tom and a very tired dog",
}

// axe is the source of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, ".build", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("this test needs axe-core: run it with make test, which installs it: %v", err)
	}
	return string(source)
}

func checkAccessibility(t *testing.T, p *page, axe string) {
	t.Helper()
	p.eval(axe+"; 0", nil)
	var result struct {
		Passes     int
		Violations []struct {
			ID, Impact, Help string
			Nodes            []string
		}
	}
	p.eval(`axe.run(document).then(({ passes, violations }) => ({
		Passes: passes.length,
		Violations: violations.map(({ id, impact, help, nodes }) => ({
			ID: id, Impact: impact, Help: help, Nodes: nodes.map((node) => node.target + ": " + node.failureSummary),
		})),
	}))`, &result)
	if result.Passes < 10 {
		t.Errorf("axe-core has checked only %d rules", result.Passes)
	}
	for _, v := range result.Violations {
		t.Errorf("%s (%s): %s\n%s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

// The page in each of its states, by day, in the dark and in forced colours. Their pictures are in .build/screenshots.
func TestThePageIsAccessibleHoweverItLooks(t *testing.T) {
	t.Parallel()
	axe := axe(t)
	pod, master := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	check := func(p *page, state string) {
		t.Helper()
		for _, colors := range []string{"dark", "forced", "light"} {
			t.Run(state+"-"+colors, func(t *testing.T) {
				p := p.in(t)
				p.run(theme(colors))
				p.screenshot(state + "-" + colors)
				checkAccessibility(t, p, axe)
			})
		}
	}
	open := func(v visitor) *page {
		t.Helper()
		p := visit(t, front.URL, v)
		p.expect(outage)
		return p
	}
	front.answerAs("frontend-85984fdc78-drn9f v1")
	phone := visitor{width: 360, height: 740, phone: true, hurried: true}

	desk := open(visitor{hurried: true})
	desk.awaitState("live")
	check(desk, "empty")
	desk.run(chromedp.Click("#post", chromedp.ByQuery))
	desk.await("the complaint", `!document.querySelector("#error").hidden`)
	check(desk, "complaint")
	write(t, master, guests...)
	desk.awaitEntries(guests...)
	desk.eval(`document.querySelector("#text").focus()`, nil)
	desk.write(strings.Repeat("So much to say. ", 260))
	check(desk, "too-long")
	desk.eval(`document.querySelector("#text").select()`, nil)
	desk.press(kb.Delete)
	desk.await("the entries to be no longer new", `document.querySelector(".new") === null`)
	desk.eval(`document.activeElement.blur()`, nil)
	desk.run(input.DispatchMouseEvent(input.MouseMoved, 0, 0))
	check(desk, "reading")
	small := open(phone)
	small.awaitEntries(guests...)
	small.awaitState("live")
	check(small, "phone")

	desk.run(chromedp.Focus("#post", chromedp.ByQuery))
	desk.press(kb.Tab)
	desk.focused("#entries a")
	desk.press(kb.ArrowDown)
	check(desk, "keyboard")
	desk.eval(`location.hash = "#e"+(document.querySelector("#entries > li:nth-child(4)").id.slice(1))`, nil)
	desk.focused("#entries > li:nth-child(4)")
	check(desk, "linked")
	desk.eval(`location.hash = "#e3"`, nil)
	desk.await("the notice", `document.querySelector("#notice").textContent !== "" && !document.querySelector("#notice").textContent.startsWith("Looking")`)
	check(desk, "link-gone")
	write(t, master, strings.Repeat("A verse\n", 40))
	desk.await("the long entry", `document.querySelector(".more") !== null`)
	check(desk, "long")
	desk.eval(`scrollTo(0, 700)`, nil)
	write(t, master, "While you read")
	desk.awaitFresh("1 new entry")
	check(desk, "new-below")
	desk.eval(`scrollTo(0, 0)`, nil)

	// This page has a front of its own, which stays old: a new pod would put into the book what is on its way while it is
	// discarded.
	past := newFront(t, pod)
	past.serveOld(oldPod(t, podtest.Dial(t, pod.Ports.Master)))
	old := visit(t, past.URL, visitor{hurried: true})
	old.expect(outage)
	old.awaitState("polling")
	old.sign("Left while the guestbook was being updated")
	old.await("it to wait", `document.querySelector(".pending .edit") !== null`)
	check(old, "held")
	old.pressOnceThere(".pending .discard")
	old.await("it to be gone", `document.querySelector(".pending") === null`)

	podtest.Do(t, master, "SET", key, "")
	write(t, master, guests...)
	desk.awaitEntries(guests...)
	podtest.Kill(t, pod.API)
	const unsent = "Left the key under the blue pot. See you in spring!"
	desk.eval(`location.hash = ""`, nil)
	for _, p := range []*page{desk, small} {
		p.sign(unsent)
		p.awaitFailure(unsent)
		p.awaitState("offline")
		p.eval(`document.activeElement.blur()`, nil)
		p.run(input.DispatchMouseEvent(input.MouseMoved, 0, 0))
	}
	check(desk, "failure")
	check(small, "phone-failure")
	broken := open(visitor{hurried: true})
	broken.await("the page to be broken", `document.querySelector("#state.broken") !== null`)
	check(broken, "broken")

	podtest.Start(t, pod.API)
	hang(t, pod)
	loading := open(visitor{})
	loading.await("the page to be loading", `document.querySelector("#state.loading") !== null && document.querySelector("#stuck") === null`)
	check(loading, "loading")
	resume(t, pod)
	loading.awaitState("live")

	front.serveScript("")
	stuck := newPage(t, visitor{})
	stuck.expect(outage)
	stuck.run(animation.Enable(), animation.SetPlaybackRate(100))
	stuck.navigate(front.URL)
	stuck.await("the message", `getComputedStyle(document.querySelector("#stuck")).visibility === "visible"`)
	check(stuck, "stuck")
}

// overflow lists what sticks out of the page to the right.
const overflow = `[...document.querySelectorAll("body *")]
	.filter((e) => e.getBoundingClientRect().right > innerWidth && e.checkVisibility() && !e.closest(".unseen"))
	.map((e) => e.localName + "#" + e.id)`

func TestThePageWorksOnASmallPhone(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, append(hostile, guests...)...)
	p := visit(t, pod.URL(), visitor{width: 360, height: 640, phone: true, hurried: true})
	p.expect(outage)
	p.awaitState("live")
	check := func(state string) {
		t.Helper()
		var wide []string
		p.eval(overflow, &wide)
		var width, inner int
		p.eval("document.documentElement.scrollWidth", &width)
		p.eval("innerWidth", &inner)
		if width != 360 || inner != 360 || len(wide) > 0 {
			t.Errorf("%s: the page is %d pixels wide in a window of %d: %q", state, width, inner, wide)
		}
	}
	check("reading")
	tap := func(selector string) {
		t.Helper()
		var at struct{ X, Y float64 }
		p.eval(fmt.Sprintf(`(() => {
			const node = document.querySelector(%q);
			node.scrollIntoView({ block: "center", behavior: "instant" });
			const { left, top, width, height } = node.getBoundingClientRect();
			return { X: left + width / 2, Y: top + height / 2 };
		})()`, selector), &at)
		p.run(
			input.DispatchTouchEvent(input.TouchStart, []*input.TouchPoint{{X: at.X, Y: at.Y}}),
			input.DispatchTouchEvent(input.TouchEnd, []*input.TouchPoint{}),
		)
	}
	tap("#text")
	p.await("the field to have the focus", `document.activeElement.id === "text"`)
	p.run(input.InsertText("From the train. " + strings.Repeat("Wheee", 40)))
	check("writing")
	tap("#post")
	p.awaitNil("the entry", func() error {
		if e := p.entries()[0]; !strings.HasPrefix(e.Text, "From the train.") || e.State != "" {
			return fmt.Errorf("the first is %+v", e)
		}
		return nil
	})
	podtest.Kill(t, pod.API)
	tap("#text")
	p.run(input.InsertText("From the tunnel"))
	tap("#post")
	p.awaitFailure("From the tunnel")
	check("failing")
	podtest.Start(t, pod.API)
	tap(".retry")
	p.await("the entry to be confirmed", `document.querySelector(".pending, .failed") === null`)
}

func TestTheKeyboardIsEnough(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, numbered("entry", 160)...)
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	press := func(key string, modifiers ...input.Modifier) {
		t.Helper()
		p.run(chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
	}
	focused := func(selector string) {
		t.Helper()
		p.await(selector+" to have the focus", fmt.Sprintf("document.activeElement.matches(%q)", selector))
	}
	visible := func() {
		t.Helper()
		p.await("the focus to be visible", `getComputedStyle(document.activeElement).outlineStyle !== "none"`)
	}
	inSight := func() {
		t.Helper()
		p.await("the focus to be in sight", `(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())`)
	}
	signed := func(text string) {
		t.Helper()
		p.awaitNil(text+" to be in the book", func() error {
			if e := p.entries()[0]; e.Text != text || e.State != "" {
				return fmt.Errorf("the first is %+v", e)
			}
			return nil
		})
	}

	press(kb.Tab)
	focused("#text")
	press(kb.Enter, input.ModifierCtrl)
	p.await("the complaint", `document.querySelector("#error[role=alert]:not([hidden])")?.textContent === "Write a few words first."`)
	press("One line")
	press(kb.Enter)
	press("and another")
	press(kb.Enter, input.ModifierCtrl)
	signed("One line\nand another")
	focused("#text")
	press("By the button")
	press(kb.Tab)
	focused("#name")
	press(kb.Tab)
	focused("#post")
	visible()
	press(kb.Enter)
	signed("By the button")

	// The list is one stop; the arrow keys lead from entry to entry.
	press(kb.Tab)
	focused("#entries > li:first-child > a")
	visible()
	press(kb.ArrowDown)
	focused("#entries > li:nth-child(2)")
	visible()
	press(kb.Tab)
	focused("#entries > li:nth-child(2) > a")

	// Older entries do not load by themselves while the button has the focus. It goes on to the first that is loaded.
	for range 2 {
		var loaded int
		p.eval(`document.querySelectorAll("#entries > li").length`, &loaded)
		press(kb.Tab)
		focused("#older")
		visible()
		inSight()
		press(kb.Enter)
		focused(fmt.Sprintf("#entries > li:nth-child(%d)", loaded+1))
		visible()
		inSight()
		press(kb.Tab) // to its link
	}

	podtest.Kill(t, pod.API)
	p.eval(`document.querySelector("#text").focus()`, nil)
	press("Lost")
	press(kb.Enter, input.ModifierCtrl)
	p.awaitFailure("Lost")
	press(kb.Tab)
	press(kb.Tab)
	focused("#post")
	for _, button := range []string{".retry", ".edit", ".discard"} {
		press(kb.Tab)
		focused(button)
		visible()
	}
	press(kb.Enter)
	focused("#text")
	p.await("the entry to be gone", `document.querySelector(".failed") === null`)
}
