// Package history decides whether what a guestbook answered to many visitors at once can be explained by one order of their
// requests. github.com/anishathalye/porcupine searches for the order; the model here says what one request does to one book.
package history

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"guestbook/api/internal/guestbook"
)

// Outcome is what a visitor knows of a write.
type Outcome int

// The outcomes. A write that was refused has certainly done nothing. One that is unknown may be there, or not.
const (
	Unknown Outcome = iota
	Stored
	Refused
)

// Write is one request that writes: a post, a repeat of one, or a set.
type Write struct {
	Book    string
	Set     bool
	Text    string // of the entry; of a set the whole book
	Key     string // Idempotency-Key; "" is none
	Outcome Outcome
	ID      int64 // that the answer to a post told
}

// Log records the requests of visitors. Its zero value is ready for use, by many at once.
type Log struct {
	mu         sync.Mutex
	operations []porcupine.Operation
	keys       map[string]int // how many requests had a key
	begun      time.Time
}

// Add records a write that took from start to end.
func (l *Log) Add(w Write, start, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys, l.begun = map[string]int{}, start.Add(-time.Hour)
	}
	l.keys[w.Key]++
	done := end.Sub(l.begun).Nanoseconds()
	if w.Outcome == Unknown { // it may take effect at any time from now on
		done = math.MaxInt64
	}
	l.operations = append(l.operations, porcupine.Operation{
		ClientId: len(l.operations) % 16, Input: w, Call: start.Sub(l.begun).Nanoseconds(), Return: done,
	})
}

// final is the read of a whole book when all visitors have gone.
type final struct{ book, value string }

// entry is one entry of a book and all before it: a state of the model. nil is an empty book.
type entry struct {
	before  *entry
	id, end int64
	key     string
	text    string
	hash    uint64 // of the whole book
}

// append returns the state after a text was added as it stands in the book.
func (e *entry) append(raw, key, text string) *entry {
	at, hash := int64(0), fnv.New64a()
	if e != nil {
		at = e.end
		fmt.Fprintf(hash, "%x", e.hash)
	}
	hash.Write([]byte(raw))
	return &entry{before: e, id: at, end: at + int64(len(raw)), key: key, text: text, hash: hash.Sum64()}
}

// value returns the state after a book was set: its entries have no keys.
func value(text string) (e *entry) {
	for text != "" {
		n := strings.IndexByte(text[1:], ',') + 1
		if n == 0 {
			n = len(text)
		}
		e, text = e.append(text[:n], "", text[:n]), text[n:]
	}
	return e
}

// leavesTrace reports whether a write may be the reason of what a book holds at the end. An unknown write that left none may
// have taken effect after the end, and need not be looked at. That holds if the visitors of one book all post, or all set.
func (w Write) leavesTrace(value string) bool {
	if w.Set {
		return strings.HasPrefix(value, w.Text)
	}
	raw := guestbook.Encode(w.Text)
	return strings.HasSuffix(value, raw) || strings.Contains(value, raw+",")
}

// Check returns nil if one order of all writes explains every answer, and that the book holds value at the end. Otherwise it
// writes a picture of how far the search came to the file, in HTML.
func (l *Log) Check(book, value string, limit time.Duration, file string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	operations := []porcupine.Operation{{Input: final{book, value}, Call: math.MaxInt64 - 2, Return: math.MaxInt64 - 1}}
	for _, o := range l.operations {
		w := o.Input.(Write)
		// A refused write is left out: if its text is stored all the same, nothing explains that.
		if w.Book == book && (w.Outcome == Stored || w.Outcome == Unknown && w.leavesTrace(value)) {
			operations = append(operations, o)
		}
	}
	model := l.model(book, value)
	result, info := porcupine.CheckOperationsVerbose(model, operations, limit)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("no order of %d writes to %s was found within %s", len(operations), book, limit)
	}
	if err := porcupine.VisualizePath(model, info, file); err != nil {
		return err
	}
	return fmt.Errorf("no order of %d writes to %s explains the answers: see %s", len(operations), book, file)
}

// model says what a request does to a book:
//
//   - A post adds its text at the end, and its id is where the book ended before.
//   - A post under a key that the book has an entry of adds nothing, and its id is that entry's.
//   - A set replaces the book, and with it all keys that later repeats could be known by.
//   - A refused write does nothing. An unknown one does what it says at any time after it was sent, perhaps after the end.
//   - The final read returns all of the book.
func (l *Log) model(book, atEnd string) porcupine.Model {
	onlyPosts, first := true, true
	for _, o := range l.operations {
		if w := o.Input.(Write); w.Book == book {
			onlyPosts = onlyPosts && (first || !w.Set) // the first may tell what the book held before
			first = false
		}
	}
	return porcupine.Model{
		Init: func() any { return (*entry)(nil) },
		Step: func(state, input, _ any) (bool, any) {
			e := state.(*entry)
			if f, ok := input.(final); ok {
				want := value(f.value)
				return e == want || e != nil && want != nil && e.hash == want.hash && e.end == want.end, e
			}
			w := input.(Write)
			if w.Set {
				return true, value(w.Text)
			}
			if w.Key != "" && l.keys[w.Key] > 1 {
				for known := e; known != nil; known = known.before {
					if known.key == w.Key {
						return w.Outcome != Stored || known.id == w.ID && known.text == w.Text, e
					}
				}
			}
			raw := guestbook.Encode(w.Text)
			next := e.append(raw, w.Key, w.Text)
			// Nobody takes an entry out of a book that all only post to. This spares the search most of its wrong ways.
			there := !onlyPosts || int64(len(atEnd)) >= next.end && atEnd[next.id:next.end] == raw
			return there && (w.Outcome != Stored || next.id == w.ID), next
		},
		Equal: func(a, b any) bool {
			x, y := a.(*entry), b.(*entry)
			return x == y || x != nil && y != nil && x.hash == y.hash && x.end == y.end
		},
		DescribeOperation: func(input, _ any) string {
			if f, ok := input.(final); ok {
				return fmt.Sprintf("the book has %d bytes", len(f.value))
			}
			w := input.(Write)
			outcome := map[Outcome]string{Unknown: "unknown", Stored: fmt.Sprintf("stored at %d", w.ID), Refused: "nothing was stored"}[w.Outcome]
			return fmt.Sprintf("%.40q key %.8q: %s", w.Text, w.Key, outcome)
		},
		DescribeState: func(state any) string {
			if e := state.(*entry); e != nil {
				return fmt.Sprintf("%d bytes, the last entry %.40q", e.end, e.text)
			}
			return "empty"
		},
	}
}
