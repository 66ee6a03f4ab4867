// Package guestbook is the domain: it defines guestbooks and entries, and imports neither the store nor the server.
//
// A guestbook is one string, an append-only log. An entry is a comma followed by its text. The first entry starts at offset 0, even
// in a value that was set without a leading comma. Entries without text, which old pages leave, and entries that an operator has
// blanked are not shown.
package guestbook

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
)

// DefaultKey is the guestbook of requests that name none. The page shows it.
const DefaultKey = "messages"

// These errors each have an answer of their own.
var (
	ErrWrongType = errors.New("the key holds another type of data than text")
	ErrFull      = errors.New("the guestbook is full and takes nothing more")
	ErrNoEntry   = errors.New("no entry starts there")
	ErrReused    = errors.New("this Idempotency-Key was used with another text")
	ErrTooLong   = errors.New("the guestbook is too long to be read at once")
	ErrForbidden = errors.New("this key is kept from the guestbook by Redis")
	// ErrUnknown means that a write was sent and was not answered, so that it may be stored.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrUnconfirmed means that the master has stored a write, which will be lost if the master is lost now.
	ErrUnconfirmed = errors.New("the outcome is unknown")
)

// RefusedError means that Redis answered with an error, so that nothing was stored.
type RefusedError struct {
	Reason     string // says what is wrong and what to do
	WritesOnly bool   // reads go on
	Err        error  // in the words of Redis
}

func (e *RefusedError) Error() string { return e.Reason + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// RefusesWrites reports whether err means that nothing can be stored, while guestbooks can be read.
func RefusesWrites(err error) bool {
	refused := (*RefusedError)(nil)
	return errors.Is(err, ErrFull) || errors.As(err, &refused) && refused.WritesOnly
}

// Entry is one message.
type Entry struct {
	ID   int64 // the offset in bytes at which the entry starts, which is the same on every slave
	Text string
}

// At each place, a replacer uses the first of its pairs that matches.
var (
	encoder = strings.NewReplacer(",", "%2C", "%2C", "%252C", "%25", "%2525")
	decoder = strings.NewReplacer("%2C", ",", "%252C", "%2C", "%2525", "%25")
)

// Encode returns a text as an entry: a comma, and the text with each comma as %2C and each % before 2C or 25 as %25. It leaves all
// else as it is, so that old pages, which do not decode, show "100%" as it was written.
func Encode(text string) string { return "," + encoder.Replace(text) }

// Decode returns the text of an entry, of which raw is all after the comma: %2C is a comma, and %25 before 2C or 25 is a %. A literal
// %2C that an old page stored becomes a comma. Every other text of an old page stays as it was.
func Decode(raw string) string {
	if !strings.Contains(raw, "%2") {
		return raw // most texts have none, and searching is faster than replacing nothing
	}
	return decoder.Replace(raw)
}

// blank matches a text that shows nothing: white space, controls, ignorable characters (Unicode 17: White_Space, general category
// Cc, Default_Ignorable_Code_Point), the Braille pattern without dots, and U+FFF9 to U+FFFC, for which browsers draw nothing. The
// page has the same list.
var blank = regexp.MustCompile(`^[\x00- \x7f-\xa0\xad\x{34f}\x{61c}\x{115f}\x{1160}\x{1680}\x{17b4}\x{17b5}\x{180b}-\x{180f}` +
	`\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{2800}\x{3000}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}` +
	`\x{fff0}-\x{fffc}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]*$`)

// IsBlank reports whether a text shows nothing.
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
	// Preceding has the bytes before End, which differ in a book that was rewritten. It is empty if these bytes are unknown.
	Preceding string
}

// PrecedingLength is the length of Preceding, unless End is smaller.
const PrecedingLength = 64

// Start is the position before the first entry.
var Start = Position{ID: -1}

// AfterEntry returns the position after the entry id if the end of that entry is unknown. AfterEntry(-1) is Start.
func AfterEntry(id int64) Position { return Position{ID: id, End: max(id, 0)} }

// LastBytes returns the Preceding of a position at the end of data.
func LastBytes(data []byte) string { return string(data[max(0, len(data)-PrecedingLength):]) }

// After returns the part of data that follows the position. data is a part of a book that starts at the offset from. After reports
// false if the position belongs to another book.
func (p Position) After(data []byte, from int64) (news []byte, ok bool) {
	at := int(p.End - from)
	if len(data) < at || p.Preceding != "" && !equalUnlessHidden(data[:at], p.Preceding) {
		return nil, false
	}
	if news = data[at:]; len(news) == 0 {
		return news, p == Start || p.Preceding != ""
	}
	return news, p.End == 0 || news[0] == ','
}

// equalUnlessHidden reports whether data equals text, or did before an operator hid an entry in it.
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

// Split returns the entries of data that are not blank, and the position after the last entry, blank or not, without its Preceding.
// data is a part of a book that starts at the offset, where an entry starts.
func Split(data []byte, offset int64) (entries []Entry, last Position) {
	last = Start
	for len(data) > 0 {
		rest, _, _ := bytes.Cut(data[1:], []byte(","))
		n := 1 + len(rest)
		last = Position{ID: offset, End: offset + int64(n)}
		if raw := bytes.TrimPrefix(data[:n], []byte(",")); len(raw) > 0 { // so that a book of nothing but commas costs little
			if text := string(raw); !IsBlank(text) {
				entries = append(entries, Entry{ID: offset, Text: Decode(text)})
			}
		}
		data, offset = data[n:], last.End
	}
	return entries, last
}
