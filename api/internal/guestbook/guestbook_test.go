package guestbook

import (
	"slices"
	"strings"
	"testing"
)

// Decode also gets texts of the PHP guestbook, which stores texts without encoding them.
func TestEncoding(t *testing.T) {
	for _, c := range []struct {
		text, stored string
		encoded      bool // true if Encode writes the text as "stored"
	}{
		{"a, b", "a%2C b", true},
		{"100%, sure", "100%%2C sure", true},
		{"%2C", "%252C", true},
		{"%25", "%2525", true},
		{"%252C", "%25252C", true},
		{"%2c %20 %2", "%2c %20 %2", true},
		{"%%2C", "%%252C", true},
		{"%2,", "%2%2C", true},
		{"100%25", "100%25", false},
		{"%25 off", "%25 off", false},
		{"%25,", "%25%2C", false},
	} {
		if got := Encode(c.text); c.encoded && got != ","+c.stored {
			t.Errorf("%q is stored as %q, want %q", c.text, got, c.stored)
		}
		if got := Decode(c.stored); got != c.text {
			t.Errorf("%q reads as %q, want %q", c.stored, got, c.text)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		data string
		want []Entry
		last Position
	}{
		{"", nil, Start},
		{",first,second", []Entry{{0, "first"}, {6, "second"}}, Position{ID: 6, End: 13}},
		{"first,second", []Entry{{0, "first"}, {5, "second"}}, Position{ID: 5, End: 12}},
		{",", nil, Position{ID: 0, End: 1}},
		{",a,,b,", []Entry{{0, "a"}, {3, "b"}}, Position{ID: 5, End: 6}},
		{",é,x", []Entry{{0, "é"}, {3, "x"}}, Position{ID: 3, End: 5}},
		{",a%2Cb", []Entry{{0, "a,b"}}, Position{ID: 0, End: 6}},
		{",\ufff9\ufffa\ufffb,\ufffc,a\ufffc", []Entry{{14, "a\ufffc"}}, Position{ID: 14, End: 19}},
		{"  ,a,   ,\n\u00a0,b,  ", []Entry{{2, "a"}, {12, "b"}}, Position{ID: 14, End: 17}}, // Split skips blank entries
	} {
		entries, last := Split(c.data, 0)
		if !slices.Equal(entries, c.want) || last != c.last {
			t.Errorf("%q holds %v, the last at %v; want %v and %v", c.data, entries, last, c.want, c.last)
		}
	}
}

func FuzzEncoding(f *testing.F) {
	for _, s := range []string{"", ",", "%", "%2C", "%25", "%252C", "%%2C25", "%2", "2C,25%"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		stored := Encode(a)
		if strings.Count(stored, ",") != 1 {
			t.Errorf("%q is stored as %q: not one entry", a, stored)
		}
		if got := Decode(stored[1:]); got != a {
			t.Errorf("%q reads back as %q", a, got)
		}
		var want []Entry
		if !IsBlank(a) {
			want = append(want, Entry{0, a})
		}
		if !IsBlank(b) {
			want = append(want, Entry{int64(len(stored)), b})
		}
		if got, _ := Split(stored+Encode(b), 0); !slices.Equal(got, want) {
			t.Errorf("%q and %q read back as %v", a, b, got)
		}
	})
}
