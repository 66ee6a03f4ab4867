package history

import (
	"path/filepath"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	start := time.Now()
	type timed struct {
		Write
		from, to int // milliseconds
	}
	stored := func(text, key string, id int64, from, to int) timed {
		return timed{Write{Book: "b", Text: text, Key: key, Outcome: Stored, ID: id}, from, to}
	}
	other := func(text, key string, outcome Outcome, from, to int) timed {
		return timed{Write{Book: "b", Text: text, Key: key, Outcome: outcome}, from, to}
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
