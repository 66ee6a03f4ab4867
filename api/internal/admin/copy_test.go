package admin_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// wantSameCopy exports a guestbook, imports the export under another key, and fails the test if an entry is lost or changed.
func wantSameCopy(t *testing.T, pod *localpod.Pod, c redis.Conn, content string) {
	t.Helper()
	podtest.Do(t, c, "FLUSHALL")
	podtest.Do(t, c, "SET", book, content)
	lines := run(t, pod, "", "export")
	run(t, pod, lines, "import", "-key", "copy")
	var texts []string
	entries, _ := guestbook.Split([]byte(content), 0)
	for _, entry := range entries {
		texts = append(texts, entry.Text)
	}
	wantTexts(t, c, "copy", texts)
	if again := run(t, pod, "", "export", "-key", "copy"); again != lines {
		t.Errorf("the copy's export is another:\n%.500s\n%.500s", lines, again)
	}
	for line := range strings.Lines(lines) {
		if !json.Valid([]byte(line)) || strings.ContainsFunc(line[:len(line)-1], func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("no JSON in ASCII: %q", line)
		}
	}
}

// A guestbook can contain any bytes, because the PHP guestbook, the API and operators write to the same key.
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
	f.Fuzz(func(t *testing.T, content string) { wantSameCopy(t, pod, c, content) })
}
