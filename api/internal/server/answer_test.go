package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONStringKeepsOrdinaryText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `""`},
		{",TestEntry,x", `",TestEntry,x"`},
		{"<b>&amp;</b> / é 😀 \u2028\x7f", "\"<b>&amp;</b> / é 😀 \u2028\x7f\""},
		{`say "hi" \o/`, `"say \"hi\" \\o/"`},
		{"a\nb\tc\r\x00", `"a\nb\tc\r\u0000"`},
		{"\xff\xc3(\xe2\x82", "\"\uFFFD\uFFFD(\uFFFD\uFFFD\""},
		{"\uFFFD", "\"\uFFFD\""},
	} {
		if got := string(appendJSONString(nil, c.text)); got != c.want {
			t.Errorf("%q is written as %s, want %s", c.text, got, c.want)
		}
	}
}

// json.Unmarshal must decode the result of appendJSONString and the result of json.Marshal to the same text.
func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", `"\`, "\x00\x1f\x7f", "é😀\u2028", "\xff\xed\xa0\x80", "\xf0\x9f\x98", strings.Repeat("a", 100) + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := appendJSONString([]byte("x"), string(text))[1:]
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q is written as %q, which is not JSON", text, got)
		}
		theirs, err := json.Marshal(string(text))
		if err != nil {
			t.Fatal(err)
		}
		var ours, want string
		if err := json.Unmarshal(got, &ours); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(theirs, &want); err != nil {
			t.Fatal(err)
		}
		if ours != want {
			t.Errorf("%q reads back as %q, encoding/json's as %q", text, ours, want)
		}
	})
}

func BenchmarkJSONString(b *testing.B) {
	text := strings.Repeat(`,A "message" of thirty bytes, é`, 1000)
	dst := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		appendJSONString(dst, text)
	}
}
