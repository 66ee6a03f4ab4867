//go:build faults

package faults

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/history"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/visitors"
)

const (
	writers, viewers = 4, 10
	book, legacyBook = "messages", "legacy"
	toHide           = "to be hidden, entry "
	// waitLimit is how long a test waits for an event, such as a post's success, before the test fails.
	waitLimit = 30 * time.Second
)

// pace is the time between two requests of one visitor.
var pace = 20 * time.Millisecond

// load simulates visitors that post and read entries, an operator that hides entries, and a page of the PHP guestbook.
type load struct {
	base                     string
	client                   *http.Client
	posting                  context.Context // once "posting" is cancelled, writers start no write
	reading                  context.Context // once "reading" is cancelled, no visitor starts a request
	stopPosting, stopReading context.CancelFunc
	writing, others          sync.WaitGroup

	history history.Log

	mu       sync.Mutex
	requests []visitors.Request
	last     int64 // the id of the newest acknowledged entry
	watched  [viewers][]guestbook.Entry
	rollback bool // true if an unacknowledged entry may disappear after readers have seen it
	problems map[string]bool
}

// newLoad returns a load to which the caller adds visitors. The HTTP client keeps at most "connections" idle connections.
func newLoad(base string, connections int) *load {
	l := &load{base: base, client: visitors.NewClient(connections), last: -1, problems: map[string]bool{}}
	l.posting, l.stopPosting = context.WithCancel(context.Background())
	l.reading, l.stopReading = context.WithCancel(context.Background())
	return l
}

// startLoad starts the simulated visitors of the rig. The parameter getKey is the key that the page of the PHP guestbook reads.
func (r *rig) startLoad(getKey string, rollback bool) {
	l := newLoad("http://"+r.frontend.addr(), 50)
	r.Cleanup(l.cancel)
	r.load, l.rollback = l, rollback
	now := time.Now()
	l.history.Add(history.Write{Book: book, Set: true, Text: r.book(r.masterPort, book), Outcome: history.Stored}, now, now)
	for w := range writers {
		l.writing.Go(func() { l.write(w) })
	}
	l.writing.Go(l.writeOnce)
	if !r.setup.cannotHide {
		l.writing.Go(func() { l.hide(r.pods[0].API) })
	}
	l.writing.Go(l.setAgainAndAgain)
	l.others.Go(func() { l.get(getKey) })
	for _, withSeen := range []bool{false, true} {
		l.others.Go(func() { l.page(withSeen) })
	}
	for i := range viewers {
		l.others.Go(func() { l.watch(i) })
	}
}

func (l *load) visitor() *visitors.Visitor {
	return &visitors.Visitor{Base: l.base, Client: l.client, Done: func(r visitors.Request) {
		read, reads := r.History.(history.Read)
		if r.History != nil && (!reads || read.Book == book && !l.rollback) {
			l.history.Add(r.History, r.Start, r.Start.Add(r.Took))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests = append(l.requests, r)
	}}
}

func (l *load) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.problems) < 20 {
		l.problems[fmt.Sprintf(format, args...)] = true
	}
}

// pause waits, and returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (l *load) write(writer int) {
	for i := 0; pause(l.posting, pace); i++ {
		l.acknowledge(l.post(fmt.Sprintf("writer %d, entry %d, 100%%25", writer, i)))
	}
}

// newest returns the id of the newest acknowledged entry.
func (l *load) newest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// post posts an entry, and returns its id and true if the API has acknowledged the entry.
func (l *load) post(text string) (id int64, ok bool) {
	id, err := l.visitor().Post(l.reading, text)
	if err != nil {
		l.problem("the entry %q: %v", text, err)
	}
	return id, err == nil
}

// writeOnce posts entries without an Idempotency-Key, and never repeats a post.
func (l *load) writeOnce() {
	v := l.visitor()
	for i := 0; pause(l.posting, pace); i++ {
		l.acknowledge(v.PostOnce(context.Background(), fmt.Sprintf("without a key, entry %d", i)))
	}
}

func (l *load) acknowledge(id int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.last = max(l.last, id)
	}
}

// setAgainAndAgain overwrites a guestbook by one `set` after the other. If a `set` fails, setAgainAndAgain repeats it until it succeeds.
func (l *load) setAgainAndAgain() {
	v := l.visitor()
	for i := 0; pause(l.posting, pace); i++ {
		for v.Set(l.reading, legacyBook, fmt.Sprintf(",value %d", i)) != nil && l.reading.Err() == nil {
			pause(l.reading, pace)
		}
	}
}

// hide simulates an operator who posts entries and then hides them with the command `api hide`.
func (l *load) hide(api *localpod.Process) {
	for i := 0; pause(l.posting, pace); i++ {
		id, ok := l.post(fmt.Sprint(toHide, i))
		for outcome := history.Unknown; ok && outcome == history.Unknown; pause(l.reading, 10*pace) {
			start := time.Now()
			said, err := api.Command(l.reading, "hide", fmt.Sprint(id)).CombinedOutput()
			if err == nil {
				outcome = history.Stored
			} else if l.reading.Err() != nil {
				l.problem("entry %d cannot be hidden: %s, %v", id, said, err)
				return
			}
			l.history.Add(history.Write{Book: book, Hide: true, ID: id, Outcome: outcome}, start, time.Now())
		}
	}
}

// get reads a whole guestbook repeatedly, as a page of the PHP guestbook does.
func (l *load) get(key string) {
	for v := l.visitor(); pause(l.reading, pace); {
		_, _ = v.Get(context.Background(), key)
	}
}

// page reads the newest page of entries again and again. If withSeen is true, the parameter seen=ID of each request names the newest entry
// that the visitor knows.
func (l *load) page(withSeen bool) {
	v := l.visitor()
	seen, told := int64(-1), int64(-1)
	for i := 1; pause(l.reading, pace); i++ {
		if withSeen && i%25 == 0 {
			seen, told = max(seen, told), l.newest()
		}
		entries, err := v.Page(context.Background(), seen)
		if err == nil && withSeen && len(entries) > 0 {
			seen = max(seen, entries[len(entries)-1].ID)
		}
	}
}

func (l *load) watch(viewer int) {
	err := l.visitor().Watch(l.reading, func(entry guestbook.Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watched[viewer] = append(l.watched[viewer], entry)
	})
	if err != nil {
		l.problem("viewer: %v", err)
	}
}

func (l *load) done() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.requests)
}

// finish stops the writers, waits until every viewer has received the last entry, and then stops all visitors.
func (l *load) finish() {
	l.stopPosting()
	defer time.AfterFunc(waitLimit, l.stopReading).Stop()
	l.writing.Wait()
	for until := time.Now().Add(waitLimit); !l.allHave(l.last); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			l.problem("some viewer did not get the entry %d", l.last)
			break
		}
	}
	l.cancel()
	for _, had := range l.watched {
		had = slices.DeleteFunc(had, func(e guestbook.Entry) bool { return strings.HasPrefix(e.Text, toHide) }) // not all viewers receive an entry that an operator hides
		l.history.Add(history.Read{Book: book, Seen: -1, Entries: had, All: true}, time.Now(), time.Now())
	}
}

// cancel stops all visitors.
func (l *load) cancel() {
	l.stopPosting()
	l.stopReading()
	l.writing.Wait()
	l.others.Wait()
	l.client.CloseIdleConnections()
}

func (l *load) allHave(last int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.watched[:], func(had []guestbook.Entry) bool { return len(had) == 0 || had[len(had)-1].ID < last })
}

// checkHistory reports the problems that history.Check finds in the requests for each key.
func (r *rig) checkHistory(name string, keys ...string) {
	r.Helper()
	for _, key := range keys {
		if err := r.load.history.Check(key, r.book(r.masterPort, key), time.Minute, buildFile(r, "history "+name+" "+key+".html")); err != nil {
			r.load.problem("%v", err)
		}
	}
}
