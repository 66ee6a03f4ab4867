package history

import (
	"path/filepath"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
)

func TestCheck(t *testing.T) {
	type requests []any
	stored := func(text, key string, id int64) Write {
		return Write{Book: "b", Text: text, Key: key, ID: id, Outcome: Stored}
	}
	hide := func(id int64) Write { return Write{Book: "b", Hide: true, ID: id, Outcome: Stored} }
	whole := func(text string) Read { return Read{Book: "b", Seen: -1, Whole: &text} }
	page := func(seen int64, entries ...guestbook.Entry) Read {
		return Read{Book: "b", Seen: seen, Entries: entries}
	}
	events := func(entries ...guestbook.Entry) Read { return Read{Book: "b", Seen: -1, Entries: entries, All: true} }
	a, b, c := guestbook.Entry{ID: 0, Text: "a"}, guestbook.Entry{ID: 2, Text: "b"}, guestbook.Entry{ID: 4, Text: "c"}
	postA, postB, postC := stored("a", "k", 0), stored("b", "", 2), stored("c", "", 4)
	refused, unknown := Write{Book: "b", Text: "a", Key: "k", Outcome: Refused}, Write{Book: "b", Text: "lost"}
	set := Write{Book: "b", Set: true, Text: ",x", Outcome: Stored}

	for name, test := range map[string]struct {
		ok       bool
		final    string
		requests requests // each request starts after the previous one has ended
	}{
		"everything that is allowed": {true, ",a, ,c", requests{postA, postA, unknown, postB, hide(2), page(-1, a, b), whole(",a,b"),
			whole(",a, "), postC, page(-1, a), page(4, a, c), events(a, c)}},
		"unknown, and there later":  {true, ",b,a", requests{Write{Book: "b", Text: "a"}, stored("b", "", 0)}},
		"a set":                     {true, ",x,b", requests{postA, set, postB}},
		"a repeat of a hidden post": {true, ", ", requests{postA, hide(0), postA}},

		"an id before an older answer's":   {false, ",b,a", requests{stored("a", "", 2), stored("b", "", 0)}},
		"a post is lost":                   {false, "", requests{postA}},
		"a post is there twice":            {false, ",a,a", requests{postA}},
		"a repeat that is stored again":    {false, ",a,a", requests{postA, stored("a", "k", 2)}},
		"refused, and there":               {false, ",a", requests{refused}},
		"refused, but known to its repeat": {false, ",a,b", requests{refused, postB, postA}},
		"a set that lost a later post":     {false, ",x", requests{set, postB}},
		"hidden, and there":                {false, ",a", requests{postA, hide(0)}},
		"hidden at an id that moved":       {false, ",a, ", requests{postA, postB, hide(0)}},
		"hidden, and moved what follows":   {false, ",b", requests{postA, hide(0), stored("b", "", 0)}},

		"behind what was seen":         {false, ",a,b", requests{postA, postB, page(2, a)}},
		"a text that was never posted": {false, ",a", requests{postA, page(-1, guestbook.Entry{ID: 0, Text: "x"})}},
		"an entry at another id":       {false, ",a", requests{postA, page(-1, guestbook.Entry{ID: 1, Text: "a"})}},
		"an entry before it was sent":  {false, ",a,b", requests{postA, page(-1, a, b), postB}},
		"a slave without data":         {false, ",a", requests{postA, page(-1)}},
		"a book hidden too early":      {false, ", ,b", requests{postA, postB, whole(", ,b"), hide(0)}},
		"another book":                 {false, ",a,b", requests{postA, postB, whole(",b,a")}},

		"a viewer without an entry":    {false, ",a,b,c", requests{postA, postB, postC, events(a, c)}},
		"a viewer without the first":   {false, ",a,b", requests{postA, postB, events(b)}},
		"a viewer who goes back":       {false, ",a,b", requests{postA, postB, events(b, a)}},
		"a viewer with an entry twice": {false, ",a,b", requests{postA, postB, events(a, b, b)}},
		"a viewer of another entry":    {false, ",a", requests{postA, events(guestbook.Entry{ID: 0, Text: "x"})}},
		"an event before it was sent":  {false, ",a,b", requests{postA, events(a, b), postB}},
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
