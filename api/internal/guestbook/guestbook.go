// Package guestbook is the domain: what a guestbook and an entry are, whatever keeps or serves them.
//
// A guestbook is one string, an append-only log: an entry is a comma followed by its text. A value that was set
// without a leading comma has its first entry at offset 0 all the same. Entries without text, which old pages
// can leave, and blank ones, which an operator has hidden, are not shown.
package guestbook

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
)

// DefaultKey is the guestbook of those that name none: the one that the page shows.
const DefaultKey = "messages"

// Errors that a caller can do something about.
var (
	ErrWrongType = errors.New("the key holds another type of data than text")
	ErrFull      = errors.New("the guestbook is full and takes nothing more")
	ErrNoEntry   = errors.New("no entry starts there")
	ErrReused    = errors.New("this Idempotency-Key was used with another text")
	ErrTooLong   = errors.New("the guestbook is too long to be read at once")
	ErrForbidden = errors.New("this key is kept from the guestbook by Redis")
	// ErrUnknown means that a write was sent and its answer did not come.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrUnconfirmed means that the master has stored a write, and that it is lost if the master is lost now.
	ErrUnconfirmed = errors.New("the outcome is unknown")
)

// RefusedError means that Redis was reached and did not do what was asked; so nothing was stored.
type RefusedError struct {
	Reason     string // what is wrong and what to do
	WritesOnly bool   // reads go on
	Err        error  // as Redis said it
}

func (e *RefusedError) Error() string { return e.Reason + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// RefusesWrites says whether err means that nothing can be stored, though guestbooks can be read.
func RefusesWrites(err error) bool {
	refused := (*RefusedError)(nil)
	return errors.Is(err, ErrFull) || errors.As(err, &refused) && refused.WritesOnly
}

// Entry is one message.
type Entry struct {
	ID   int64 // offset in bytes at which the entry starts: the same on every slave
	Text string
}

// A replacer takes, from left to right, the first of its pairs that fits.
var (
	encoder = strings.NewReplacer(",", "%2C", "%2C", "%252C", "%25", "%2525")
	decoder = strings.NewReplacer("%2C", ",", "%252C", "%2C", "%2525", "%25")
)

// Encode writes a text as an entry: a comma, and the text with each comma as %2C and each % before 2C or 25 as
// %25. Everything else stays, so that "100%" looks the same to pages that know no encoding.
func Encode(text string) string { return "," + encoder.Replace(text) }

// Decode reads the text of an entry, without its comma: %2C is a comma, and %25 before 2C or 25 is a %. So a text
// in which an old page stored a literal %2C reads as a comma; any other text of an old page reads as it was.
func Decode(raw string) string {
	if !strings.Contains(raw, "%2") {
		return raw // most are: searching is faster than replacing nothing
	}
	return decoder.Replace(raw)
}

// blank matches a text that shows nothing: white space, controls, ignorable characters (Unicode 17: White_Space, general
// category Cc, Default_Ignorable_Code_Point), the Braille pattern without dots, and U+FFF9 to U+FFFC, of which
// browsers draw nothing. The page has the same list.
var blank = regexp.MustCompile(`^[\x00- \x7f-\xa0\xad\x{34f}\x{61c}\x{115f}\x{1160}\x{1680}\x{17b4}\x{17b5}\x{180b}-\x{180f}` +
	`\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{2800}\x{3000}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}` +
	`\x{fff0}-\x{fffc}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]*$`)

// IsBlank reports whether a text is blank.
func IsBlank(text string) bool {
	for i := range len(text) { // ASCII needs no regular expression
		switch c := text[i]; {
		case c >= 0x80:
			return blank.MatchString(text[i:])
		case c > ' ' && c < 0x7f:
			return false
		}
	}
	return true
}

// Position is a place in a guestbook: after an entry.
type Position struct {
	ID, End int64 // the offsets at which the entry starts and ends; -1 and 0: before the first
	// Preceding is the last bytes before End, by which another book with an entry at the same place is told apart. "" is unknown.
	Preceding string
}

// PrecedingLength is how many bytes Preceding has, unless the book has fewer before End.
const PrecedingLength = 64

// Start is the position before the first entry.
var Start = Position{ID: -1}

// LastBytes returns the Preceding of a position at the end of data.
func LastBytes(data []byte) string { return string(data[max(0, len(data)-PrecedingLength):]) }

// After returns the bytes after the position in a book, of which data starts at the offset from. It is not ok if the position is
// another book's.
func (m Position) After(data []byte, from int64) (news []byte, ok bool) {
	at := int(m.End - from)
	if len(data) < at || m.Preceding != "" && !equalUnlessHidden(data[:at], m.Preceding) {
		return nil, false
	}
	if news = data[at:]; len(news) == 0 {
		return news, m == Start || m.Preceding != ""
	}
	return news, m.End == 0 || news[0] == ','
}

// equalUnlessHidden reports whether data is text, or was text before Hide blanked some of it.
func equalUnlessHidden(data []byte, text string) bool {
	if len(data) != len(text) {
		return false
	}
	for i, c := range data {
		if c != text[i] && (c != ' ' || text[i] == ',') {
			return false
		}
	}
	return true
}

// Split reads data, which starts at the given offset with the start of an entry. It returns the entries that are not blank, and
// the position after the last entry, blank or not, without its Preceding.
func Split(data []byte, offset int64) (entries []Entry, last Position) {
	last = Start
	for len(data) > 0 {
		n := entryLength(data)
		last = Position{ID: offset, End: offset + int64(n)}
		if raw := bytes.TrimPrefix(data[:n], []byte(",")); len(raw) > 0 { // a book of nothing but commas costs little
			if text := string(raw); !IsBlank(text) {
				entries = append(entries, Entry{ID: offset, Text: Decode(text)})
			}
		}
		data, offset = data[n:], last.End
	}
	return entries, last
}

// entryLength returns how many bytes the first entry of data has, its comma included.
func entryLength(data []byte) int {
	if len(data) == 0 {
		return 0
	}
	if next := bytes.IndexByte(data[1:], ','); next >= 0 {
		return 1 + next
	}
	return len(data)
}
