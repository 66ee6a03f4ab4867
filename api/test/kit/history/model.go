package history

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"guestbook/api/internal/guestbook"
)

// entry is an item of a linked list: an entry of a guestbook, with a pointer to the previous entry.
type entry struct {
	before         *entry
	id, end        int64
	raw, text, key string // raw is the entry as Redis stores it, such as ",hello"
}

// state is the content of a guestbook at one moment.
type state struct {
	last   *entry
	hidden []int64 // the ids of the hidden entries
	hash   uint64  // the sum of the entries' hashes
}

func hash(id int64, raw string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, id, raw)
	return h.Sum64()
}

func (s state) end() int64 {
	if s.last == nil {
		return 0
	}
	return s.last.end
}

// append returns the state with one more entry. The parameter "raw" is the entry as Redis stores it, such as ",hello".
func (s state) append(raw, text, key string) state {
	id := s.end()
	return state{&entry{s.last, id, id + int64(len(raw)), raw, text, key}, s.hidden, s.hash + hash(id, raw)}
}

// value returns the state after a `set` with this text.
func value(text string) (s state) {
	for text != "" {
		n := strings.IndexByte(text[1:], ',') + 1
		if n == 0 {
			n = len(text)
		}
		s, text = s.append(text[:n], guestbook.Decode(strings.TrimPrefix(text[:n], ",")), ""), text[n:]
	}
	return s
}

// blanked returns an entry as Redis stores it after the entry was hidden: a comma, and spaces in place of the text.
func blanked(raw string) string { return "," + strings.Repeat(" ", len(raw)-1) }

func (s state) hides(id int64) bool { return slices.Contains(s.hidden, id) }

// hide returns the state after the entry with the id was hidden. The result "ok" is false if no entry has the id.
func (s state) hide(id int64) (_ state, ok bool) {
	for e := s.last; e != nil && e.id >= id; e = e.before {
		if e.id == id && !s.hides(id) {
			return state{s.last, append(slices.Clip(s.hidden), id), s.hash - hash(id, e.raw) + hash(id, blanked(e.raw))}, true
		} else if e.id == id {
			return s, true
		}
	}
	return s, false
}

// shows reports whether a page holds the newest entries of this state that are neither blank nor hidden. If the parameter "all" is true,
// the page must hold all entries that are neither blank nor hidden.
func (s state) shows(page []guestbook.Entry, all bool) bool {
	e := s.last
	for i := len(page); ; i-- {
		for e != nil && (s.hides(e.id) || guestbook.IsBlank(e.text)) {
			e = e.before
		}
		if i == 0 {
			return len(page) > 0 && !all || e == nil
		}
		if e == nil || e.id != page[i-1].ID || e.text != page[i-1].Text {
			return false
		}
		e = e.before
	}
}

// model returns a model of the guestbook for porcupine, a linearizability checker. In the model, requests have the following effects:
//
//   - A post adds its text to the end of the guestbook. The entry's id is the guestbook's length before the post.
//   - A post adds nothing if an entry already has the post's Idempotency-Key. A repeated post returns the id of the first post's entry.
//   - A set (cmd=set) replaces the whole guestbook, and makes the guestbook forget the Idempotency-Keys of all earlier posts.
//   - A hide overwrites the text of an entry with spaces, so that all other entries keep their ids.
//   - A write with the outcome Unknown may take effect at any time after it was sent, even after all reads.
//   - A page shows the newest entries that are not blank. A request with seen=7 returns a page only after the entry with id 7 was added.
func (l *Log) model(atEnd string, onlyPosts bool) porcupine.Model {
	whole := map[*string]uint64{}
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(before, input, _ any) (bool, any) {
			s := before.(state)
			if r, ok := input.(Read); ok {
				switch {
				case r.Whole == nil:
					return s.end() > r.Seen && s.shows(r.Entries, r.All), s
				case int64(len(*r.Whole)) != s.end():
					return false, s
				}
				want, known := whole[r.Whole]
				if !known {
					want = value(*r.Whole).hash
					whole[r.Whole] = want
				}
				return s.hash == want, s
			}
			w := input.(Write)
			switch {
			case w.Set:
				return true, value(w.Text)
			case w.Hide:
				next, ok := s.hide(w.ID)
				return ok || w.Outcome != Stored, next
			case w.Key != "" && l.keys[w.Key] > 1:
				for known := s.last; known != nil; known = known.before {
					if known.key == w.Key {
						return w.Outcome != Stored || known.id == w.ID && known.text == w.Text, s
					}
				}
			}
			raw := guestbook.Encode(w.Text)
			next := s.append(raw, w.Text, w.Key)
			// To save time, the model rejects a post at once if the final guestbook has another entry at the position of the post's entry.
			there := !onlyPosts
			if !there && next.end() <= int64(len(atEnd)) {
				held := atEnd[s.end():next.end()]
				there = held == raw || held == blanked(raw)
			}
			return there && (w.Outcome != Stored || s.end() == w.ID), next
		},
		Equal: func(a, b any) bool {
			return a.(state).hash == b.(state).hash && a.(state).end() == b.(state).end()
		},
		DescribeOperation: func(input, _ any) string {
			if r, ok := input.(Read); ok && r.Whole != nil {
				return fmt.Sprintf("the book has %d bytes", len(*r.Whole))
			}
			return fmt.Sprintf("%+v", input)
		},
		DescribeState: func(s any) string {
			if e := s.(state).last; e != nil {
				return fmt.Sprintf("%d bytes, the last entry %.40q", e.end, e.text)
			}
			return "empty"
		},
	}
}
