package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

var entries = []group{
	{"entries", "", "A page that posts one entry, and not the whole list, loses no other visitor's.", []row{
		{"an entry by a form", form("text=hi;+there%2C%20100%"), appends("hi; there, 100%")},
		{"an entry in JSON", object(`{"text": "say \"hi\" 😀", "key": "KEY"}`), appends(`say "hi" 😀`)},
		{"an entry that looks encoded", object(`{"text": "%2C %252C 100%25", "key": "KEY"}`), appends("%2C %252C 100%25")},
	}},
	{"entries", "php", "Old pages and new ones show the same book during a rollout.", []row{
		{"old pages see an entry", form("text=new"), inTurn(puts(old), posts, awaits(old+",new"))},
		{"an entry of an old page is one", page(""), pages(",é,b,c", "é|b|c", "null")},
		{"blank entries are not shown", page(""), pages(",a,, ,b", "a|b", "null")},
	}},
	{"entries", "", "A visitor who got no answer sends again, and must sign once.", []row{
		{"a repeat is answered as the first", form("text=once"), repeats("%s")},
		{"a repeat with the key in quotes", form("text=once"), repeats(`"%s"`)},
		{"the same key with another text", form("text=first"), func(b *book, r request) error {
			r = r.with("Idempotency-Key", unique())
			return inTurn(posts, of(r.sends(formType, "text=second&key=KEY"), refuses(422)))(b, r)
		}},
		{"an empty Idempotency-Key", form("text=x").with("Idempotency-Key", ""), refuses(400)},
		{"two Idempotency-Keys", form("text=x").with("Idempotency-Key", "a", "b"), refuses(400)},
		{"an Idempotency-Key of two words", form("text=x").with("Idempotency-Key", "a b"), refuses(400)},
	}},
	{"entries", "", "An entry that shows nothing, or that the server misread, is in the book for ever.", []row{
		{"no text", form(""), refuses(400)},
		{"a blank text", form("text=+%0A%E2%80%8B"), refuses(400)},
		{"a list as text", form("text[]=x"), refuses(400)},
		{"a number as text", object(`{"text": 1, "key": "KEY"}`), refuses(400)},
		{"broken JSON", object(`{"text": "x", "key": "KEY"`), refuses(400)},
		{"plain text", form("").sends("text/plain", "x"), refuses(415)},
		{"DELETE of entries", page("").by("DELETE"), refuses(405)},
	}},
	{"entries", "php", "A book of thousands of entries is read by pages; one that is wrong hides or repeats messages.", []row{
		{"the newest two", page("&limit=2"), pages(",é,b,c", "b|c", "3")},
		{"those before them", page("&limit=2&before=3"), pages(",é,b,c", "é", "null")},
		{"those before the first", page("&before=0"), pages(",é,b,c", "", "null")},
		{"a page with what was seen", page("&limit=1&seen=5"), pages(",é,b,c", "c", "5")},
		{"before where no entry starts", page("&before=1"), refuses(400)},
		{"before is no number", page("&before=x"), refuses(400)},
		{"limit 0", page("&limit=0"), refuses(400)},
		{"limit 501", page("&limit=501"), refuses(400)},
		{"seen is negative", page("&seen=-1"), refuses(400)},
		{"entries of an empty key", page("").asks("key="), refuses(400)},
	}},
}

var live = []group{
	{"live", "entries", "A visitor who has the page open sees each new message once, at once and in order.", []row{
		{"type of the stream", events(""), header("Content-Type", "text/event-stream")},
		{"an entry arrives", events(""), follows("", of(form(`text=new,%20"one"`), posts), `entry new, "one"`)},
		{"entries arrive once each, in order", events(""), follows("", inTurn(
			of(form("text=0"), posts), of(form("text=1"), posts), of(form("text=2"), posts), of(form("text=3"), posts),
		), "entry 0", "entry 1", "entry 2", "entry 3")},
	}},
	{"live", "php", "A browser that lost the stream goes on where it was: nothing is missed and nothing twice.", []row{
		{"a stream from the beginning", events("&after=-1"), follows(",a,b", inTurn(), "entry a", "entry b")},
		{"a stream after an id", events("&after=0"), follows(",a,b,c", inTurn(), "entry b", "entry c")},
		{"Last-Event-ID", events("").with("Last-Event-ID", "2"), follows(",a,b,c", inTurn(), "entry c")},
		{"Last-Event-ID goes before after", events("&after=-1").with("Last-Event-ID", "2"), follows(",a,b,c", inTurn(), "entry c")},
		{"after is no number", events("&after=x"), refuses(400)},
		{"POST to the stream", events("").by("POST"), refuses(405)},
	}},
	{"live", "php", "A page that is not told of a rewritten book shows what is no longer there.", []row{
		{"a set is a reset", events(""), follows(old, puts(",other"), "reset ")},
	}},
}

var concurrent = []group{
	{"concurrent", "php", "Of 20 visitors who signed at once, the original kept 2.", []row{
		{"500 posts at once", form("text=visitor"), crowd},
	}},
	{"concurrent", "entries", "A visitor on a bad line sends again before the first is answered.", []row{
		{"one post 50 times at once", form("text=once"), func(b *book, r request) error {
			r = r.with("Idempotency-Key", unique())
			ids := make([]string, 50)
			var sending sync.WaitGroup
			for i := range ids {
				sending.Go(func() {
					e, err := b.append(r)
					ids[i] = fmt.Sprint(e, err)
				})
			}
			sending.Wait()
			slices.Sort(ids)
			if ids = slices.Compact(ids); len(ids) > 1 {
				return &difference{strings.Join(ids, "; "), "one and the same entry"}
			}
			return nil
		}},
	}},
}

func (b *book) append(r request) (entry, error) {
	a, err := b.send(r)
	if err == nil && (a.status != http.StatusCreated || a.json.ID == nil) {
		err = &difference{a.String(), `201 {"id": …, "text": "…"}`}
	}
	return a.json.entry, err
}

func posts(b *book, r request) error {
	_, err := b.append(r)
	return err
}

func appends(text string) keeps {
	return func(b *book, r request) error {
		e, err := b.append(r)
		if err == nil && e.Text != text {
			err = &difference{e.String(), "the text " + abbreviated(text)}
		}
		if err == nil {
			err = b.newest(e)
		}
		return err
	}
}

func (b *book) newest(e entry) error {
	return expects("a page that ends with "+e.String(), func(a answer) bool {
		list := a.json.Entries
		return list != nil && len(*list) > 0 && (*list)[len(*list)-1].String() == e.String()
	})(b, page(fmt.Sprint("&limit=2&seen=", *e.ID)))
}

// repeats returns a check that posts two entries with the same text, and then repeats the first POST. The repeated POST must return the
// first POST's entry, and must store nothing.
func repeats(form string) keeps {
	return func(b *book, r request) error {
		key := unique()
		first, err1 := b.append(r.with("Idempotency-Key", key))
		second, err2 := b.append(r.with("Idempotency-Key", unique()))
		repeat, err3 := b.append(r.with("Idempotency-Key", fmt.Sprintf(form, key)))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if repeat.String() != first.String() || *second.ID <= *first.ID {
			return &difference{fmt.Sprint(first, ", ", second, ", ", repeat), "an entry, a newer entry, and the first again"}
		}
		return b.newest(second)
	}
}

// pages returns a check that sets the guestbook's text, requests one page, and compares the page's entries with the parameter "texts", and
// the JSON field "before" with the parameter "before".
func pages(book, texts, before string) keeps {
	return holding(book, expects(fmt.Sprintf("200 with the entries %q and before %s", texts, before), func(a answer) bool {
		var shown []string
		for _, e := range *cmp.Or(a.json.Entries, &[]entry{{Text: "none"}}) {
			shown = append(shown, e.Text)
		}
		return a.status == http.StatusOK && strings.Join(shown, "|") == texts && string(a.json.Before) == before
	}))
}

// follows returns a check that sets the guestbook's text, opens an event stream, calls "do", and expects exactly the events "want".
func follows(text string, do keeps, want ...string) keeps {
	return holding(text, func(b *book, r request) error {
		time.Sleep(300*time.Millisecond + 2*b.lag) // without a pause, the event stream might begin with a reset event
		ctx, cancel := context.WithTimeout(b.ctx, requestTimeout)
		defer cancel()
		response, err := b.open(ctx, r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return &difference{response.Status, "200 and a stream"}
		}
		if err := do(b, r); err != nil {
			return err
		}
		lines := bufio.NewScanner(response.Body)
		var got []string
		event := map[string]string{}
		for quiet := (*time.Timer)(nil); lines.Scan(); {
			if field, value, ok := strings.Cut(lines.Text(), ": "); ok {
				event[field] = value
				continue
			}
			var e entry
			_ = json.Unmarshal([]byte(event["data"]), &e)
			switch name := event["event"]; {
			case name == "entry" && event["id"] != fmt.Sprint(*cmp.Or(e.ID, new(int64(-1)))):
				got = append(got, fmt.Sprintf("%q without its entry's id", event))
			case name != "" && name != "heartbeat":
				got = append(got, name+" "+e.Text)
			}
			clear(event)
			if len(got) == len(want) && quiet == nil { // after the last expected event, wait 300 ms for surplus events
				quiet = time.AfterFunc(300*time.Millisecond, cancel)
			}
		}
		if !slices.Equal(got, want) {
			return &difference{fmt.Sprintf("the events %q", got), fmt.Sprintf("%q", want)}
		}
		return nil
	})
}

// crowd is a check in which 500 visitors write at once. Each visitor posts one entry or, on a server without /guestbook/entries, sets the
// whole guestbook.
func crowd(b *book, r request) error {
	if err := puts("")(b, r); err != nil {
		return err
	}
	const visitors = 500
	word := unique()
	var signing sync.WaitGroup
	for i := range visitors {
		signing.Go(func() {
			text := fmt.Sprint(word, "-", i, ".")
			if b.has("entries") {
				_ = posts(b, r.sends(formType, "key=KEY&text="+text))
			} else {
				a, _ := b.send(read)
				_ = stored(b, get("cmd=set&key=KEY&value="+strings.Join(a.data(), "")+","+text))
			}
		})
	}
	signing.Wait()
	time.Sleep(max(100*time.Millisecond, 4*b.lag))
	a, _ := b.send(read)
	lost := 0
	for i := range visitors {
		if strings.Count(a.body, fmt.Sprint(word, "-", i, ".")) != 1 {
			lost++
		}
	}
	if lost > 0 {
		return &difference{fmt.Sprintf("of %d messages %d are lost or there twice", visitors, lost), "each there once"}
	}
	return nil
}
