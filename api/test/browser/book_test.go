package browser

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

const key = "messages"

// A book is a guestbook for one test: a local pod, and a connection to the pod's Redis master.
type book struct {
	*localpod.Pod
	t      *testing.T
	master redis.Conn
}

// newBook starts a guestbook with these entries.
func newBook(t *testing.T, texts ...string) *book {
	t.Helper()
	t.Parallel()
	return newBookAlone(t, texts...)
}

// newBookAlone starts a guestbook with these entries, and does not make the test parallel.
func newBookAlone(t *testing.T, texts ...string) *book {
	t.Helper()
	pod, master := podtest.Pod(t, localpod.Options{})
	b := &book{pod, t, master}
	if len(texts) > 0 {
		b.write(texts...)
	}
	return b
}

// open starts a guestbook with these entries, and opens the guestbook's page.
func open(t *testing.T, v visitor, texts ...string) (*book, *page) {
	t.Helper()
	b := newBook(t, texts...)
	return b, visit(t, b.URL(), v)
}

// openBehindProxy starts a guestbook with these entries, and opens the guestbook's page through a proxy.
func openBehindProxy(t *testing.T, v visitor, texts ...string) (*book, *proxy, *page) {
	t.Helper()
	b := newBook(t, texts...)
	front := newProxy(t, b)
	return b, front, visit(t, front.URL, v)
}

// write appends entries to the guestbook directly in Redis, and waits until the Redis slave has the entries.
func (b *book) write(texts ...string) {
	b.t.Helper()
	var raw strings.Builder
	for _, text := range texts {
		raw.WriteString(guestbook.Encode(text))
	}
	b.do("APPEND", key, raw.String())
	if n := b.do("WAIT", 1, waitLimit.Milliseconds()/4); n != int64(1) {
		b.t.Fatalf("%d slaves have the entries", n)
	}
}

func (b *book) do(command string, args ...any) any {
	b.t.Helper()
	return podtest.Do(b.t, b.master, command, args...)
}

// raw returns the guestbook as Redis stores it, such as ",first,second".
func (b *book) raw() string {
	b.t.Helper()
	value, _ := b.do("GET", key).([]byte)
	return string(value)
}

func (b *book) texts() (texts []string) {
	b.t.Helper()
	entries, _ := guestbook.Split(b.raw(), 0)
	for _, e := range entries {
		texts = append(texts, e.Text)
	}
	return texts
}

// check fails the test unless the guestbook consists of these texts, in any order.
func (b *book) check(texts ...string) {
	b.t.Helper()
	if got := b.texts(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(texts))) {
		b.t.Errorf("Redis holds %q, want %q", got, texts)
	}
}

// hang suspends the API's process, so that the API keeps its connections open but does not answer.
func (b *book) hang() (resume func()) {
	b.t.Helper()
	must.OK(b.t, b.API.Signal(syscall.SIGSTOP))
	resume = func() { _ = b.API.Signal(syscall.SIGCONT) }
	b.t.Cleanup(resume) // a suspended API would ignore the signal to stop
	return resume
}

func (b *book) kill() {
	b.t.Helper()
	podtest.Kill(b.t, b.API)
}

func (b *book) restart() {
	b.t.Helper()
	podtest.Start(b.t, b.API)
}

func (b *book) awaitStreams(want int) {
	b.t.Helper()
	must.Hold(b.t, fmt.Sprint(want, " streams"), waitLimit, func() bool {
		_, metrics := must.Fetch(b.t, b.APIURL()+"/metrics")
		return strings.Contains(metrics, fmt.Sprintf("\nguestbook_event_viewers %d\n", want))
	})
}

// numbered returns n texts, such as "entry 0", "entry 1" and "entry 2".
func numbered(text string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s %d", text, i))
	}
	return texts
}
