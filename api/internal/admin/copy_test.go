package admin_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// FuzzExportAndImport compares books, written by hand, old pages or the API, with their copies.
func FuzzExportAndImport(f *testing.F) {
	pod, c := master(f, localpod.Options{})
	for _, seed := range []string{"", ",", "a", ",a", "a,b", ",,a,,", ",%2C,%252C,%25,%2525", ",\xff\xfe,é", ", ,\u00a0,\n", ",\"\\<>&\u2028\x00", ",\ufffc,\ufffc\x1b,\u009b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		podtest.Do(t, c, "FLUSHALL")
		podtest.Do(t, c, "SET", book, content)
		lines := run(t, pod, "", "export")
		run(t, pod, lines, "import", "-key", "copy")
		want, _ := guestbook.Split([]byte(content), 0)
		got, _ := guestbook.Split([]byte(value(t, c, "copy")), 0)
		if len(got) != len(want) {
			t.Fatalf("%q has %d entries, its copy %d", content, len(want), len(got))
		}
		for i := range got {
			if got[i].Text != want[i].Text {
				t.Errorf("entry %d is %q, in the copy %q", i, want[i].Text, got[i].Text)
			}
		}
		if again := run(t, pod, "", "export", "-key", "copy"); again != lines {
			t.Errorf("the copy's export is another:\n%s\n%s", lines, again)
		}
		for line := range strings.Lines(lines) {
			if !json.Valid([]byte(line)) || strings.ContainsFunc(line[:len(line)-1], func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("no JSON in ASCII: %q", line)
			}
		}
	})
}

// TestRandomBooks does with books of many entries what the fuzzer does with short ones.
func TestRandomBooks(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	pieces := []string{",", ",", ",", "%2C", "%25", "%", "2C", "25", " ", "\n", "a", "é", "\xff", "\xc3", "\"", "\\", "text"}
	for range 8 {
		var content strings.Builder
		for range rand.IntN(50_000) {
			content.WriteString(pieces[rand.IntN(len(pieces))])
		}
		podtest.Do(t, c, "FLUSHALL")
		podtest.Do(t, c, "SET", book, content.String())
		lines := run(t, pod, "", "export")
		run(t, pod, lines, "import", "-key", "copy")
		if again := run(t, pod, "", "export", "-key", "copy"); again != lines {
			t.Fatal("the copy's export is another")
		}
		want, _ := guestbook.Split([]byte(content.String()), 0)
		got, _ := guestbook.Split([]byte(value(t, c, "copy")), 0)
		for i, entry := range want {
			if len(got) != len(want) || got[i].Text != entry.Text {
				t.Fatalf("entry %d of %d is %q; the copy has %d", i, len(want), entry.Text, len(got))
			}
		}
	}
}
