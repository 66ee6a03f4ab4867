// Package history checks the answers that many concurrent visitors got: one order of all requests must explain every answer. The
// library github.com/anishathalye/porcupine searches for the order. model.go describes the effect of one request on one guestbook.
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

// Outcome is a visitor's knowledge about a write.
type Outcome int

// A Refused write has certainly changed nothing. An Unknown write may have taken effect, or may still take effect later.
const (
	Unknown Outcome = iota
	Stored
	Refused
)

// Write is one write request: a post of an entry, a repeated post, a set request for a whole guestbook, or an operator's hide of an entry.
type Write struct {
	Book      string
	Set, Hide bool
	Text      string // the text of the entry; for a set request, of the whole guestbook
	Key       string // the request's Idempotency-Key; "" is none
	Outcome   Outcome
	ID        int64 // the id of the hidden entry; for a post, the id in the response
}

// Read is one request that reads: the newest page of a guestbook, or the whole guestbook.
type Read struct {
	Book    string
	Seen    int64             // the id in the request's parameter seen; -1 is none
	Entries []guestbook.Entry // the entries of the page
	Whole   *string           // the text of the whole guestbook; nil for a page
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

// lastID returns the id of the newest entry on a page, or -1 if the page is empty.
func (r Read) lastID() int64 {
	if len(r.Entries) == 0 {
		return -1
	}
	return r.Entries[len(r.Entries)-1].ID
}

// Log records the requests of visitors. The zero value of Log is ready for use, and many goroutines may add requests concurrently.
type Log struct {
	mu         sync.Mutex
	operations []porcupine.Operation
	keys       map[string]int   // maps an Idempotency-Key to its number of requests
	stored     map[string]bool  // the Idempotency-Keys of the posts that were stored
	sent       map[string]int64 // maps a text to the time when it was first sent
	begun      time.Time
}

// Add records a request, which is a Write or a Read, with the times of its start and its end.
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
		if w.Outcome == Unknown { // an unknown write may take effect at any later time
			done = math.MaxInt64
		}
	}
	l.operations = append(l.operations, porcupine.Operation{ClientId: len(l.operations) % 16, Input: request, Call: call, Return: done})
}

// Check returns nil if one order of all requests explains every answer and the guestbook's value at the end. If no order explains
// the answers, Check writes an HTML picture of the search to the file.
func (l *Log) Check(book, value string, limit time.Duration, file string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	operations := []porcupine.Operation{{Input: Read{Book: book, Seen: -1, Whole: &value}, Call: math.MaxInt64 - 2, Return: math.MaxInt64 - 1}}
	answers := map[string]int{} // maps the answer to a read to the index of the read's operation
	onlyPosts, first := true, true
	for _, o := range l.operations {
		switch request := o.Input.(type) {
		case Write:
			if request.Book != book {
				continue
			}
			onlyPosts = onlyPosts && (first || !request.Set) // the first write may set the initial text
			first = false
			// Check leaves out a refused write. If the guestbook holds the text of a refused write, no order explains the text.
			if request.Outcome == Refused || request.Outcome == Unknown && !l.leavesTrace(request, value) {
				continue
			}
		case Read:
			if request.Book != book {
				continue
			}
			// A slave may lag, so an answer may be of any moment since the newest text in the answer was first sent. For Check,
			// reads with the same answer start at the same moment, so the read that ended first represents all of them.
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

// leavesTrace reports whether the guestbook's final value may show an unknown write. Check leaves out an unknown write without a trace,
// because the write may take effect after the end. leavesTrace is right only if a guestbook's visitors only post or only set.
func (l *Log) leavesTrace(w Write, value string) bool {
	raw := guestbook.Encode(w.Text)
	switch {
	case w.Set:
		return strings.HasPrefix(value, w.Text)
	case w.Hide:
		return w.ID+1 < int64(len(value)) && value[w.ID+1] == ' '
	}
	// If a repeat of the post was stored, the guestbook has the entry, although an operator may have hidden the entry since.
	return w.Key != "" && l.stored[w.Key] || strings.HasSuffix(value, raw) || strings.Contains(value, raw+",")
}
