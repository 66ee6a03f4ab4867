//go:build long

package admin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// The export and the import of a million entries take little time and memory.
func TestAMillionEntries(t *testing.T) {
	pod, c := podtest.Shared(t)
	var all strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&all, ",A message of thirty %9d", i)
	}
	podtest.Do(t, c, "SET", book, all.String())
	file := filepath.Join(t.TempDir(), "book.jsonl")
	for _, args := range []string{"export " + file, "import -key copy"} {
		command := podtest.Command(t, pod, strings.Fields(args)...)
		if exported, err := os.Open(file); err == nil {
			command.Stdin = exported
		}
		started := time.Now()
		must.OK(t, needsLittleMemory(t, args, command))
		if took := time.Since(started); took > time.Minute { // an idle machine needs less than 10 s
			t.Errorf("%s takes %s", args, took)
		}
	}
	wantBook(t, c, "copy", all.String())
}
