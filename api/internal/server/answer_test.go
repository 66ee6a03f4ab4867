package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// json.Unmarshal must decode the result of appendJSONString to the original text, except that U+FFFD replaces each byte that is not valid
// UTF-8.
func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", `"\`, "\x00\x1f\x7f", "é😀\u2028", "\xff\xed\xa0\x80", "\xf0\x9f\x98", strings.Repeat("a", 100) + "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := appendJSONString([]byte("x"), text)[1:]
		var back string
		if err := json.Unmarshal(got, &back); err != nil || !utf8.Valid(got) || back != string([]rune(text)) {
			t.Errorf("%q is written as %q, which reads back as %q, %v", text, got, back, err)
		}
	})
}
