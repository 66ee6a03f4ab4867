package admin_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// needsLittleMemory executes a command, and expects that the command uses at most 40 MB of memory.
func needsLittleMemory(t *testing.T, what string, command *exec.Cmd) error {
	t.Helper()
	must.OK(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for kilobytes := 0; ; {
		select {
		case err := <-ended:
			t.Logf("%s: %d MB", what, kilobytes>>10)
			if kilobytes > 40<<10 || kilobytes == 0 {
				t.Errorf("%s takes %d KB", what, kilobytes)
			}
			return err
		case <-time.After(5 * time.Millisecond):
			// The test polls VmHWM while the command runs, because the field ru_maxrss of getrusage would also count the memory of the
			// test, which forks the command.
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid))
			_, most, _ := strings.Cut(string(status), "VmHWM:")
			_, _ = fmt.Sscan(most, &kilobytes) // fails once the command has ended, because Linux then empties the command's file in /proc
		}
	}
}

// repeat returns a reader with n times the parameter "text", and then the parameter "end".
func repeat(n int, text, end string) io.Reader {
	var parts []io.Reader
	for range n {
		parts = append(parts, strings.NewReader(text))
	}
	return io.MultiReader(append(parts, strings.NewReader(end))...)
}

func TestImportNeedsLittleMemory(t *testing.T) {
	t.Setenv("REDIS_COMMANDS", "") // turns off the recording of Redis commands, because it is slow for a command of 1 MB
	pod := podtest.Redis(t, localpod.Options{})
	c := podtest.Dial(t, pod.Ports.Master)
	mega := strings.Repeat("x", 1<<20)
	longest := `{"text":"` + strings.Repeat(`\ufffd`, 1<<20) + `","bytes":"` + strings.Repeat("////", 1<<20/3) + "\"}\n"
	for what, test := range map[string]struct {
		stdin io.Reader
		says  string
	}{
		"no end of a line":        {repeat(300, mega, ""), "line 1 is longer than 8388608 bytes"},
		"empty lines":             {repeat(30, strings.Repeat("\n", 1<<20), `{"entries":0}`), "0 entries appended"},
		"the longest texts":       {repeat(8, `{"text":"x`+strings.Repeat(`\u0001`, 1<<20-1)+"\"}\n", `{"entries":8}`), "8 entries appended"},
		"commas":                  {repeat(8, `{"text":"x`+strings.Repeat(",", 1<<20-1)+"\"}\n", `{"entries":8}`), "8 entries appended"},
		"the longest lines":       {repeat(8, longest, `{"entries":8}`), "8 entries appended"},
		"lines just short enough": {repeat(100, `{"text":"`+strings.Repeat("x", 8<<20-12)+"\"}\n", ""), "line 1 has a text of 8388596 bytes"},
	} {
		podtest.Do(t, c, "FLUSHALL")
		var out strings.Builder
		command := podtest.Command(t, pod, "import")
		command.Stdin, command.Stdout, command.Stderr = test.stdin, &out, &out
		if _ = needsLittleMemory(t, what, command); !strings.Contains(out.String(), test.says) {
			t.Errorf("%s: %s", what, &out)
		}
	}
}

func TestExportNeedsLittleMemory(t *testing.T) {
	t.Setenv("REDIS_COMMANDS", "") // turns off the recording of Redis commands, because it is slow for a command of 60 MB
	pod := podtest.Redis(t, localpod.Options{})
	c := podtest.Dial(t, pod.Ports.Master)
	for text, entries := range map[string]int{"\x01": 5, "\xff": 5, "%2C": 5, "é": 5, "x": 60} {
		longest := ",x" + strings.Repeat(text, (1<<20-1)/len(text))
		podtest.Do(t, c, "SET", book, strings.Repeat(longest, entries))
		for _, command := range []string{"export", "entries"} {
			must.OK(t, needsLittleMemory(t, fmt.Sprintf("%s of %q", command, text), podtest.Command(t, pod, command)))
		}
	}
}
