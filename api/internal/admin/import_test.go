package admin_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// lines returns the export of a guestbook whose entries have the given texts.
func lines(texts ...string) string {
	var all strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&all, "{\"text\":%q}\n", text)
	}
	return fmt.Sprintf("%s{\"entries\":%d}\n", &all, len(texts))
}

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("entry %d, with some words so that there are several chunks", i))
	}
	return texts
}

func wantTexts(t *testing.T, c redis.Conn, key string, want []string) {
	t.Helper()
	if got := textsOf(t, c, key); !slices.Equal(got, want) {
		t.Errorf("%s has %d entries, want %d, or other texts: %.500q", key, len(got), len(want), got)
	}
}

// wantImport runs the command "import" and checks its output, such as: 2 entries appended, 1 were there already.
func wantImport(t *testing.T, pod *localpod.Pod, export string, appended, known int, args ...string) {
	t.Helper()
	want := fmt.Sprintf("%d entries appended, %d were there already\n", appended, known)
	if out := run(t, pod, export, append([]string{"import"}, args...)...); out != want {
		t.Errorf("it says %q, want %q", out, want)
	}
}

// An import accepts the changes that Windows and editors make to an export, and accepts two exports in one file.
func TestImportTakesWhatIsAnExportAllTheSame(t *testing.T) {
	pod, c := podtest.Shared(t)
	ab := lines("a", "b")
	for _, lines := range []string{
		"\ufeff" + ab, strings.ReplaceAll(ab, "\n", "\r\n"), "\n" + ab + "\n\n", strings.TrimSpace(ab), lines("a") + "\ufeff" + lines("b"), lines() + ab,
		"{\"text\": \"a\", \"id\": 7}\n{ \"text\":\"b\" }\n{\"entries\": 2}",
	} {
		podtest.Do(t, c, "FLUSHALL")
		wantImport(t, pod, lines, 2, 0)
		wantBook(t, c, book, ",a,b")
	}
	wantImport(t, pod, lines(), 0, 0, "-key", "empty")
	wantBook(t, c, "empty", "")
}

func TestImportRefusesWhatIsNoWholeExport(t *testing.T) {
	pod, c := podtest.Shared(t)
	ab := lines("a", "b")
	wide := strings.Join(strings.Split(ab, ""), "\x00")
	for lines, says := range map[string]string{
		"":                                      "api: import: the export is empty or cut short, because its last line is missing (kubectl exec needs -i)",
		"\n\n":                                  `if 0 entries are all, add {"entries":0}; then import`,
		ab[:len(ab)-5]:                          "line 3 is not",
		ab + "{\"text\": \"c\"}\n":              `cut short`,
		"{\"text\": \"a\"}\n{\"entries\": 2}\n": "line 2 ends an export of 2 entries, but 1 came",
		"{\"text\": \"a\"}\n\x1b[2J\n":          `line 2 is not {"text": "…"}`,
		"{\"text\": \"a\", \"entries\": 1}\n":   "if 1 entries are all",
		"{\"text\": \" \"}\n{\"entries\": 1}":   "line 1 has no text, or a blank one",
		"[]\n":                                  "line 1 is not",
		ab + "\x00\x00":                         `line 4 is not {"text": "…"}: jsontext: invalid character`,
		"{\"text\": \"gr\xfcn\"}\n{\"entries\": 1}": "line 1 is not",
		"{\"text\": \"\\ud800\"}\n{\"entries\": 1}": "line 1 is not",
		"\xff\xfe" + wide + "\x00":                  "line 1 is UTF-16, as PowerShell's > writes it: convert the file",
		"\xfe\xff\x00" + wide:                       "line 1 is UTF-16",
		wide + "\x00":                               "line 1 is UTF-16",
		lines(strings.Repeat("x", 1<<20+1)):         "line 1 has a text of 1048577 bytes, and the most are 1048576",
	} {
		podtest.Do(t, c, "FLUSHALL")
		out, errs, code := try(t, pod, strings.NewReader(lines), "import")
		if code != 1 || !strings.Contains(errs, says) || out != "0 entries appended, 0 were there already\n" {
			t.Errorf("%.60q: exit code %d, %s, %s", lines, code, errs, out)
		}
		if strings.ContainsAny(errs, "\x1b\x00") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%.60q: it says %q", lines, errs)
		}
		wantBook(t, c, book, "")
	}
}

// A repeated import continues at the place where the first import broke off, even if entries were posted and hidden between the two
// imports. The first import stops at an invalid line, or at the end of an export whose last lines are missing.
func TestImportGoesOnAfterABreak(t *testing.T) {
	pod, c := podtest.Shared(t)
	texts := numbered(30_000)
	all := lines(texts...)
	line := func(n int) int { return strings.Index(all, fmt.Sprintf("{\"text\":\"entry %d,", n)) }
	want := map[string]int{"old": 1, "between": 8}
	for _, text := range texts[1:] {
		want[text]++
	}
	podtest.Do(t, c, "SET", book, ",old")
	wrong := func(n int) string { return all[:line(n)] + "wrong\n" + all[line(n):] }
	for _, broken := range []string{
		all[:line(3_000)+7], wrong(0), wrong(999), wrong(1_000), all[:line(10_500)], wrong(20_400), all[:line(29_999)],
	} {
		out, errs, code := try(t, pod, strings.NewReader(broken), "import")
		if code != 1 || !strings.Contains(errs, "import the same lines again within a day: none is appended twice") {
			t.Errorf("…%q: exit code %d, %s, %s", broken[max(0, len(broken)-100):], code, out, errs)
		}
		podtest.Do(t, c, "APPEND", book, ",between")
		run(t, pod, "", "hide", "4") // the first imported entry has the id 4, because ",old" before it has 4 bytes
	}
	killed := podtest.Command(t, pod, "import", "-key", "killed")
	stdin := must.Get(killed.StdinPipe())(t)
	must.OK(t, killed.Start())
	must.Get(io.WriteString(stdin, all[:line(15_500)]))(t)
	must.Hold(t, "15,000 entries are appended", time.Minute, func() bool { return strings.Count(text(t, c, "killed"), ",") == 15_000 })
	_ = killed.Process.Kill()
	_ = killed.Wait()
	wantImport(t, pod, all, 15_000, 15_000, "-key", "killed")
	wantTexts(t, c, "killed", texts)

	podtest.Do(t, c, "APPEND", book, ",between")
	wantImport(t, pod, all, 1000, 29_000)
	for _, text := range textsOf(t, c, book) {
		want[text]--
	}
	for text, n := range want {
		if n != 0 {
			t.Errorf("%q is there %d times too few", text, n)
		}
	}
}

// If an operator imports an export, and later imports a newer export of the same guestbook, the second import appends only the new entries.
func TestImportOfALaterExport(t *testing.T) {
	pod, c := podtest.Shared(t)
	texts, known := numbered(3_000), 0
	for _, n := range []int{0, 1, 2, 200, 1_000, 1_001, 1_400, 1_400, 2_999, 3_000} {
		wantImport(t, pod, lines(texts[:n]...), n-known, known)
		known = n
	}
	wantImport(t, pod, lines(texts[:200]...), 0, 200)
	wantTexts(t, c, book, texts)
}

func TestImportKnowsOtherLinesFromTheSame(t *testing.T) {
	pod, c := podtest.Shared(t)
	for range 2 {
		for _, texts := range [][]string{{"ab"}, {"abc", "d"}, {"a"}, {"ab", "c"}} {
			run(t, pod, lines(texts...), "import")
		}
		wantBook(t, c, book, ",ab,abc,d,a,c")
	}
	wantImport(t, pod, lines("a"), 1, 0, "-name", "second")
	wantImport(t, pod, lines("a"), 0, 1, "-name", "second")
	wantBook(t, c, book, ",ab,abc,d,a,c,a")

	// If a guestbook was emptied after an import, a repeat of the import fails with an error.
	podtest.Do(t, c, "SET", book, "")
	out, errs, code := try(t, pod, strings.NewReader(lines("abc", "d")), "import")
	if code != 1 || out != "0 entries appended, 2 were there already\n" || !strings.Contains(errs, "has lost entries that an earlier import appended: with another -name, all are appended again") {
		t.Errorf("exit code %d, %s, %s", code, out, errs)
	}
	wantImport(t, pod, lines("abc", "d"), 2, 0, "-name", "again")
	wantBook(t, c, book, ",abc,d")
}
