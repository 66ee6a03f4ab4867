// Package history checks whether a sequential order of concurrent requests explains the answers to all requests.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"guestbook/api/internal/guestbook"
)

// Outcome describes whether a write has changed the guestbook, as far as the visitor knows.
type Outcome int

// A Refused write has changed nothing. An Unknown write may have changed the guestbook, or may still change it later.
const (
	Unknown Outcome = iota
	Stored
	Refused
)

// Write is one write request: a post of an entry, a repeated post, a `set` of a whole guestbook, or an operator's command to hide an entry.
type Write struct {
	Book      string
	Set, Hide bool
	Text      string // the text of the entry; for a set request, the text of the whole guestbook
	Key       string
	Outcome   Outcome
	ID        int64 // the id of the posted or hidden entry
}

// Read is one read request with its answer, or one event stream with its entries.
type Read struct {
	Book    string
	Seen    int64 // the id in the request's parameter "seen", or -1
	Entries []guestbook.Entry
	Whole   *string // the text of the whole guestbook; nil if the answer is a page of entries
	All     bool    // true if Entries must hold all entries that are neither blank nor hidden
}

// newest returns the newest entry in the answer. If the answer is empty, newest returns an entry with the id -1 and no text.
func (r Read) newest() guestbook.Entry {
	if r.Whole != nil {
		return guestbook.Entry{ID: -1, Text: guestbook.Decode((*r.Whole)[strings.LastIndexByte(*r.Whole, ',')+1:])}
	} else if len(r.Entries) == 0 {
		return guestbook.Entry{ID: -1}
	}
	return r.Entries[len(r.Entries)-1]
}

// Log is a record of the visitors' requests. The zero value of Log is ready for use, and many goroutines may add requests concurrently.
type Log struct {
	mu         sync.Mutex
	operations map[string][]porcupine.Operation // the requests to each guestbook
	keys       map[string]int                   // the number of posts with each Idempotency-Key
	stored     map[string]bool                  // the Idempotency-Keys of the posts that were stored
	sent       map[string]int64                 // the time when each text was first sent
}

// began is an hour before the program's start. Log stores the times of requests relative to "began".
var began = time.Now().Add(-time.Hour)

// Add records a request, which is a Write or a Read, with the times of its start and its end.
func (l *Log) Add(request any, start, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.operations, l.keys, l.stored, l.sent = map[string][]porcupine.Operation{}, map[string]int{}, map[string]bool{}, map[string]int64{}
	}
	call, done := start.Sub(began).Nanoseconds(), end.Sub(began).Nanoseconds()
	read, _ := request.(Read)
	w, ok := request.(Write)
	if ok {
		l.keys[w.Key]++
		l.stored[w.Key] = l.stored[w.Key] || w.Outcome == Stored
		if first, ok := l.sent[w.Text]; !w.Hide && (!ok || call < first) {
			l.sent[w.Text] = call
		}
		if w.Outcome == Unknown {
			done = math.MaxInt64
		}
	}
	book := read.Book + w.Book
	l.operations[book] = append(l.operations[book], porcupine.Operation{ClientId: len(l.operations[book]) % 16, Input: request, Call: call, Return: done})
}

// Check returns nil if some order of the requests explains every answer and the guestbook's final value. An error of Check names an HTML
// file with a diagram of the requests.
func (l *Log) Check(book, value string, limit time.Duration, file string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	operations := []porcupine.Operation{{Input: Read{Book: book, Seen: -1, Whole: &value}, Call: math.MaxInt64 - 2, Return: math.MaxInt64 - 1}}
	answers := map[string]int{} // maps an answer to the index of a read in "operations"
	tries := map[string]int{}   // maps an Idempotency-Key and a text to the index of a post with the outcome Unknown in "operations"
	onlyPosts := true
	for i, o := range l.operations[book] {
		w, _ := o.Input.(Write)
		onlyPosts = onlyPosts && (!w.Set || i == 0) // the first request may set the initial text
	}
	for _, o := range l.operations[book] {
		switch request := o.Input.(type) {
		case Write:
			if request.Outcome == Refused || request.Outcome == Unknown && !l.leavesTrace(request, value) {
				continue // a write without effect must not explain an answer
			}
			// Of several posts with the same Idempotency-Key, the same text and the outcome Unknown, at most one takes effect, at any time
			// after the first was sent. So Check needs only one such post, unless a set makes the guestbook forget its Idempotency-Keys.
			if onlyPosts && request.Outcome == Unknown && request.Key != "" {
				if known, ok := tries[request.Key+request.Text]; ok {
					operations[known].Call = min(operations[known].Call, o.Call)
					continue
				}
				tries[request.Key+request.Text] = len(operations)
			}
		case Read:
			// A slave may return old data, so Check sets a read's start back to the time when the newest text in its answer was sent. Check
			// does not do so for an empty answer, because a slave must not answer before its first sync.
			newest := request.newest()
			if newest.Text != "" {
				o.Call = min(o.Call, l.sent[newest.Text])
			}
			// Of several reads with the same answer, Check needs only the read that ended first.
			answer := fmt.Sprint(request.Entries, max(request.Seen, newest.ID), *cmp.Or(request.Whole, new(string)), request.All)
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
	return errors.Join(fmt.Errorf("no order of %d requests to %s was found that explains the answers (%s): see %s", len(operations), book, result, file),
		porcupine.VisualizePath(model, info, file))
}

// leavesTrace reports whether the guestbook's final value shows the effect of a write with the outcome Unknown. leavesTrace may be wrong if
// visitors post entries and also replace the whole guestbook (cmd=set), which may remove entries.
func (l *Log) leavesTrace(w Write, value string) bool {
	raw := guestbook.Encode(w.Text)
	switch {
	case w.Set:
		return strings.HasPrefix(value, w.Text)
	case w.Hide:
		return w.ID+1 < int64(len(value)) && value[w.ID+1] == ' '
	}
	// A post with a stored Idempotency-Key has taken effect, even if an operator has hidden its text.
	return w.Key != "" && l.stored[w.Key] || strings.HasSuffix(value, raw) || strings.Contains(value, raw+",")
}
