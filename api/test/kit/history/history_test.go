package history

import (
	"path/filepath"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
)

func TestCheck(t *testing.T) {
	start := time.Now()
	type timed struct {
		Write
		from, to int // the request's start and end, in milliseconds
	}
	stored := func(text, key string, id int64, from, to int) timed {
		return timed{Write{Book: "b", Text: text, Key: key, Outcome: Stored, ID: id}, from, to}
	}
	other := func(text, key string, outcome Outcome, from, to int) timed {
		return timed{Write{Book: "b", Text: text, Key: key, Outcome: outcome}, from, to}
	}
	hide := func(id int64, from, to int) timed {
		return timed{Write{Book: "b", Hide: true, Outcome: Stored, ID: id}, from, to}
	}
	for name, c := range map[string]struct {
		writes []timed
		final  string
		ok     bool
	}{
		"one after the other":              {[]timed{stored("a", "", 0, 0, 1), stored("b", "", 2, 2, 3)}, ",a,b", true},
		"at once, the second first":        {[]timed{stored("a", "", 2, 0, 3), stored("b", "", 0, 1, 2)}, ",b,a", true},
		"an id before an older answer's":   {[]timed{stored("a", "", 2, 0, 1), stored("b", "", 0, 2, 3)}, ",b,a", false},
		"a post is lost":                   {[]timed{stored("a", "", 0, 0, 1)}, "", false},
		"a post is there twice":            {[]timed{stored("a", "", 0, 0, 1)}, ",a,a", false},
		"a repeat":                         {[]timed{stored("a", "k", 0, 0, 1), stored("a", "k", 0, 2, 3)}, ",a", true},
		"a repeat that is stored again":    {[]timed{stored("a", "k", 0, 0, 1), stored("a", "k", 2, 2, 3)}, ",a,a", false},
		"unknown, and there":               {[]timed{other("a", "", Unknown, 0, 1), stored("b", "", 2, 2, 3)}, ",a,b", true},
		"unknown, and not there":           {[]timed{other("a", "", Unknown, 0, 1), stored("b", "", 0, 2, 3)}, ",b", true},
		"unknown, and there later":         {[]timed{other("a", "", Unknown, 0, 1), stored("b", "", 0, 2, 3)}, ",b,a", true},
		"refused, and there":               {[]timed{other("a", "", Refused, 0, 1)}, ",a", false},
		"unknown, then its repeat":         {[]timed{other("a", "k", Unknown, 0, 1), stored("b", "", 2, 2, 3), stored("a", "k", 0, 4, 5)}, ",a,b", true},
		"refused, but known to its repeat": {[]timed{other("a", "k", Refused, 0, 1), stored("b", "", 2, 2, 3), stored("a", "k", 0, 4, 5)}, ",a,b", false},
		"a set":                            {[]timed{stored("a", "", 0, 0, 1), {Write{Book: "b", Set: true, Text: ",x", Outcome: Stored}, 2, 3}, stored("b", "", 2, 4, 5)}, ",x,b", true},
		"a set that lost a later post":     {[]timed{{Write{Book: "b", Set: true, Text: ",x", Outcome: Stored}, 0, 1}, stored("b", "", 2, 2, 3)}, ",x", false},
		"ids of two posts swapped":         {[]timed{stored("a", "", 2, 0, 1), stored("bb", "", 0, 0, 1)}, ",a,bb", false},
		"hidden":                           {[]timed{stored("a", "", 0, 0, 1), stored("b", "", 2, 2, 3), hide(0, 4, 5)}, ", ,b", true},
		"hidden, and there":                {[]timed{stored("a", "", 0, 0, 1), hide(0, 2, 3)}, ",a", false},
		"hidden at an id that moved":       {[]timed{stored("a", "", 0, 0, 1), stored("b", "", 2, 2, 3), hide(0, 4, 5)}, ",a, ", false},
		"hidden, and moved what follows":   {[]timed{stored("a", "", 0, 0, 1), hide(0, 2, 3), stored("b", "", 0, 4, 5)}, ",b", false},
		"a repeat of a hidden post":        {[]timed{stored("a", "k", 0, 0, 1), hide(0, 2, 3), stored("a", "k", 0, 4, 5)}, ", ", true},
	} {
		var l Log
		for _, w := range c.writes {
			l.Add(w.Write, start.Add(time.Duration(w.from)*time.Millisecond), start.Add(time.Duration(w.to)*time.Millisecond))
		}
		err := l.Check("b", c.final, time.Minute, filepath.Join(t.TempDir(), "picture.html"))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckOfReads(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	a, b := guestbook.Entry{ID: 0, Text: "a"}, guestbook.Entry{ID: 2, Text: "b"}
	page := func(seen int64, entries ...guestbook.Entry) Read {
		return Read{Book: "b", Seen: seen, Entries: entries}
	}
	whole := func(text string) Read { return Read{Book: "b", Seen: -1, Whole: &text} }
	for name, c := range map[string]struct {
		read Read
		done int // how many of the three writes ended before the read began: posting a, posting b, hiding a
		ok   bool
	}{
		"what there is":                {page(-1, b), 3, true},
		"a slave that is behind":       {page(-1, a), 3, true},
		"a slave that has not hidden":  {page(-1, a, b), 3, true},
		"behind what was seen":         {page(2, a), 3, false},
		"as new as what was seen":      {page(2, b), 3, true},
		"a text that was never posted": {page(-1, a, guestbook.Entry{ID: 2, Text: "x"}), 3, false},
		"an entry at another id":       {page(-1, guestbook.Entry{ID: 1, Text: "a"}), 3, false},
		"an entry before it was sent":  {page(-1, a, b), 1, false},
		"hidden before it was":         {page(-1, b), 2, true}, // allowed, because a page with one entry shows only b
		"an empty page":                {page(-1), 3, true},
		"an empty page after one seen": {page(0), 3, false},
		"the book":                     {whole(", ,b"), 3, true},
		"an older book":                {whole(",a,b"), 3, true},
		"a book hidden too early":      {whole(", ,b"), 2, false},
		"another book":                 {whole(",b,a"), 3, false},
	} {
		var l Log
		l.Add(Write{Book: "b", Text: "a", Outcome: Stored, ID: 0}, at(0), at(1))
		l.Add(Write{Book: "b", Text: "b", Outcome: Stored, ID: 2}, at(10), at(11))
		l.Add(Write{Book: "b", Hide: true, Outcome: Stored, ID: 0}, at(20), at(21))
		l.Add(c.read, at(10*c.done-5), at(10*c.done-4))
		if err := l.Check("b", ", ,b", time.Minute, filepath.Join(t.TempDir(), "picture.html")); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
