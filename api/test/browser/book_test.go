package browser

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/localpod"
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
	pod, master := podtest.Pod(t, localpod.Options{})
	b := &book{pod, t, master}
	if len(texts) > 0 {
		b.write(texts...)
	}
	return b
}

// open starts a guestbook with these entries, and opens the guestbook's page. open makes the test run in parallel with others.
func open(t *testing.T, texts ...string) (*book, *page) {
	t.Helper()
	t.Parallel()
	b := newBook(t, texts...)
	return b, b.visit(visitor{})
}

// openBehindProxy does the same as open, with a proxy between the page and the pod, and makes the page's timers run ten times as fast.
func openBehindProxy(t *testing.T, texts ...string) (*book, *proxy, *page) {
	t.Helper()
	t.Parallel()
	b := newBook(t, texts...)
	front := newProxy(t, b)
	p := visit(t, front.URL, visitor{hurried: true})
	p.awaitState("live")
	return b, front, p
}

// visit opens the guestbook's page, and waits until the page is live.
func (b *book) visit(v visitor) *page {
	b.t.Helper()
	p := visit(b.t, b.URL(), v)
	p.awaitState("live")
	return p
}

// write appends entries to the guestbook directly in Redis, and waits until the Redis slave has the entries.
func (b *book) write(texts ...string) {
	b.t.Helper()
	var raw strings.Builder
	for _, text := range texts {
		raw.WriteString(guestbook.Encode(text))
	}
	b.do("APPEND", key, raw.String())
	if n, err := redis.Int(b.master.Do("WAIT", 1, waitLimit.Milliseconds()/4)); err != nil || n != 1 {
		b.t.Fatalf("%d slaves have the entries: %v", n, err)
	}
}

func (b *book) do(command string, args ...any) {
	b.t.Helper()
	podtest.Do(b.t, b.master, command, args...)
}

// raw returns the string in which Redis holds the guestbook.
func (b *book) raw() string {
	b.t.Helper()
	value, err := redis.String(b.master.Do("GET", key))
	if err != nil && !errors.Is(err, redis.ErrNil) {
		b.t.Fatal(err)
	}
	return value
}

// texts returns the texts of the entries that Redis holds.
func (b *book) texts() (texts []string) {
	b.t.Helper()
	entries, _ := guestbook.Split([]byte(b.raw()), 0)
	for _, e := range entries {
		texts = append(texts, e.Text)
	}
	return texts
}

// check fails the test unless Redis holds exactly these entries.
func (b *book) check(texts ...string) {
	b.t.Helper()
	if got := b.texts(); !slices.Equal(got, texts) {
		b.t.Errorf("Redis holds %q, want %q", got, texts)
	}
}

// hide hides an entry with the operator's command hide.
func (b *book) hide(id string) {
	b.t.Helper()
	if out, err := podtest.Command(b.t, b.Pod, "hide", id).CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v", out, err)
	}
}

// hang suspends the API's process, which then keeps its connections open but does not answer. resume continues the API's process.
func (b *book) hang() {
	b.t.Helper()
	if err := b.API.Signal(syscall.SIGSTOP); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.resume) // a suspended API would ignore the signal to stop
}

func (b *book) resume() {
	b.t.Helper()
	if err := b.API.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Error(err)
	}
}

func (b *book) kill() {
	b.t.Helper()
	podtest.Kill(b.t, b.API)
}

func (b *book) restart() {
	b.t.Helper()
	podtest.Start(b.t, b.API)
}

// awaitStreams waits until the API has this number of open event streams.
func (b *book) awaitStreams(p *page, want int) {
	b.t.Helper()
	p.awaitNil(fmt.Sprint(want, " streams"), func() error {
		response, err := http.Get(b.APIURL() + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		metrics, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if !strings.Contains(string(metrics), fmt.Sprintf("\nguestbook_event_viewers %d\n", want)) {
			return errors.New("there are others")
		}
		return nil
	})
}

// plainHTTP returns a plain-HTTP URL whose host is not localhost. On a page over plain HTTP, Chromium lacks
// some functions, such as navigator.clipboard. Most guestbooks are visited over plain HTTP.
func (b *book) plainHTTP() string {
	return fmt.Sprintf("http://guestbook.example:%d", b.Ports.Nginx)
}

// post sends a POST with this body, and returns the status of the response.
func post(t *testing.T, address, contentType, body string) int {
	t.Helper()
	response, err := http.Post(address, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// numbered returns n texts, which end with the numbers 0, 1, 2 and so on.
func numbered(text string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s %d", text, i))
	}
	return texts
}

// offset returns the byte offset, and so the id, of the entry that follows the entries with these texts.
func offset(texts []string) (n int) {
	for _, text := range texts {
		n += len(text) + 1
	}
	return n
}

// rootFile returns the text of the file at this path below the repository's root.
func rootFile(t *testing.T, path ...string) string {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
