package admin_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestExport(t *testing.T) {
	pod, c := podtest.Shared(t)
	for content, want := range map[string][]string{
		"":                                 nil,
		", ,\ufffc,,":                      nil,
		"<first>,,a%2C \"b\"\n,   ,last":   {`{"text":"<first>"}`, `{"text":"a, \u0022b\u0022\u000a"}`, `{"text":"last"}`},
		",\xff%2525":                       {`{"text":"\ufffd%25","bytes":"/yUyNQ=="}`},
		",grün 😀":                          {`{"text":"gr\u00fcn \ud83d\ude00"}`},
		",\x1b[2J\x7f\u009b2J\u202e\u2028": {`{"text":"\u001b[2J\u007f\u009b2J\u202e\u2028"}`}, // some of these characters move a terminal's cursor
	} {
		podtest.Do(t, c, "SET", book, content)
		all := strings.Join(append(want, fmt.Sprintf(`{"entries":%d}`, len(want))), "\n") + "\n"
		count := fmt.Sprintf("%d entries exported\n", len(want))
		if out, errs, code := try(t, pod, nil, "export"); out != all || errs != count || code != 0 {
			t.Errorf("%q: exit code %d, %s, the export is\n%swant\n%s", content, code, errs, out, all)
		}
		file := filepath.Join(t.TempDir(), "book.jsonl")
		if _, errs, code := try(t, pod, nil, "export", file); must.Read(t, file) != all || errs != count || code != 0 {
			t.Errorf("%q: exit code %d, %s, the file has %q", content, code, errs, must.Read(t, file))
		}
		if _, errs, code := try(t, pod, nil, "export", filepath.Join(file, "x")); code != 1 || !strings.Contains(errs, "not a directory") {
			t.Errorf("a file that cannot be: %d, %s", code, errs)
		}
	}
}

// If an export fails, the output lacks the last line with the number of entries, so that an import refuses the output.
func TestAFailedExportHasNoEnd(t *testing.T) {
	pod, c := podtest.Shared(t)
	podtest.Do(t, c, "SET", book, strings.Repeat(",an entry", 200_000))
	command := podtest.Command(t, pod, "export")
	pipe := must.Get(command.StdoutPipe())(t)
	must.OK(t, command.Start())
	first := make([]byte, 1) // once a byte arrives, the export has begun; the test then stops reading, so that the full pipe blocks the export
	must.Get(io.ReadFull(pipe, first))(t)
	podtest.Do(t, c, "SET", book, ",another book")
	rest := must.Get(io.ReadAll(pipe))(t)
	if err := command.Wait(); err == nil || strings.Contains(string(rest), "entries") {
		t.Errorf("it ends with %v and %q", err, rest[max(0, len(rest)-100):])
	}
	if _, errs, code := try(t, pod, strings.NewReader(string(first)+string(rest)), "import", "-key", "copy"); code != 1 || !strings.Contains(errs, "cut short") {
		t.Errorf("its import: exit code %d, %s", code, errs)
	}
}

func TestAFullDiskIsToldOnce(t *testing.T) {
	pod, c := podtest.Shared(t)
	podtest.Do(t, c, "SET", book, ",a")
	full := must.Get(os.OpenFile("/dev/full", os.O_WRONLY, 0))(t)
	defer full.Close()
	for _, args := range [][]string{{"export"}, {"entries"}} {
		var errs strings.Builder
		command := podtest.Command(t, pod, args...)
		command.Stdout, command.Stderr = full, &errs
		if err := command.Run(); err == nil || strings.Count(errs.String(), "no space left on device\n") != 1 {
			t.Errorf("%s: %v, %s", args[0], err, &errs)
		}
	}
}

// An export that runs while visitors post contains the first n entries of the guestbook, unchanged and in order.
func TestExportWhileOthersPost(t *testing.T) {
	pod, c := podtest.Shared(t)
	podtest.Do(t, c, "SET", book, strings.Repeat(",before", 100_000))
	var exported string
	whilePosting(t, c, func() { exported = run(t, pod, "", "export") })
	n := strings.Count(exported, "\n") - 1
	if all := textsOf(t, c, book); n < 100_000 || exported != lines(all[:n]...) {
		t.Errorf("%d entries of %d are exported, or others: …%.500s", n, len(all), exported[max(0, len(exported)-500):])
	}
}
