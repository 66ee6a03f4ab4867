//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/test/kit/history"
	"guestbook/api/test/kit/visitors"
)

const (
	writers, viewers = 4, 10
	book, legacyBook = "messages", "legacy"
	// waitLimit is how long a writer repeats an entry, and a viewer waits for one, before the test gives up.
	waitLimit = 30 * time.Second
)

// pace is the time between the requests of one visitor.
var pace = 20 * time.Millisecond

// load is visitors of every kind at work: writers who repeat what was not answered, one who cannot, an old page that writes a book of
// its own, readers old and new, and viewers of the stream.
type load struct {
	base    string
	client  *http.Client
	posting context.Context // ends when no more is to be written
	reading context.Context
	stopPosting, stopReading,
	giveUp context.CancelFunc
	writing, others sync.WaitGroup

	history history.Log // of the writes

	mu       sync.Mutex
	requests []visitors.Request
	last     int64 // the highest id that was acknowledged
	watched  [viewers][]guestbook.Entry
	shorter  int             // reads by old pages of a book that the same page had seen longer
	rollback bool            // readers may see what nobody acknowledges and what goes again
	problems map[string]bool // what must never happen
}

// newLoad prepares visitors of the guestbook at base; none is started.
func newLoad(base string) *load {
	l := &load{base: base, client: visitors.NewClient(50), last: -1, problems: map[string]bool{}}
	l.posting, l.stopPosting = context.WithCancel(context.Background())
	l.reading, l.stopReading = context.WithCancel(context.Background())
	return l
}

// startLoad starts the visitors. Old pages read the book getKey. With rollback readers may see what nobody acknowledges.
func (r *rig) startLoad(getKey string, rollback bool) *load {
	l := newLoad("http://" + r.frontend.addr())
	l.rollback = rollback
	now := time.Now()
	l.history.Add(history.Write{Book: book, Set: true, Text: r.stored(book), Outcome: history.Stored}, now, now)
	var patient context.Context
	patient, l.giveUp = context.WithCancel(context.Background())
	for w := range writers {
		l.writing.Go(func() { l.write(patient, w) })
	}
	l.writing.Go(l.writeOnce)
	l.writing.Go(func() { l.setAgainAndAgain(patient) })
	l.others.Go(func() { l.get(getKey) })
	for _, withSeen := range []bool{false, true} {
		l.others.Go(func() { l.page(withSeen) })
	}
	for i := range viewers {
		l.others.Go(func() { l.watch(i) })
	}
	return l
}

// visitor is one whose requests are recorded.
func (l *load) visitor() *visitors.Visitor {
	return &visitors.Visitor{Base: l.base, Client: l.client, Done: func(r visitors.Request) {
		if r.Write.Book != "" {
			l.history.Add(r.Write, r.Start, r.Start.Add(r.Took))
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

func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pace):
		return true
	}
}

func (l *load) write(ctx context.Context, writer int) {
	v := l.visitor()
	for i := 0; pause(l.posting); i++ {
		text := fmt.Sprintf("writer %d, entry %d, 100%%25", writer, i)
		id, err := v.Post(ctx, text)
		if err != nil {
			l.problem("the entry %q: %v", text, err)
			return
		}
		l.acknowledge(id)
	}
}

// writeOnce posts entries without a key, each once.
func (l *load) writeOnce() {
	v := l.visitor()
	for i := 0; pause(l.posting); i++ {
		text := fmt.Sprintf("without a key, entry %d", i)
		if id, ok := v.PostOnce(context.Background(), text); ok {
			l.acknowledge(id)
		}
	}
}

func (l *load) acknowledge(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = max(l.last, id)
}

// setAgainAndAgain repeats a value until it is acknowledged, as an old page's visitor does.
func (l *load) setAgainAndAgain(ctx context.Context) {
	v := l.visitor()
	for i := 0; pause(l.posting); i++ {
		value := fmt.Sprintf(",value %d", i)
		for {
			err := v.Set(ctx, legacyBook, value)
			if err == nil {
				break
			}
			if !pause(ctx) {
				l.problem("the last set failed: %v", err)
				return
			}
		}
	}
}

// get reads the whole book again and again. It may be shorter than before, on a slave that is behind, but never
// another one, nor empty.
func (l *load) get(key string) {
	v := l.visitor()
	longest := ""
	for pause(l.reading) {
		data, err := v.Get(context.Background(), key)
		switch {
		case err != nil || key == legacyBook:
		case data == "" && longest != "":
			l.problem("get: the book is empty after it was not")
		case strings.HasPrefix(data, longest), l.rollback && data[0] == ',':
			longest = data
		case strings.HasPrefix(longest, data):
			l.mu.Lock()
			l.shorter++
			l.mu.Unlock()
		default:
			l.problem("get: a book of %d bytes is no continuation of one of %d bytes", len(data), len(longest))
		}
	}
}

// page reads the newest page again and again. With withSeen it names the last entry that it has seen, and then must never
// get an older page.
func (l *load) page(withSeen bool) {
	v := l.visitor()
	for seen := int64(-1); pause(l.reading); {
		ask := int64(-1)
		if withSeen {
			ask = seen
		}
		entries, err := v.Page(context.Background(), ask)
		if err != nil {
			continue
		}
		last := int64(-1)
		if len(entries) > 0 {
			last = entries[len(entries)-1].ID
		}
		if last < ask && !l.rollback || last < 0 && seen >= 0 {
			l.problem("page: the last entry is %d after %d was seen", last, seen)
		}
		seen = max(seen, last)
		if l.rollback {
			seen = last
		}
	}
}

func (l *load) watch(viewer int) {
	v := l.visitor()
	err := v.Watch(l.reading, -1, func(id int64, text string) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watched[viewer] = append(l.watched[viewer], guestbook.Entry{ID: id, Text: text})
		return true
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		l.problem("viewer: %v", err)
	}
}

// done is how many requests have ended.
func (l *load) done() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.requests)
}

// finish ends the writing once all is acknowledged, and waits until every viewer has the last entry.
func (l *load) finish() {
	l.stopPosting()
	timer := time.AfterFunc(waitLimit, l.giveUp)
	defer timer.Stop()
	l.writing.Wait()
	for until := time.Now().Add(waitLimit); !l.allHave(l.last); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			l.problem("some viewer did not get the entry %d", l.last)
			break
		}
	}
	l.cancel()
}

// cancel ends everything.
func (l *load) cancel() {
	l.stopPosting()
	l.stopReading()
	l.giveUp()
	l.writing.Wait()
	l.others.Wait()
	l.client.CloseIdleConnections()
}

func (l *load) allHave(last int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, had := range l.watched {
		if last >= 0 && (len(had) == 0 || had[len(had)-1].ID < last) {
			return false
		}
	}
	return true
}

// check returns why no order of the writes explains the answers and what is stored now. Pictures of that go to .build. It also
// compares what every viewer got with what is stored.
func (l *load) check(name, stored, legacy string) (err error) {
	for key, value := range map[string]string{book: stored, legacyBook: legacy} {
		err = errors.Join(err, l.history.Check(key, value, time.Minute, buildFile("history "+name+" "+key+".html")))
	}
	entries, _ := guestbook.Split([]byte(stored), 0)
	for _, had := range l.watched {
		if !slices.Equal(had, entries) {
			i := 0
			for i < min(len(had), len(entries)) && had[i] == entries[i] {
				i++
			}
			l.problem("a viewer got %d entries of %d: %v in place of %v", len(had), len(entries), had[i:min(i+2, len(had))], entries[i:min(i+2, len(entries))])
		}
	}
	return err
}
