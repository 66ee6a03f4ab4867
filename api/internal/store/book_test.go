package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// Two guestbooks never share a record of an idempotency key, even if the guestbooks' keys contain braces.
func TestIdempotencyKeysOfTwoBooksAreApart(t *testing.T) {
	s, _ := openShared(t)
	for _, c := range []struct{ book, key string }{
		{"a", "b}:idempotency:c"}, {"a}:idempotency:b", "c"}, {"a}", "b"}, {"a", "}b"}, {"a}:idempotency:}", "b"}, {"a", "b"},
	} {
		for _, repeat := range []bool{false, true} {
			if _, known, err := s.Append(within(t, 10*time.Second), c.book, c.key, "same text"); err != nil || known != repeat {
				t.Errorf("%q under %q: known %t, %v; want known %t", c.book, c.key, known, err, repeat)
			}
		}
	}
}

func TestAFullRedisLosesNothing(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s, master := open(t, pod), podtest.Dial(t, pod.Ports.Master)
	set(t, s, ",kept")
	podtest.Do(t, master, "CONFIG", "SET", "proto-max-bulk-len", 1<<20)
	podtest.Do(t, master, "SETRANGE", "long", 1<<20-1, "x")
	for key, maxMemory := range map[string]int{"long": 0, book: 1} {
		podtest.Do(t, master, "CONFIG", "SET", "maxmemory", maxMemory)
		for _, idempotencyKey := range []string{"", "k"} {
			if _, _, err := s.Append(within(t, 10*time.Second), key, idempotencyKey, "x"); !errors.Is(err, guestbook.ErrFull) {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	wantBook(t, master, ",kept")
}

func entry(id int64, text string) guestbook.Entry { return guestbook.Entry{ID: id, Text: text} }

func pages(t *testing.T, s fixture, limit int) (all []guestbook.Entry) {
	t.Helper()
	for before := int64(-1); ; {
		entries, older, err := s.Page(within(t, 10*time.Second), book, before, -1, limit, 1<<20)
		must.OK(t, err)
		if len(entries) > limit || before >= 0 && older >= before {
			t.Fatalf("%d entries before %d, limit %d, older %d", len(entries), before, limit, older)
		}
		all = slices.Concat(entries, all)
		if before = older; before < 0 {
			return all
		}
	}
}

func TestPagesHoldEveryEntryOnce(t *testing.T) {
	s, _ := openShared(t)
	var many strings.Builder
	for i := range 1000 {
		many.WriteString(guestbook.Encode(fmt.Sprintf("%d é😀 %s", i, strings.Repeat("x", i%300))))
	}
	for name, content := range map[string]string{
		"empty":                     "",
		"without a leading comma":   "first,second,third",
		"with empty entries":        ",,a,,b,,",
		"only empty entries":        ",,,",
		"hidden entries at the end": ",a,b" + strings.Repeat(", ", 20_000),
		"empty between others":      ",a" + strings.Repeat(",", 400_000) + ",b" + strings.Repeat(", ", 200_000) + ",c",
		"a long entry":              ",a," + strings.Repeat("x", 300_000) + ",b",
		"many":                      many.String(),
	} {
		put(t, s, content)
		want, _ := guestbook.Split(content, 0)
		for _, limit := range []int{1, 2, 7, 500} {
			if len(want) > 100 && limit < 7 {
				continue
			}
			if got := pages(t, s, limit); !slices.Equal(got, want) {
				t.Errorf("%s, by %d: %d entries, want %d", name, limit, len(got), len(want))
			}
		}
	}
}

func TestAPageHasWholeEntriesWhileABookIsRewritten(t *testing.T) {
	s, _ := openShared(t)
	texts := []string{"short", "a longer text"}
	put(t, s, ","+texts[0])
	var rewriting sync.WaitGroup
	ctx, stop := context.WithCancel(within(t, 20*time.Second))
	defer func() { stop(); rewriting.Wait() }()
	rewriting.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = s.Set(ctx, book, strings.Repeat(","+texts[i%2], 1000)) // fails only after "stop"
		}
	})
	for range 1000 {
		entries, _, err := s.Page(ctx, book, -1, -1, 10, 1<<20)
		if err != nil || len(entries) == 0 || slices.ContainsFunc(entries, func(e guestbook.Entry) bool { return !slices.Contains(texts, e.Text) }) {
			t.Fatalf("a page has %v, %v", entries, err)
		}
	}
}

func TestReadsAreBounded(t *testing.T) {
	s, _ := openShared(t)
	text := strings.Repeat("x", 600)
	put(t, s, strings.Repeat(","+text, 3))
	for most, want := range map[int64]error{600: guestbook.ErrTooLong, 1000: nil} {
		page, older, err := s.Page(within(t, 5*time.Second), book, -1, -1, 10, most)
		if !errors.Is(err, want) || err == nil && (older != 1202 || !slices.Equal(page, []guestbook.Entry{entry(1202, text)})) {
			t.Errorf("a page of %d bytes has %.40v, older %d, %v", most, page, older, err)
		}
		next, _, err := s.After(within(t, 5*time.Second), book, guestbook.Start, -1, most)
		if !errors.Is(err, want) || err == nil && !slices.Equal(next, []guestbook.Entry{entry(0, text)}) {
			t.Errorf("the first %d bytes have %.40v, %v", most, next, err)
		}
	}
}

func TestReadingWhatASlaveDoesNotHaveYet(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	s := open(t, pod)
	put(t, s, ",a")
	podtest.Do(t, podtest.Dial(t, pod.Ports.Slave), "REPLICAOF", "127.0.0.1", "1") // cuts the slave off from the master, so that the slave's data no longer changes
	ctx := within(t, 10*time.Second)
	posted, _, err := s.Append(ctx, book, "", "mine")
	must.OK(t, err)
	all := []guestbook.Entry{entry(0, "a"), entry(2, "mine")}
	for _, c := range []struct {
		before, seen int64
		want         []guestbook.Entry
		err          error
	}{
		{-1, -1, all[:1], nil},
		{-1, posted, all, nil}, // only the master has the posted entry
		{posted, -1, all[:1], nil},
		{1, -1, nil, guestbook.ErrNoEntry},
	} {
		if got, _, err := s.Page(ctx, book, c.before, c.seen, 10, 1<<20); !errors.Is(err, c.err) || !slices.Equal(got, c.want) {
			t.Errorf("before %d, seen %d: %v, %v; want %v, %v", c.before, c.seen, got, err, c.want, c.err)
		}
	}
	if got, last, err := s.After(ctx, book, guestbook.AfterEntry(posted), -1, 1<<20); err != nil || len(got) > 0 || last.ID != posted {
		t.Errorf("after the post: %v, %v, %v", got, last, err)
	}
	if n := metric(t, s, "guestbook_redis_fallbacks_total"); n != 0 {
		t.Errorf("%v fallbacks: the slave did answer", n)
	}
}

func TestAfter(t *testing.T) {
	s, _ := openShared(t)
	long := strings.Repeat("x", 100_000)
	position := func(id, end int64, tail string) guestbook.Position {
		return guestbook.Position{ID: id, End: end, Preceding: tail}
	}
	for _, c := range []struct {
		content  string
		position guestbook.Position
		upto     int64
		want     []guestbook.Entry
		last     guestbook.Position
		err      error
	}{
		{"", guestbook.Start, -1, nil, guestbook.Start, nil},
		{",a,b", guestbook.Start, -1, []guestbook.Entry{entry(0, "a"), entry(2, "b")}, position(2, 4, ",a,b"), nil},
		{",a,b", position(0, 2, ",a"), -1, []guestbook.Entry{entry(2, "b")}, position(2, 4, ",a,b"), nil},
		{",a,b,c", position(0, 2, ",a"), 4, []guestbook.Entry{entry(2, "b"), entry(4, "c")}, position(4, 6, ",a,b,c"), nil},
		{"a,b", position(0, 1, "a"), -1, []guestbook.Entry{entry(1, "b")}, position(1, 3, "a,b"), nil},
		{",a,b", position(2, 4, ",a,b"), -1, nil, position(2, 4, ",a,b"), nil},
		{",a,", position(0, 2, ",a"), -1, nil, position(2, 3, ",a,"), nil},
		{"," + long + ",b", position(0, 100_001, long[:64]), -1, []guestbook.Entry{entry(100_001, "b")}, position(100_001, 100_003, long[:62]+",b"), nil},
		{",a," + long, position(0, 2, ",a"), -1, []guestbook.Entry{entry(2, long)}, position(2, 100_003, long[:64]), nil},
		{",a,b", guestbook.AfterEntry(2), -1, nil, position(2, 4, ",a,b"), nil},
		{",a,b", guestbook.AfterEntry(0), 4, []guestbook.Entry{entry(2, "b")}, position(2, 4, ",a,b"), nil},
		{", ,b", guestbook.AfterEntry(0), 4, []guestbook.Entry{entry(2, "b")}, position(2, 4, ", ,b"), nil}, // the entry with the id 0 was hidden after a client had read it
		{"", guestbook.AfterEntry(0), -1, nil, guestbook.Start, guestbook.ErrNoEntry},
		{",a,b", guestbook.AfterEntry(1), -1, nil, position(2, 4, ",a,b"), guestbook.ErrNoEntry},
		{",a,b", guestbook.AfterEntry(9), -1, nil, position(2, 4, ",a,b"), guestbook.ErrNoEntry},
		{",a,   ,c", position(2, 6, ",a,bad"), -1, []guestbook.Entry{entry(6, "c")}, position(6, 8, ",a,   ,c"), nil}, // the entry "bad" was hidden after a client had read it
		{"", position(0, 2, ",a"), -1, nil, guestbook.Start, guestbook.ErrNoEntry},
		{",x,b", position(0, 2, ",a"), -1, nil, position(2, 4, ",x,b"), guestbook.ErrNoEntry},
		{",ab", position(0, 2, ",a"), -1, nil, position(0, 3, ",ab"), guestbook.ErrNoEntry},
		{",other,b", position(6, 8, ",first,b"), -1, nil, position(6, 8, ",other,b"), guestbook.ErrNoEntry}, // the first entry was replaced, and the last entry stays the same
		{",a bad,c", position(2, 6, ",a,bad"), -1, nil, position(6, 8, ",a bad,c"), guestbook.ErrNoEntry},
		{",a,b", position(0, 2, ",a"), 5, nil, position(2, 4, ",a,b"), guestbook.ErrNoEntry}, // the guestbook has 4 bytes, and the argument "upto" is 5
	} {
		put(t, s, c.content)
		got, last, err := s.After(within(t, 5*time.Second), book, c.position, c.upto, 1<<20)
		if !errors.Is(err, c.err) || !slices.Equal(got, c.want) || last != c.last {
			t.Errorf("%.20q after %v: %.40v to %.40v, %v; want %.40v to %.40v, %v", c.content, c.position, got, last, err, c.want, c.last, c.err)
		}
		end, err := s.End(within(t, 5*time.Second), book)
		_, want := guestbook.Split(c.content, 0)
		if want.Preceding = guestbook.LastBytes(c.content); err != nil || end != want {
			t.Errorf("%.20q ends at %.40v, %v, want %.40v", c.content, end, err, want)
		}
	}
}
