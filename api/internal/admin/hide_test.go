package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"guestbook/api/test/kit/podtest"
)

func TestHide(t *testing.T) {
	pod, c := podtest.Shared(t)
	long := strings.Repeat("x", 3<<20)
	for _, test := range []struct {
		name, before, id string
		code             int
		says, after      string
	}{
		{"one of several", ",a,bad,c", "2", 0, "entry 2 is hidden: 3 bytes", ",a,   ,c"},
		{"the first without comma", "first,b", "0", 0, "entry 0 is hidden: 5 bytes", "     ,b"},
		{"the first with comma", ",first,b", "0", 0, "entry 0 is hidden: 5 bytes", ",     ,b"},
		{"hidden already", ",a,   ,c", "2", 0, "entry 2 was hidden already", ",a,   ,c"},
		{"without text", ",,b", "0", 0, "entry 0 was hidden already", ",,b"},
		{"unknown", ",a,bad,c", "3", 1, "api: hide: 3: ", ",a,bad,c"},
		{"after the end", ",a", "2", 1, "no entry starts there", ",a"},
		{"far after the end", ",a", "9223372036854775807", 1, "no entry starts there", ",a"},
		{"of an empty book", "", "0", 1, "no entry starts there", ""},
		{"3 MB", ",a," + long + ",c", "2", 0, "3145728 bytes", ",a," + strings.Repeat(" ", 3<<20) + ",c"},
		{"negative", ",a", "-1", 2, "see api -help", ",a"},
	} {
		podtest.Do(t, c, "SET", book, test.before)
		out, errs, code := try(t, pod, nil, "hide", test.id)
		if code != test.code || !strings.Contains(out+errs, test.says) || (code == 0) != (errs == "") {
			t.Errorf("%s: exit code %d, %q, %q", test.name, code, out, errs)
		}
		wantBook(t, c, book, test.after)
	}
	podtest.Do(t, c, "SET", "other", ",a")
	run(t, pod, "", "hide", "0", "-key", "other")
	run(t, pod, "", "hide", "-key=other", "0")
	wantBook(t, c, "other", ", ")

	// An operator can hide an entry even when Redis is full.
	podtest.Do(t, c, "SET", book, ",bad")
	podtest.Do(t, c, "CONFIG", "SET", "maxmemory", 1)
	defer podtest.Do(t, c, "CONFIG", "SET", "maxmemory", 0)
	run(t, pod, "", "hide", "0")
	wantBook(t, c, book, ",   ")
	if out, errs, code := try(t, pod, strings.NewReader(lines("x")), "import"); code != 1 || !strings.Contains(errs, "full") {
		t.Errorf("an import: %d, %s, %s", code, out, errs)
	}
}

// If an operator hides entries while visitors post, no posted entry is lost or gets another id.
func TestHideAmidWriters(t *testing.T) {
	pod, c := podtest.Shared(t)
	const n = 5
	podtest.Do(t, c, "SET", book, strings.Repeat(",bad", n))
	posted := whilePosting(t, c, func() {
		for i := range n {
			run(t, pod, "", "hide", fmt.Sprint(i*len(",bad")))
		}
	})
	wantBook(t, c, book, strings.Repeat(",   ", n)+posted)
}
