package admin_test

import (
	"io"
	"strings"
	"testing"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// maxMemory is the memory limit for a command, in KB.
const maxMemory = 40 << 10

// repeated is an io.Reader without an end: it returns a text again and again.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], r.text[r.at:])
		n, r.at = n+copied, (r.at+copied)%len(r.text)
	}
	return n, nil
}

// stream returns a reader with the parameter "text" again and again, up to n bytes, and then with the parameter "end".
func stream(text string, n int, end string) io.Reader {
	return io.MultiReader(io.LimitReader(&repeated{text: text}, int64(n)), strings.NewReader(end))
}

func TestImportNeedsLittleMemory(t *testing.T) {
	t.Setenv("REDIS_COMMANDS", "") // turns off the recording of Redis commands, because it is slow for a command of 1 MB
	pod := podtest.Redis(t, localpod.Options{})
	c := podtest.Dial(t, pod.Ports.Master)
	long := func(text string) string { // returns a line of an export with the longest allowed text: an "x", and then the parameter "text" many times
		return `{"text":"x` + strings.Repeat(text, 1<<20-1) + "\"}\n"
	}
	invalid := `{"text":"` + strings.Repeat(`\ufffd`, 1<<20) + `","bytes":"` + strings.Repeat("////", 1<<20/3) + "\"}\n"
	for name, test := range map[string]struct {
		stdin io.Reader
		says  string
	}{
		"no end of a line":   {stream("x", 300<<20, ""), "line 1 is longer than"},
		"an entry of 300 MB": {io.MultiReader(strings.NewReader(`{"text":"`), stream("x", 300<<20, "\"}\n{\"entries\":1}\n")), "line 1 is longer than"},
		"a line of spaces":   {stream(" ", 300<<20, ""), "line 1 is longer than"},
		"empty lines":        {stream("\n", 30<<20, `{"entries":0}`), "0 entries appended"},
		"the longest texts":  {stream(long(`\u0001`), 8*len(long(`\u0001`)), `{"entries":8}`), "8 entries appended"},
		"the longest ASCII":  {stream(long(`x`), 8*len(long(`x`)), `{"entries":8}`), "8 entries appended"},
		"commas":             {stream(long(`,`), 8*len(long(`,`)), `{"entries":8}`), "8 entries appended"},
		"the longest lines":  {stream(invalid, 8*len(invalid), `{"entries":8}`), "8 entries appended"},
		"just too long ones": {stream(`{"text":"`+strings.Repeat("x", 8<<20-12)+"\"}\n", 1<<30, ""), "line 1 has a text of 8388596 bytes"},
	} {
		podtest.Do(t, c, "FLUSHALL")
		var out strings.Builder
		command := podtest.Command(t, pod, "import")
		command.Stdin, command.Stdout, command.Stderr = test.stdin, &out, &out
		memory, _ := peak(t, command)
		t.Logf("%s: %d MB", name, memory>>10)
		if !strings.Contains(out.String(), test.says) || memory > maxMemory || memory == 0 {
			t.Errorf("%s: %d MB, %s", name, memory>>10, &out)
		}
	}
}

func TestExportNeedsLittleMemory(t *testing.T) {
	t.Setenv("REDIS_COMMANDS", "") // turns off the recording of Redis commands, because it is slow for a command of 60 MB
	pod := podtest.Redis(t, localpod.Options{})
	c := podtest.Dial(t, pod.Ports.Master)
	for _, test := range []struct {
		text     string
		entries  int
		commands [][]string
	}{
		{"\x01", 5, [][]string{{"export"}, {"entries"}}},
		{"\xff", 5, [][]string{{"export"}, {"entries"}}},
		{"%2C", 5, [][]string{{"export"}, {"entries"}}},
		{"é", 5, [][]string{{"export"}, {"entries"}}},
		{"x", 60, [][]string{{"export"}}},
	} {
		longest := ",x" + strings.Repeat(test.text, (1<<20-1)/len(test.text))
		podtest.Do(t, c, "SET", book, strings.Repeat(longest, test.entries))
		for _, args := range test.commands {
			var errs strings.Builder
			command := podtest.Command(t, pod, args...)
			command.Stdout, command.Stderr = io.Discard, &errs
			memory, err := peak(t, command)
			t.Logf("%s of %q: %d MB", args, test.text, memory>>10)
			if err != nil || memory > maxMemory || memory == 0 {
				t.Errorf("%s of %q: %d MB, %v, %s", args, test.text, memory>>10, err, &errs)
			}
		}
	}
}
