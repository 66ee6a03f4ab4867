package admin_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

func TestExport(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	for content, want := range map[string][]string{
		"":                                 nil,
		", ,\ufffc,,":                      nil,
		"<first>,,a%2C \"b\"\n,   ,last":   {`{"text":"<first>"}`, `{"text":"a, \u0022b\u0022\u000a"}`, `{"text":"last"}`},
		",\xff%2525":                       {`{"text":"\ufffd%25","bytes":"/yUyNQ=="}`},
		",grün 😀":                          {`{"text":"gr\u00fcn \ud83d\ude00"}`},
		",\x1b[2J\x7f\u009b2J\u202e\u2028": {`{"text":"\u001b[2J\u007f\u009b2J\u202e\u2028"}`}, // these characters move a terminal's cursor
	} {
		podtest.Do(t, c, "SET", book, content)
		all := strings.Join(append(want, fmt.Sprintf(`{"entries":%d}`, len(want))), "\n") + "\n"
		out, errs, code := try(t, pod, nil, "export")
		if out != all || errs != fmt.Sprintf("%d entries exported\n", len(want)) || code != 0 {
			t.Errorf("%q: exit code %d, %s, the export is\n%swant\n%s", content, code, errs, out, all)
		}
		file := filepath.Join(t.TempDir(), "book.jsonl")
		_, errs, code = try(t, pod, nil, "export", file)
		if written, err := os.ReadFile(file); string(written) != all || errs != fmt.Sprintf("%d entries exported\n", len(want)) || code != 0 {
			t.Errorf("%q: exit code %d, %s, the file has %q, %v", content, code, errs, written, err)
		}
		if _, errs, code := try(t, pod, nil, "export", filepath.Join(file, "x")); code != 1 || !strings.Contains(errs, "not a directory") {
			t.Errorf("a file that cannot be: %d, %s", code, errs)
		}
	}
}

// If an export fails, its output lacks the last line with the number of entries, so that an import refuses the output.
func TestAFailedExportHasNoEnd(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	podtest.Do(t, c, "SET", book, strings.Repeat(",an entry", 200_000))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	command := podtest.Command(t, pod, "export")
	command.Stdout = write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	first := make([]byte, 1) // reading a byte shows that the export has begun; later the full pipe blocks the export
	if _, err := io.ReadFull(read, first); err != nil {
		t.Fatal(err)
	}
	podtest.Do(t, c, "SET", book, ",another book")
	rest, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil || strings.Contains(string(rest), "entries") {
		t.Errorf("it ends with %v and %q", err, rest[max(0, len(rest)-100):])
	}
	if _, errs, code := try(t, pod, strings.NewReader(string(first)+string(rest)), "import", "-key", "copy"); code != 1 || !strings.Contains(errs, "cut short") {
		t.Errorf("its import: exit code %d, %s", code, errs)
	}
}

func TestAFullDiskIsToldOnce(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	podtest.Do(t, c, "SET", book, ",a")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
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

func TestExportWhileOthersPost(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	var before strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&before, ",entry %d", i)
	}
	podtest.Do(t, c, "SET", book, before.String())
	stop, writer := make(chan struct{}), podtest.Dial(t, pod.Ports.Master)
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := writer.Do("APPEND", book, fmt.Sprintf(",later %d", i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	lines := strings.Split(strings.TrimSpace(run(t, pod, "", "export")), "\n")
	close(stop)
	group.Wait()
	last := len(lines) - 1
	if last < 100_000 || lines[last] != fmt.Sprintf(`{"entries":%d}`, last) {
		t.Fatalf("%d lines, the last is %s", len(lines), lines[last])
	}
	for i, line := range lines[:last] {
		want := fmt.Sprintf(`{"text":"entry %d"}`, i)
		if i >= 100_000 {
			want = fmt.Sprintf(`{"text":"later %d"}`, i-100_000)
		}
		if line != want {
			t.Fatalf("line %d is %s, want %s", i, line, want)
		}
	}
}
