package browser

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

const key = "messages"

// book gives the texts of the entries that a Redis holds.
func book(t *testing.T, c redis.Conn) (texts []string) {
	t.Helper()
	value, err := redis.Bytes(c.Do("GET", key))
	if err != nil && !errors.Is(err, redis.ErrNil) {
		t.Fatal(err)
	}
	entries, _ := guestbook.Split(value, 0)
	for _, e := range entries {
		texts = append(texts, e.Text)
	}
	return texts
}

// write appends entries to the book in Redis itself, and waits until the slave has them.
func write(t *testing.T, c redis.Conn, texts ...string) {
	t.Helper()
	var raw string
	for _, text := range texts {
		raw += guestbook.Encode(text)
	}
	podtest.Do(t, c, "APPEND", key, raw)
	if n, err := redis.Int(c.Do("WAIT", 1, waitLimit.Milliseconds()/4)); err != nil || n != 1 {
		t.Fatalf("%d slaves have the entries: %v", n, err)
	}
}

func TestVisitorsSeeEachOthersEntriesLive(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	ada, bob := visit(t, pod.URL(), visitor{}), visit(t, pod.URL(), visitor{})
	ada.awaitState("live")
	bob.awaitState("live")
	ada.awaitEntries()

	ada.sign("Hello from Ada")
	bob.awaitEntries("Hello from Ada")
	bob.sign("Hello, Ada. 100% agreed, Bob")
	texts := []string{"Hello from Ada", "Hello, Ada. 100% agreed, Bob"}
	ada.awaitEntries(texts...)
	bob.awaitEntries(texts...)
	if got := book(t, master); !slices.Equal(got, texts) {
		t.Errorf("Redis holds %q", got)
	}
	bob.await("the entry to be announced", `document.querySelector("#news[aria-live]").textContent !== ""`)
}

// signAll is a script that signs the book with each of many texts, a few milliseconds apart.
func signAll(texts []string) string {
	return `(() => {
		const texts = ` + inJS(texts) + `;
		const next = () => {
			document.querySelector("#text").value = texts.shift();
			document.querySelector("#sign").requestSubmit();
			if (texts.length > 0) setTimeout(next, 20);
		};
		next();
	})()`
}

func numbered(text string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s %d", text, i))
	}
	return texts
}

func TestNothingIsLostOrDoubledWhenTheAPIIsKilledWhilePosting(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	ada, bob := visit(t, pod.URL(), visitor{}), visit(t, pod.URL(), visitor{})
	const each = 24 // both together fit into one page of entries
	all := slices.Concat(numbered("ada", each), numbered("bob", each))
	slices.Sort(all)
	for _, p := range []*page{ada, bob} {
		p.expect(outage)
		p.awaitState("live")
	}
	ada.eval(signAll(numbered("ada", each)), nil)
	bob.eval(signAll(numbered("bob", each)), nil)
	ada.awaitNil("the first entries", func() error {
		if n := len(book(t, master)); n < 5 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
	podtest.Kill(t, pod.API)
	ada.await("the outage to be told", `document.querySelector(".pending .note").textContent.startsWith("No answer yet")`)
	podtest.Start(t, pod.API)

	for _, p := range []*page{ada, bob} {
		p.await("all to be confirmed", `document.querySelector(".pending, .failed") === null`)
	}
	var held []string
	ada.awaitNil("the last entries", func() error { // which a slow page may sign only now
		if held = book(t, master); len(held) < len(all) {
			return fmt.Errorf("%d entries", len(held))
		}
		return nil
	})
	if sorted := slices.Sorted(slices.Values(held)); !slices.Equal(sorted, all) {
		t.Errorf("Redis holds %q", held)
	}
	ada.awaitEntries(held...)
	bob.awaitEntries(held...)
}
