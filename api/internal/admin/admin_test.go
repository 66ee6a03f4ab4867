// Package admin tests the operator's commands as separate processes, with a real Redis.
package admin_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

const book = "messages"

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

func try(t testing.TB, pod *localpod.Pod, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	command := podtest.Command(t, pod, args...)
	command.Stdin, command.Stdout, command.Stderr = stdin, &out, &errs
	if err := command.Run(); command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

func run(t testing.TB, pod *localpod.Pod, stdin string, args ...string) string {
	t.Helper()
	out, errs, code := try(t, pod, strings.NewReader(stdin), args...)
	if code != 0 || errs != "" && args[0] != "export" {
		t.Fatalf("%q: exit code %d, %s%s", args, code, out, errs)
	}
	return out
}

func wantBook(t testing.TB, c redis.Conn, key, want string) {
	t.Helper()
	if got := text(t, c, key); got != want {
		t.Errorf("%s is %.200q, want %.200q", key, got, want)
	}
}

func text(t testing.TB, c redis.Conn, key string) string {
	t.Helper()
	return must.Get(redis.String(c.Do("GETRANGE", key, 0, -1)))(t)
}

// textsOf returns the texts of all entries of a guestbook.
func textsOf(t testing.TB, c redis.Conn, key string) (all []string) {
	t.Helper()
	entries, _ := guestbook.Split(text(t, c, key), 0)
	for _, entry := range entries {
		all = append(all, entry.Text)
	}
	return all
}

// whilePosting appends entries to the guestbook until the function "do" returns, and returns the appended entries.
func whilePosting(t *testing.T, c redis.Conn, do func()) (posted string) {
	t.Helper()
	var all strings.Builder
	var ended atomic.Bool
	var posting sync.WaitGroup
	posting.Go(func() {
		for i := 0; !ended.Load(); i++ {
			entry := fmt.Sprint(",later ", i)
			all.WriteString(entry)
			if _, err := c.Do("APPEND", book, entry); err != nil {
				t.Error(err)
				return
			}
		}
	})
	end := func() { ended.Store(true); posting.Wait() }
	defer end() // stops the posts of the other goroutine even if do() ends the test early
	do()
	end()
	return all.String()
}

func TestEntries(t *testing.T) {
	pod, c := podtest.Shared(t)
	if out := run(t, pod, "", "entries"); out != "" {
		t.Errorf("an empty book has %q", out)
	}
	podtest.Do(t, c, "SET", book, "first,,a%2C b\n\x1b[2J\u202e, ,\xff,last")
	all := "0\tfirst\n6\ta, b\\n\\x1b[2J\\u202e\n23\t\\xff\n25\tlast\n"
	for args, want := range map[string]string{
		"entries": all, "entries -key other": "",
	} {
		if out := run(t, pod, "", strings.Fields(args)...); out != want {
			t.Errorf("%s: %q, want %q", args, out, want)
		}
	}
	podtest.Do(t, c, "SET", "guestbook", ",pinned")
	t.Setenv("GUESTBOOK_KEY", "guestbook")
	if pinned, named := run(t, pod, "", "entries"), run(t, pod, "", "entries", "-key", book); pinned != "0\tpinned\n" || named != all {
		t.Errorf("with GUESTBOOK_KEY: %q, and with -key: %q", pinned, named)
	}
}

// A spreadsheet must not mistake the text of a listed entry for a formula, or for the beginning of a quoted cell.
func TestEntriesAreNoFormulas(t *testing.T) {
	pod, c := podtest.Shared(t)
	content, want := "", ""
	for text, listed := range map[string]string{
		"=HYPERLINK(1)": "'=HYPERLINK(1)", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", " =1": "' =1", "\"=1\"": `\"=1\"`, `\n`: `\\n`, "＝1": "'＝1",
		"＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "\t=1": `\t=1`, "\r=1": `\r=1`, "\u00a0=1": `\u00a0=1`, "1+1=2": "1+1=2", "a -b": "a -b", "'x": "'x", "a%2C=1;+b;-)": "a,'=1;'+b;-)",
		"+%2C=1;-;@x": "'+,'=1;'-;'@x", "-%2C5+A1": "'-,5+A1",
	} {
		want += fmt.Sprintf("%d\t%s\n", len(content), listed)
		content += "," + text
	}
	podtest.Do(t, c, "SET", book, content)
	if out := run(t, pod, "", "entries"); out != want {
		t.Errorf("the list is\n%s\nwant\n%s", out, want)
	}
}

func TestWrongUse(t *testing.T) {
	pod := podtest.New(t, localpod.Options{})
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"frobnicate":            {2, `there is no command "frobnicate": see api -help`},
		"hide":                  {2, "see api -help"},
		"hide 1 2":              {2, "see api -help"},
		"import FILE":           {2, "see api -help"},
		"entries -name x":       {2, "see api -help"},
		"hide -help":            {0, "api hide ID"},
		"hide 1":                {1, "api: hide: 1: master EVAL: not sent"},
		"export":                {1, "connection refused"},
		"entries -key messages": {1, "connection refused"},
	} {
		out, errs, code := try(t, pod, nil, strings.Fields(args)...)
		if code != want.code || !strings.Contains(out+errs, want.says) || strings.Count(errs, "\n") > 2 {
			t.Errorf("%s: exit code %d, %s%s", args, code, out, errs)
		}
	}
}
