package history

import (
	"path/filepath"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
)

func TestCheck(t *testing.T) {
	type requests []any
	stored := func(text string, id int64) Write { return Write{Book: "b", Text: text, ID: id, Outcome: Stored} }
	keyed := func(text string, id int64) Write {
		return Write{Book: "b", Text: text, ID: id, Outcome: Stored, Key: "k"}
	}
	unknown, refused := Write{Book: "b", Text: "a", Key: "k"}, Write{Book: "b", Text: "a", Key: "k", Outcome: Refused}
	set, hide := Write{Book: "b", Set: true, Text: ",x", Outcome: Stored}, Write{Book: "b", Hide: true, Outcome: Stored}
	whole := func(text string) Read { return Read{Book: "b", Seen: -1, Whole: &text} }
	page := func(seen int64, entries ...guestbook.Entry) Read {
		return Read{Book: "b", Seen: seen, Entries: entries}
	}
	event := func(after int64, entry guestbook.Entry) Read {
		return Read{Book: "b", Seen: -1, Entries: []guestbook.Entry{entry}, Event: true, After: after}
	}
	a, b, c := guestbook.Entry{ID: 0, Text: "a"}, guestbook.Entry{ID: 2, Text: "b"}, guestbook.Entry{ID: 4, Text: "c"}
	postA, postB, postC := stored("a", 0), stored("b", 2), stored("c", 4)

	for name, test := range map[string]struct {
		final    string
		ok       bool
		requests requests // are sent one after the other
	}{
		"one after the other":              {",a,b", true, requests{postA, postB}},
		"an id before an older answer's":   {",b,a", false, requests{stored("a", 2), stored("b", 0)}},
		"a post is lost":                   {"", false, requests{postA}},
		"a post is there twice":            {",a,a", false, requests{postA}},
		"a repeat":                         {",a", true, requests{keyed("a", 0), keyed("a", 0)}},
		"a repeat that is stored again":    {",a,a", false, requests{keyed("a", 0), keyed("a", 2)}},
		"unknown, and there":               {",a,b", true, requests{unknown, postB}},
		"unknown, and not there":           {",b", true, requests{unknown, stored("b", 0)}},
		"unknown, and there later":         {",b,a", true, requests{unknown, stored("b", 0)}},
		"unknown, then its repeat":         {",a,b", true, requests{unknown, postB, keyed("a", 0)}},
		"refused, and there":               {",a", false, requests{refused}},
		"refused, but known to its repeat": {",a,b", false, requests{refused, postB, keyed("a", 0)}},
		"a set":                            {",x,b", true, requests{postA, set, postB}},
		"a set that lost a later post":     {",x", false, requests{set, postB}},
		"hidden":                           {", ,b", true, requests{postA, postB, hide}},
		"hidden, and there":                {",a", false, requests{postA, hide}},
		"hidden at an id that moved":       {",a, ", false, requests{postA, postB, hide}},
		"hidden, and moved what follows":   {",b", false, requests{postA, hide, stored("b", 0)}},
		"a repeat of a hidden post":        {", ", true, requests{keyed("a", 0), hide, keyed("a", 0)}},

		"the newest page":              {", ,b", true, requests{postA, postB, hide, page(-1, b)}},
		"a slave that is behind":       {", ,b", true, requests{postA, postB, hide, page(-1, a)}},
		"a slave that has not hidden":  {", ,b", true, requests{postA, postB, hide, page(-1, a, b)}},
		"behind what was seen":         {",a,b", false, requests{postA, postB, page(2, a)}},
		"as new as what was seen":      {",a,b", true, requests{postA, postB, page(2, b)}},
		"a text that was never posted": {",a", false, requests{postA, page(-1, guestbook.Entry{ID: 0, Text: "x"})}},
		"an entry at another id":       {",a", false, requests{postA, page(-1, guestbook.Entry{ID: 1, Text: "a"})}},
		"an entry before it was sent":  {",a,b", false, requests{postA, page(-1, a, b), postB}},
		"a slave without data":         {",a", false, requests{postA, page(-1)}},
		"a whole book":                 {", ,b", true, requests{postA, postB, hide, whole(", ,b")}},
		"an older book":                {", ,b", true, requests{postA, postB, hide, whole(",a,b")}},
		"a book hidden too early":      {", ,b", false, requests{postA, postB, whole(", ,b"), hide}},
		"another book":                 {",a,b", false, requests{postA, postB, whole(",b,a")}},

		"a stream":                        {",a,b", true, requests{postA, postB, event(-1, a), event(0, b)}},
		"a stream without a hidden entry": {",a, ,c", true, requests{postA, postB, postC, Write{Book: "b", Hide: true, ID: 2, Outcome: Stored}, event(0, c)}},
		"a stream that missed an entry":   {",a,b,c", false, requests{postA, postB, postC, event(0, c)}},
		"a stream without the first":      {",a,b", false, requests{postA, postB, event(-1, b)}},
		"a stream that goes back":         {",a,b", false, requests{postA, postB, event(2, a)}},
		"a stream that repeats an entry":  {",a,b", false, requests{postA, postB, event(2, b)}},
		"a stream with another entry":     {",a", false, requests{postA, event(-1, guestbook.Entry{ID: 0, Text: "x"})}},
		"an event before it was sent":     {",a,b", false, requests{postA, event(0, b), postB}},
	} {
		var l Log
		for i, request := range test.requests {
			l.Add(request, began.Add(time.Duration(2*i+1)*time.Second), began.Add(time.Duration(2*i+2)*time.Second))
		}
		err := l.Check("b", test.final, time.Minute, filepath.Join(t.TempDir(), "picture.html"))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
