package admin_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
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

// If an operator hides an entry while visitors post other entries, no posted entry is lost or gets another id.
func TestHideAmidWriters(t *testing.T) {
	pod, c := podtest.Pod(t, localpod.Options{})
	const writers, each = 50, 200
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var posted sync.Map // maps the id of each posted entry to its text
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
	var ended atomic.Bool
	go func() { group.Wait(); ended.Store(true) }()
	for !ended.Load() {
		posted.Range(func(id, _ any) bool { // hides the entry that Range finds first
			run(t, pod, "", "hide", fmt.Sprint(id))
			hidden = append(hidden, id.(int64))
			posted.Delete(id)
			return false
		})
	}
	if len(hidden) < 3 {
		t.Fatalf("only %d were hidden", len(hidden))
	}
	entries, _ := guestbook.Split([]byte(text(t, c, book)), 0)
	if len(entries)+len(hidden) != writers*each {
		t.Errorf("%d entries and %d hidden, want %d in all", len(entries), len(hidden), writers*each)
	}
	for _, entry := range entries {
		if text, ok := posted.Load(entry.ID); !ok || text != entry.Text {
			t.Errorf("entry %d is %q, posted was %v", entry.ID, entry.Text, text)
		}
	}
}
