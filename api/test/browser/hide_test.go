//go:build long

package browser

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// A hidden entry leaves open pages within half a minute of being in sight, also far down, and no other entry does. Later visitors
// do not see it.
func TestHiddenEntriesLeaveOpenPages(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	texts := numbered("entry", 120)
	write(t, master, texts...)
	ada, bob := visit(t, pod.URL(), visitor{}), visit(t, pod.URL(), visitor{})
	for _, p := range []*page{ada, bob} {
		p.awaitState("live")
	}
	bob.await("older entries", `(() => { scrollTo(0, document.body.scrollHeight); return document.querySelector("#e0") !== null; })()`)
	ids := map[string]int{}
	for i, at := 0, 0; i < len(texts); i++ {
		ids[texts[i]], at = at, at+1+len(texts[i])
	}
	hidden := []string{"entry 0", "entry 40", "entry 119"}
	for _, text := range hidden {
		if out, err := podtest.Command(t, pod, "hide", fmt.Sprint(ids[text])).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return slices.Contains(hidden, text) })
	write(t, master, "a new one")
	texts = append(texts, "a new one")
	listed := func(p *page) (listed []string) {
		for _, e := range p.entries() {
			listed = append(listed, e.Text)
		}
		slices.Reverse(listed) // the oldest first
		return listed
	}
	for _, p := range []*page{ada, bob} {
		p.awaitNil("the hidden entries to be gone", func() error {
			// The page looks after what is in sight.
			p.eval(`[...document.querySelectorAll("#entries > li")].find((li) => `+inJS(hidden)+`.includes(li.querySelector(".words").textContent))?.scrollIntoView({ block: "center" })`, nil)
			got := listed(p)
			if want := texts[max(0, len(texts)-len(got)):]; len(got) < 49 || p == bob && len(got) < len(texts) || !slices.Equal(got, want) {
				return fmt.Errorf("it lists %d entries: %q", len(got), got)
			}
			return nil
		}, 2*time.Minute)
	}
	if n := len(ada.sent("GET", "/guestbook/events")); n != 1 {
		t.Errorf("the stream began %d times", n)
	}
	late := visit(t, pod.URL(), visitor{})
	late.awaitState("live")
	if got := listed(late); slices.ContainsFunc(hidden, func(text string) bool { return slices.Contains(got, text) }) || len(got) < 50 {
		t.Errorf("who comes later sees %q", got)
	}
	if value, err := redis.String(master.Do("GETRANGE", key, 0, 15)); value != ",       ,entry 1" {
		t.Errorf("the book begins with %q, %v", value, err)
	}
}
