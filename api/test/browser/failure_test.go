package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	protocol "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// idempotencyKeys gives the keys under which the page has posted, each once.
func (p *page) idempotencyKeys() (keys []string) {
	for _, r := range p.sent("POST", "/guestbook/entries") {
		keys = append(keys, fmt.Sprint(r.header["Idempotency-Key"]))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// awaitFailure waits until the text stands in the list as not sent.
func (p *page) awaitFailure(text string) {
	p.t.Helper()
	p.awaitNil("the failure to be shown", func() error {
		entries := p.entries()
		if len(entries) == 0 || entries[0].Text != text || entries[0].State != "failed" {
			return fmt.Errorf("entries are %+v", entries)
		}
		return nil
	})
}

func TestAFailureIsShownWithARetryUnderTheSameKey(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "first")
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.expect(outage)
	p.awaitEntries("first")
	podtest.Kill(t, pod.API)
	p.sign("second")
	p.awaitFailure("second")
	if note := p.entries()[0].Note; !strings.Contains(note, "Retrying is safe") {
		t.Errorf("the visitor is told %q", note)
	}

	podtest.Start(t, pod.API)
	p.run(chromedp.Click(".failed .retry", chromedp.ByQuery))
	p.awaitEntries("first", "second")
	if keys := p.idempotencyKeys(); len(keys) != 1 || len(keys[0]) < 20 {
		t.Errorf("posted under the keys %q", keys)
	}
	if n := len(p.sent("POST", "/guestbook/entries")); n < 3 {
		t.Errorf("%d requests: it did not try again by itself", n)
	}
	if got := book(t, master); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("Redis holds %q", got)
	}
}

func TestAFailedEntryCanBeEditedOrDiscarded(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	podtest.Kill(t, pod.API)
	p.sign("thrown away")
	p.awaitFailure("thrown away")
	p.run(chromedp.Click(".failed .discard", chromedp.ByQuery))
	p.awaitEntries()
	p.sign("with a mistkae")
	p.awaitFailure("with a mistkae")
	p.run(chromedp.Click(".failed .edit", chromedp.ByQuery))
	p.awaitEntries()
	p.await("the text to be back in the form", `document.querySelector("#text").value === "with a mistkae" && document.activeElement.id === "text"`)

	podtest.Start(t, pod.API)
	p.eval(signAll([]string{"without a mistake"}), nil)
	p.awaitEntries("without a mistake")
	if got := book(t, master); !slices.Equal(got, []string{"without a mistake"}) {
		t.Errorf("Redis holds %q", got)
	}
}

func TestADraftAndAnUnsentEntrySurviveAReload(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.expect(outage)
	p.awaitState("live")
	podtest.Kill(t, pod.API)
	p.sign("unsent")
	p.awaitFailure("unsent")
	p.sign("on its way")
	p.write("only begun")

	p.reload()
	p.await("the draft", `document.querySelector("#text").value === "only begun"`)
	p.await("both entries", `document.querySelectorAll(".pending, .failed").length === 2`)

	podtest.Start(t, pod.API)
	p.await("the one on its way to be sent again by itself, or to have failed", `document.querySelector(".pending") === null`)
	p.eval(`document.querySelectorAll(".retry").forEach((button) => button.click())`, nil)
	p.await("both to be confirmed", `document.querySelector(".pending, .failed") === null`)
	if got := slices.Sorted(slices.Values(book(t, master))); !slices.Equal(got, []string{"on its way", "unsent"}) {
		t.Errorf("Redis holds %q", got)
	}
	if keys := p.idempotencyKeys(); len(keys) != 2 {
		t.Errorf("posted under the keys %q", keys)
	}
	p.reload()
	p.awaitEntries(book(t, master)...)
}

func TestAnAnswerThatIsLostDoesNotDoubleTheEntry(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.expect(outage)
	p.awaitState("live")
	var mu sync.Mutex
	lost := 0
	chromedp.ListenTarget(p.ctx, func(event any) {
		paused, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		var fate chromedp.Action = fetch.ContinueRequest(paused.RequestID)
		if paused.Request.Method == "POST" && lost < 2 {
			lost++
			fate = fetch.FailRequest(paused.RequestID, network.ErrorReasonConnectionReset)
		}
		go func() {
			target := chromedp.FromContext(p.ctx).Target
			_ = fate.Do(protocol.WithExecutor(p.ctx, target)) // the page shows what came of it
		}()
	})
	p.run(fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: "*/guestbook/entries", RequestStage: fetch.RequestStageResponse}}))
	p.sign("once")
	p.awaitEntries("once")
	if got := book(t, master); !slices.Equal(got, []string{"once"}) {
		t.Errorf("Redis holds %q", got)
	}
	// It was asked about again, once the stream had shown a copy.
	if n, keys := len(p.sent("POST", "/guestbook/entries")), p.idempotencyKeys(); n < 2 || len(keys) != 1 {
		t.Errorf("%d requests under the keys %q", n, keys)
	}
}

func TestThePageComesBackByItselfAfterADrain(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{})
	p.expect(outage)
	p.awaitState("live")
	p.sign("before")
	p.awaitEntries("before")
	if err := pod.API.Stop(); err != nil { // by SIGTERM
		t.Fatal(err)
	}
	p.await("the page to notice", `document.querySelector("#connection").dataset.state !== "live"`)
	write(t, master, "meanwhile")
	podtest.Start(t, pod.API)
	p.awaitEntries("before", "meanwhile")
	p.awaitState("live")
	write(t, master, "after")
	p.awaitEntries("before", "meanwhile", "after")
}

func TestABookThatIsWrittenAnewIsShownAnew(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	write(t, master, "one", "two", "three")
	p := visit(t, pod.URL(), visitor{})
	p.expect(outage)
	p.awaitState("live")
	p.awaitEntries("one", "two", "three")
	for _, step := range []struct {
		name    string
		do      func()
		entries []string
		appends bool
	}{
		{"an old page adds its entry", func() { oldSet(t, pod.URL(), ",one,two,three,four") }, []string{"one", "two", "three", "four"}, true},
		{"an old page drops an entry", func() { oldSet(t, pod.URL(), ",one,three,four,five") }, []string{"one", "three", "four", "five"}, false},
		{"an old page shortens the book", func() { oldSet(t, pod.URL(), ",one") }, []string{"one"}, false},
		{"another text of the same length", func() { oldSet(t, pod.URL(), ",two") }, []string{"two"}, false},
		{"the key is deleted", func() { podtest.Do(t, master, "DEL", key) }, nil, false},
		{"signed after that", func() { p.sign("new book") }, []string{"new book"}, true},
		{"written anew, and shorter, while the API was away", func() {
			podtest.Kill(t, pod.API)
			podtest.Do(t, master, "SET", key, ",a,b")
			podtest.Start(t, pod.API)
		}, []string{"a", "b"}, false},
		{"everything is deleted", func() { podtest.Do(t, master, "FLUSHALL") }, nil, false},
	} {
		streams := len(p.sent("GET", "/guestbook/events"))
		step.do()
		p.awaitNil(step.name, func() error {
			var texts []string
			for _, e := range slices.Backward(p.entries()) {
				texts = append(texts, e.Text+e.State)
			}
			if !slices.Equal(texts, step.entries) {
				return fmt.Errorf("entries are %q", texts)
			}
			return nil
		})
		if step.appends {
			continue
		}
		p.awaitNil("the page to follow the book again", func() error {
			if all := p.sent("GET", "/guestbook/events"); len(all) == streams || all[len(all)-1].status != http.StatusOK {
				return fmt.Errorf("%d streams, before %d", len(all), streams)
			}
			return nil
		})
	}
	p.await("the empty book to say so", `document.querySelector("#state").textContent.startsWith("No entries yet")`)
}

func oldSet(t *testing.T, base, value string) {
	t.Helper()
	body := "cmd=set&key=" + key + "&value=" + value
	post(t, base+"/guestbook.php", "application/x-www-form-urlencoded", body)
}
