package admin_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/podtest"
)

// An export and a later import preserve every entry, even if the guestbook contains arbitrary bytes.
func FuzzExportAndImport(f *testing.F) {
	pod, c := podtest.Shared(f)
	for _, seed := range []string{"", ",", "a", ",a", "a,b", ",,a,,", ",%2C,%252C,%25,%2525", ",\xff\xfe,é", ", ,\u00a0,\n", ",\"\\<>&\u2028\x00", ",\ufffc,\ufffc\x1b,\u009b"} {
		f.Add(seed)
	}
	pieces := []string{",", ",", ",", "%2C", "%25", "%", "2C", "25", " ", "\n", "a", "é", "\xff", "\xc3", "\"", "\\", "text"}
	for range 8 {
		var content strings.Builder
		for range rand.IntN(50_000) {
			content.WriteString(pieces[rand.IntN(len(pieces))])
		}
		f.Add(content.String())
	}
	f.Fuzz(func(t *testing.T, content string) {
		podtest.Do(t, c, "FLUSHALL")
		podtest.Do(t, c, "SET", book, content)
		exported := run(t, pod, "", "export")
		run(t, pod, exported, "import", "-key", "copy")
		if original, copied := textsOf(t, c, book), textsOf(t, c, "copy"); !slices.Equal(original, copied) {
			t.Errorf("%d entries became %d: %.500q", len(original), len(copied), copied)
		}
		if again := run(t, pod, "", "export", "-key", "copy"); again != exported {
			t.Errorf("the copy's export is another:\n%.500s\n%.500s", exported, again)
		}
	})
}
