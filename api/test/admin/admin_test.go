// Package admin tests the operator's commands as programs, against real Redis.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
	"guestbook/api/test/visitors"
)

const book = "messages"

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// master starts a master, with a slave.
func master(t testing.TB, o localpod.Options) (*localpod.Pod, redis.Conn) {
	t.Helper()
	pod := podtest.Redis(t, o)
	return pod, podtest.Dial(t, pod.Ports.Master)
}

// try runs a command, and gives what it printed and its exit code.
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

// run runs a command that must succeed.
func run(t testing.TB, pod *localpod.Pod, stdin string, args ...string) string {
	t.Helper()
	out, errs, code := try(t, pod, strings.NewReader(stdin), args...)
	if code != 0 || errs != "" {
		t.Fatalf("%q: exit code %d, %s%s", args, code, out, errs)
	}
	return out
}

func value(t testing.TB, c redis.Conn, key string) string {
	t.Helper()
	v, err := redis.String(c.Do("GET", key))
	if err != nil && !errors.Is(err, redis.ErrNil) {
		t.Fatal(err)
	}
	return v
}

func TestEntries(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	if out := run(t, pod, "", "entries"); out != "" {
		t.Errorf("an empty book has %q", out)
	}
	podtest.Do(t, c, "SET", book, "first,,a%2C b\n\x1b[2J\u202e, ,\xff,last")
	all := "0\tfirst\n6\ta, b\\n\\x1b[2J\\u202e\n23\t\ufffd\n25\tlast\n"
	for args, want := range map[string]string{
		"entries": all, "entries -last 0": all, "entries -last 9": all, "entries -last=1": "25\tlast\n", "entries -key other": "",
		"entries -last 2": "23\t\ufffd\n25\tlast\n",
	} {
		if out := run(t, pod, "", strings.Fields(args)...); out != want {
			t.Errorf("%s: %q, want %q", args, out, want)
		}
	}
	podtest.Do(t, c, "SET", "guestbook", ",pinned")
	t.Setenv("GUESTBOOK_KEY", "guestbook")
	if out := run(t, pod, "", "entries"); out != "0\tpinned\n" {
		t.Errorf("with GUESTBOOK_KEY: %q", out)
	}
	if out := run(t, pod, "", "entries", "-key", book); out != all {
		t.Errorf("with another -key: %q", out)
	}
}

func TestHide(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	long := strings.Repeat("x", 3<<20)
	for _, test := range []struct {
		name, before, id string
		code             int
		says, after      string
	}{
		{"one of several", ",a,bad,c", "2", 0, "entry 2 is hidden: 3 bytes", ",a,   ,c"},
		{"the last", ",a,bad", "2", 0, "entry 2 is hidden", ",a,   "},
		{"the first without comma", "first,b", "0", 0, "entry 0 is hidden: 5 bytes", "     ,b"},
		{"the first with comma", ",first,b", "0", 0, "entry 0 is hidden: 5 bytes", ",     ,b"},
		{"the only one", "x", "0", 0, "entry 0 is hidden: 1 bytes", " "},
		{"of several bytes a letter", ",é😀,b", "0", 0, "6 bytes", ",      ,b"},
		{"hidden already", ",a,   ,c", "2", 0, "entry 2 was hidden already", ",a,   ,c"},
		{"without text", ",,b", "0", 0, "entry 0 was hidden already", ",,b"},
		{"unknown", ",a,bad,c", "3", 1, "api: hide: 3: ", ",a,bad,c"},
		{"after the end", ",a", "2", 1, "no entry starts there", ",a"},
		{"far after the end", ",a", "9223372036854775807", 1, "no entry starts there", ",a"},
		{"of an empty book", "", "0", 1, "no entry starts there", ""},
		{"3 MB", ",a," + long + ",c", "2", 0, "3145728 bytes", ",a," + strings.Repeat(" ", 3<<20) + ",c"},
		{"no number", ",a", "x", 2, "see api -help", ",a"},
		{"negative", ",a", "-1", 2, "see api -help", ",a"},
	} {
		podtest.Do(t, c, "SET", book, test.before)
		out, errs, code := try(t, pod, nil, "hide", test.id)
		if code != test.code || !strings.Contains(out+errs, test.says) || (code == 0) != (errs == "") {
			t.Errorf("%s: exit code %d, %q, %q", test.name, code, out, errs)
		}
		if got := value(t, c, book); got != test.after {
			t.Errorf("%s: the book is %.60q, want %.60q", test.name, got, test.after)
		}
	}
	podtest.Do(t, c, "SET", "other", ",a")
	run(t, pod, "", "hide", "0", "-key", "other")
	run(t, pod, "", "hide", "-key=other", "0")
	if got := value(t, c, "other"); got != ", " {
		t.Errorf("the other book is %q", got)
	}
}

// What fills a guestbook must not keep the keeper from taking it back.
func TestHideWhereRedisIsFull(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	podtest.Do(t, c, "SET", book, ",bad")
	podtest.Do(t, c, "CONFIG", "SET", "maxmemory", 1)
	run(t, pod, "", "hide", "0")
	if got := value(t, c, book); got != ",   " {
		t.Errorf("the book is %q", got)
	}
	if out, errs, code := try(t, pod, strings.NewReader(`{"text": "x"}`), "import"); code != 1 || !strings.Contains(errs, "full") {
		t.Errorf("an import: %d, %s, %s", code, out, errs)
	}
}

// Whoever writes at the same moment loses nothing, and all that others see stays where it is.
func TestHideAmidWriters(t *testing.T) {
	pod, c := podtest.Pod(t, localpod.Options{})
	const writers, each = 50, 200
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var posted sync.Map // text by id
	var hidden []int64
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			v := &visitors.Visitor{Base: pod.APIURL(), Client: visitors.NewClient(1)}
			defer v.Client.CloseIdleConnections()
			for i := range each {
				text := fmt.Sprintf("entry %d, of writer %d", i, w)
				id, err := v.Post(ctx, text)
				if err != nil {
					t.Errorf("a post fails: %v", err)
					return
				}
				posted.Store(id, text)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		posted.Range(func(id, _ any) bool { // any one
			run(t, pod, "", "hide", fmt.Sprint(id))
			hidden = append(hidden, id.(int64))
			posted.Delete(id)
			return false
		})
	}
	if len(hidden) < 3 {
		t.Fatalf("only %d were hidden", len(hidden))
	}
	entries, _ := guestbook.Split([]byte(value(t, c, book)), 0)
	if len(entries)+len(hidden) != writers*each {
		t.Errorf("%d entries and %d hidden, want %d in all", len(entries), len(hidden), writers*each)
	}
	for _, entry := range entries {
		if text, ok := posted.Load(entry.ID); !ok || text != entry.Text {
			t.Errorf("entry %d is %q, posted was %v", entry.ID, entry.Text, text)
		}
	}
}

func TestExportAndImport(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	podtest.Do(t, c, "SET", book, "<first>,,a%2C \"b\"\n,   ,\xff%2525,last")
	lines := run(t, pod, "", "export")
	want := `{"text":"<first>"}
{"text":"a, \"b\"\n"}
{"text":"\ufffd%25","bytes":"/yUyNQ=="}
{"text":"last"}
`
	if lines != want {
		t.Errorf("the export is\n%swant\n%s", lines, want)
	}
	file := filepath.Join(t.TempDir(), "book.jsonl")
	run(t, pod, "", "export", file)
	if written, err := os.ReadFile(file); string(written) != want {
		t.Errorf("the file has %q, %v", written, err)
	}
	if _, errs, code := try(t, pod, nil, "export", filepath.Join(file, "x")); code != 1 || !strings.Contains(errs, "not a directory") {
		t.Errorf("a file that cannot be: %d, %s", code, errs)
	}
	for _, test := range []struct{ before, says, after string }{
		{"", "4 entries appended, 0 were there already\n", ",<first>,a%2C \"b\"\n,\xff%2525,last"},
		{",old", "4 entries appended, 0 were there already\n", ",old,<first>,a%2C \"b\"\n,\xff%2525,last"},
	} {
		podtest.Do(t, c, "FLUSHALL")
		podtest.Do(t, c, "SET", "guestbook", test.before)
		if out := run(t, pod, lines, "import", "-key", "guestbook"); out != test.says {
			t.Errorf("it says %q, want %q", out, test.says)
		}
		if got := value(t, c, "guestbook"); got != test.after {
			t.Errorf("the book is %q, want %q", got, test.after)
		}
		if out := run(t, pod, lines, "import", "-key", "guestbook"); out != "0 entries appended, 4 were there already\n" {
			t.Errorf("repeated it says %q", out)
		}
		if got := value(t, c, "guestbook"); got != test.after {
			t.Errorf("repeated, the book is %q, want %q", got, test.after)
		}
	}
	if ttl := podtest.Do(t, c, "TTL", "{guestbook}:idempotency: import").(int64); ttl < 86000 || ttl > 86400 {
		t.Errorf("an import is known for %d s after its end, want a day", ttl)
	}
}

func TestImportRefusesWhatIsNoExport(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	for _, test := range []struct{ lines, says, after string }{
		{"{\"text\": \"a\"}\n\n{\"text\": \"b\", \"id\": 7}", "", ",a,b"},
		{"{\"text\": \"a\"}\nhello\n{\"text\": \"b\"}\n", "api: import: line 2: it is not", ",a"},
		{"{\"text\": \"a\"}\n{\"text\": \"b", "line 2: it is not", ",a"},
		{"{\"text\": \" \"}\n", "line 1: the text is missing or blank", ""},
		{"{}\n", "line 1: the text is missing or blank", ""},
		{"", "", ""},
	} {
		podtest.Do(t, c, "FLUSHALL")
		out, errs, code := try(t, pod, strings.NewReader(test.lines), "import")
		if (code == 0) != (test.says == "") || !strings.Contains(errs, test.says) || !strings.HasSuffix(out, "were there already\n") {
			t.Errorf("%q: exit code %d, %s, %s", test.lines, code, out, errs)
		}
		if got := value(t, c, book); got != test.after {
			t.Errorf("%q: the book is %q, want %q", test.lines, got, test.after)
		}
	}
}

// A repeat goes on where an import broke off, whatever was posted or hidden since, and wherever it broke off.
func TestImportGoesOnAfterABreak(t *testing.T) {
	pod, c := master(t, localpod.Options{})
	var lines strings.Builder
	want := map[string]int{}
	for i := range 30_000 {
		text := fmt.Sprintf("entry %d, with some words so that there are several steps", i)
		want[text]++
		fmt.Fprintf(&lines, "{\"text\":%q}\n", text)
	}
	all := lines.String()
	podtest.Do(t, c, "SET", book, ",old")
	for _, part := range []float64{0.1, 0.35, 0.3, 0.9} {
		try(t, pod, strings.NewReader(all[:int(part*float64(len(all)))]), "import")
		podtest.Do(t, c, "APPEND", book, ",between")
		run(t, pod, "", "hide", "4")
	}
	delete(want, "entry 0, with some words so that there are several steps")
	out := run(t, pod, all, "import")
	var added, known int
	if _, err := fmt.Sscanf(out, "%d entries appended, %d", &added, &known); err != nil || added+known != 30_000 || added > 4_000 {
		t.Errorf("it says %q", out)
	}
	want["old"], want["between"] = 1, 4
	entries, _ := guestbook.Split([]byte(value(t, c, book)), 0)
	for _, entry := range entries {
		want[entry.Text]--
	}
	for text, n := range want {
		if n != 0 {
			t.Errorf("%q is there %d times too few", text, n)
		}
	}
	// Another import that begins alike is another one, and so is the same into a book that lacks it.
	podtest.Do(t, c, "SET", book, "")
	run(t, pod, `{"text":"ab"}`, "import")
	run(t, pod, `{"text":"abc"}`+"\n"+`{"text":"d"}`, "import")
	run(t, pod, `{"text":"a"}`, "import")
	if got := value(t, c, book); got != ",ab,abc,d,a" {
		t.Errorf("the book is %q", got)
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
	if len(lines) < 100_000 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		want := fmt.Sprintf(`{"text":"entry %d"}`, i)
		if i >= 100_000 {
			want = fmt.Sprintf(`{"text":"later %d"}`, i-100_000)
		}
		if line != want {
			t.Fatalf("line %d is %s, want %s", i, line, want)
		}
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
		"entries 3":             {2, "see api -help"},
		"entries -last x":       {2, "see api -help"},
		"entries -last -1":      {2, "see api -help"},
		"export -last 1":        {2, "see api -help"},
		"import FILE":           {2, "see api -help"},
		"hide -help":            {0, "api hide ID"},
		"-help":                 {0, "api hide ID"},
		"hide 1":                {1, "api: hide: 1: master EVAL: get a connection"},
		"export":                {1, "connection refused"},
		"entries -key messages": {1, "connection refused"},
	} {
		out, errs, code := try(t, pod, nil, strings.Fields(args)...)
		if code != want.code || !strings.Contains(out+errs, want.says) || strings.Count(errs, "\n") > 2 {
			t.Errorf("%s: exit code %d, %s%s", args, code, out, errs)
		}
	}
	t.Setenv("REDIS_DB", "x")
	if _, errs, code := try(t, pod, nil, "export"); code != 1 || !strings.HasPrefix(errs, `api: REDIS_DB="x"`) {
		t.Errorf("with a wrong setting: %d, %s", code, errs)
	}
}

// The API's user of Redis may do what the keeper does, in its own books.
func TestAsTheUserOfTheAPI(t *testing.T) {
	const password = "secret"
	pod := podtest.Redis(t, localpod.Options{MasterArgs: podtest.User(t, password), SlaveArgs: podtest.User(t, password)})
	t.Setenv("REDIS_USERNAME", "api")
	t.Setenv("REDIS_PASSWORD", password)
	run(t, pod, `{"text": "bad"}`+"\n"+`{"text": "good"}`, "import")
	run(t, pod, "", "hide", "0")
	if out := run(t, pod, "", "entries"); out != "4\tgood\n" {
		t.Errorf("the entries are %q", out)
	}
	if _, errs, code := try(t, pod, nil, "hide", "0", "-key", "secret"); code != 1 || !strings.Contains(errs, "kept from the guestbook") {
		t.Errorf("another key: %d, %s", code, errs)
	}
}

// FuzzExportAndImport holds books that are written by hand, old pages or the API, against their copies.
func FuzzExportAndImport(f *testing.F) {
	pod, c := master(f, localpod.Options{})
	for _, seed := range []string{"", ",", "a", ",a", "a,b", ",,a,,", ",%2C,%252C,%25,%2525", ",\xff\xfe,é", ", ,\u00a0,\n", ",\"\\<>&\u2028\x00"} {
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
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
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
