//go:build long

package admin_test

import (
	"fmt"
	"io"
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
	file := must.Get(os.Create(filepath.Join(t.TempDir(), "book.jsonl")))(t)
	defer file.Close()
	for _, args := range [][]string{{"export"}, {"import", "-key", "copy"}} {
		command := podtest.Command(t, pod, args...)
		if args[0] == "export" {
			command.Stdout = file
		} else {
			command.Stdin = file
		}
		started := time.Now()
		must.OK(t, needsLittleMemory(t, args[0], command))
		if took := time.Since(started); took > time.Minute { // an idle machine needs less than 10 s
			t.Errorf("%s takes %s", args[0], took)
		}
		must.Get(file.Seek(0, io.SeekStart))(t)
	}
	wantBook(t, c, "copy", all.String())
}
