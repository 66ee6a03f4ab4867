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
		memory := must.Get(peak(t, command))(t)
		took := time.Since(started)
		t.Logf("%s: %s, %d MB", args[0], took.Round(time.Millisecond), memory>>10)
		if took > time.Minute || memory > 40<<10 || memory == 0 { // an idle machine needs less than 10 s
			t.Errorf("%s takes %s and %d MB", args[0], took, memory>>10)
		}
		must.Get(file.Seek(0, io.SeekStart))(t)
	}
	wantBook(t, c, "copy", all.String())
}
