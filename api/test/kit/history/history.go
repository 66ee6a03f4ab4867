// Package history decides whether one order of the requests of many visitors explains what a guestbook answered to them.
// github.com/anishathalye/porcupine searches for the order; the model here is what one request does to one book.
package history

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"guestbook/api/internal/guestbook"
)

// Outcome is what a visitor knows of a write.
type Outcome int

// The outcomes. A refused write has certainly done nothing. An unknown one may have done what it says, or will do it later.
const (
	Unknown Outcome = iota
	Stored
	Refused
)

// Write is one request that writes: a post, a repeat of one, a set, or an operator's hide.
type Write struct {
	Book      string
	Set, Hide bool
	Text      string // of the entry; of a set the whole book
	Key       string // Idempotency-Key; "" is none
	Outcome   Outcome
	ID        int64 // of a hidden entry; of a post as the answer tells it
}

// Read is one request that reads: the newest page of a book, or all of it.
type Read struct {
	Book    string
	Seen    int64             // the entry that the reader has named as seen; -1 is none
	Entries []guestbook.Entry // the page
	Whole   *string           // the book; nil for a page
}

// newest returns the text of the newest entry in an answer.
func (r Read) newest() string {
	if r.Whole != nil {
		return guestbook.Decode((*r.Whole)[strings.LastIndexByte(*r.Whole, ',')+1:])
	} else if len(r.Entries) == 0 {
		return ""
	}
	return r.Entries[len(r.Entries)-1].Text
}

// lastID returns the id of the newest entry on a page, or -1.
func (r Read) lastID() int64 {
	if len(r.Entries) == 0 {
		return -1
	}
	return r.Entries[len(r.Entries)-1].ID
}

// Log records the requests of visitors. Its zero value is ready for use, by many at once.
type Log struct {
	mu         sync.Mutex
	operations []porcupine.Operation
	keys       map[string]int   // how many requests had a key
	stored     map[string]bool  // the keys of posts that were stored
	sent       map[string]int64 // when a text was first sent
	begun      time.Time
}

// Add records a Write or a Read that took from start to end.
func (l *Log) Add(request any, start, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys, l.stored, l.sent, l.begun = map[string]int{}, map[string]bool{}, map[string]int64{}, start.Add(-time.Hour)
	}
	call, done := start.Sub(l.begun).Nanoseconds(), end.Sub(l.begun).Nanoseconds()
	if w, ok := request.(Write); ok {
		l.keys[w.Key]++
		l.stored[w.Key] = l.stored[w.Key] || w.Outcome == Stored
		if first, ok := l.sent[w.Text]; !w.Hide && (!ok || call < first) {
			l.sent[w.Text] = call
		}
		if w.Outcome == Unknown { // it may take effect at any time from now on
			done = math.MaxInt64
		}
	}
	l.operations = append(l.operations, porcupine.Operation{ClientId: len(l.operations) % 16, Input: request, Call: call, Return: done})
}

// Check returns nil if one order of all requests explains every answer, and that the book holds value at the end. Otherwise it
// writes a picture of how far the search came to the file, in HTML.
func (l *Log) Check(book, value string, limit time.Duration, file string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	operations := []porcupine.Operation{{Input: Read{Book: book, Seen: -1, Whole: &value}, Call: math.MaxInt64 - 2, Return: math.MaxInt64 - 1}}
	answers := map[string]int{} // to reads, and their operations
	onlyPosts, first := true, true
	for _, o := range l.operations {
		switch request := o.Input.(type) {
		case Write:
			if request.Book != book {
				continue
			}
			onlyPosts = onlyPosts && (first || !request.Set) // the first may show the book's earlier text
			first = false
			// A refused write is left out: if its text is stored all the same, nothing explains that.
			if request.Outcome == Refused || request.Outcome == Unknown && !l.leavesTrace(request, value) {
				continue
			}
		case Read:
			if request.Book != book {
				continue
			}
			// A slave may be behind, so the read may have happened at any time since its newest text was first sent. Of reads
			// with one answer, the first that ended stands for all, because all have the same beginning.
			o.Call = min(o.Call, l.sent[request.newest()])
			answer := fmt.Sprint(request.Entries, max(request.Seen, request.lastID()), *cmp.Or(request.Whole, new(string)))
			if known, ok := answers[answer]; ok {
				operations[known].Return = min(operations[known].Return, o.Return)
				continue
			}
			answers[answer] = len(operations)
		}
		operations = append(operations, o)
	}
	model := l.model(value, onlyPosts)
	result, info := porcupine.CheckOperationsVerbose(model, operations, limit)
	if result == porcupine.Ok {
		return nil
	}
	if err := porcupine.VisualizePath(model, info, file); err != nil {
		return err
	}
	if result == porcupine.Unknown {
		return fmt.Errorf("within %s, no order of %d requests to %s was found: see %s", limit, len(operations), book, file)
	}
	return fmt.Errorf("no order of %d requests to %s explains the answers: see %s", len(operations), book, file)
}

// leavesTrace reports whether the book at the end may show an unknown write. A write without a trace may take effect after the
// end, and is left out. That holds if all visitors of a book post, or all set.
func (l *Log) leavesTrace(w Write, value string) bool {
	raw := guestbook.Encode(w.Text)
	switch {
	case w.Set:
		return strings.HasPrefix(value, w.Text)
	case w.Hide:
		return w.ID+1 < int64(len(value)) && value[w.ID+1] == ' '
	}
	// A post that was repeated with success may be hidden by now.
	return w.Key != "" && l.stored[w.Key] || strings.HasSuffix(value, raw) || strings.Contains(value, raw+",")
}
