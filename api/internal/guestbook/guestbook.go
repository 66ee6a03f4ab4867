// Package guestbook defines guestbooks and entries.
//
// A guestbook is one string, to which clients append entries. An entry in a guestbook is a comma followed by the entry's text. Only the
// first entry of a guestbook may lack its comma. The page does not show blank entries. The PHP guestbook's page stores a blank entry if a
// visitor posts no text. An operator makes an entry blank with the command "hide".
package guestbook

import (
	"errors"
	"strings"
	"unicode"
)

// DefaultKey is the Redis key of the guestbook that the page shows. If a request names no key, the server uses DefaultKey.
const DefaultKey = "messages"

// AnyLength is greater than the length of every string in Redis.
const AnyLength = 1 << 40

// The server maps each of the following errors to an HTTP status and a message.
var (
	ErrWrongType = errors.New("the key holds another type of data than text")
	ErrFull      = errors.New("the guestbook is full and takes nothing more")
	ErrNoEntry   = errors.New("no entry starts there")
	ErrReused    = errors.New("this Idempotency-Key was used with another text")
	ErrTooLong   = errors.New("the guestbook, or one entry of it, is too long to be read at once")
	ErrForbidden = errors.New("this key is kept from the guestbook by Redis")
	// ErrUnknown means that a write was sent to Redis, but no reply has arrived, so that the write may or may not be stored.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrUnconfirmed means that the master has stored a write, but too few slaves have confirmed the write. If the master is lost before
	// a slave has the write, the write is lost.
	ErrUnconfirmed = errors.New("the outcome is unknown")
)

// RefusedError means that Redis replied with an error.
type RefusedError struct {
	Reason     string // describes the problem and what to do
	Outcome    string // " (nothing was stored)", or "" if this is unknown
	WritesOnly bool   // true if Redis refuses writes, but still answers reads
	Err        error  // the error with which Redis replied
}

func (e *RefusedError) Error() string { return e.Reason + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// RefusesWrites reports whether err means that Redis refuses writes but still answers reads: a RefusedError whose field WritesOnly is true,
// or ErrFull.
func RefusesWrites(err error) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	return ok && refused.WritesOnly || errors.Is(err, ErrFull)
}

// Entry is one message in a guestbook.
type Entry struct {
	// ID is the byte offset in the guestbook at which the entry starts, the same on master and slaves. The method Append of the store
	// computes the ID of a new entry.
	ID   int64
	Text string
}

var (
	encoder = strings.NewReplacer(",", "%2C", "%2C", "%252C", "%25", "%2525")
	decoder = strings.NewReplacer("%2C", ",", "%252C", "%2C", "%2525", "%25")
)

// Encode returns a text as an entry: a comma, followed by the encoded text. Encode writes a comma in the text as %2C, a literal %2C as
// %252C, and a literal %25 as %2525. Encode leaves the % of the text "100%" unchanged, because the PHP guestbook's page does not decode
// texts, and would show "100%25".
func Encode(text string) string { return "," + encoder.Replace(text) }

// Decode returns the text of an entry. The parameter "raw" is the entry without the leading comma. Decode replaces %2C by a comma, %252C by
// %2C, and %2525 by %25. Decode wrongly changes a literal %2C in a text of the PHP guestbook, because the PHP guestbook does not encode
// texts.
func Decode(raw string) string {
	if !strings.Contains(raw, "%2") {
		return raw // without %2, the text contains nothing that Decode replaces
	}
	return decoder.Replace(raw)
}

// IsBlank reports whether a text has no visible character, because it is empty or has only characters that a browser does not draw, such as
// white space and control characters. A byte that is not valid UTF-8 counts as visible.
func IsBlank(text string) bool { return !strings.ContainsFunc(text, isVisible) }

// isVisible reports whether a browser draws the character. White space, control characters, ignorable characters, the Braille pattern
// without dots, and U+FFF9 to U+FFFC are invisible. The page's JavaScript contains the same list of invisible characters. A character is
// ignorable if it has the Unicode property Default_Ignorable_Code_Point, which isVisible derives from Go's tables.
func isVisible(c rune) bool {
	switch {
	case c < 0x7f: // ASCII characters do not need the slow search in tables
		return c > ' '
	case unicode.In(c, unicode.Prepended_Concatenation_Mark, unicode.Egyptian_Hieroglyphs):
		return true
	}
	return c != '\u2800' && c != '\ufffc' &&
		!unicode.In(c, unicode.White_Space, unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Position is the place after an entry in a guestbook, or the guestbook's beginning.
type Position struct {
	ID, End int64 // byte offsets of the start and the end of the entry before this position; -1 and 0 at the beginning of the guestbook.
	// Preceding holds the guestbook's bytes just before the offset End, or "" if these bytes are unknown. Position.After compares Preceding
	// with the guestbook, to detect that a client has rewritten the guestbook.
	Preceding string
}

// PrecedingLength is the length of Position.Preceding in bytes. If Position.End is smaller than PrecedingLength, Preceding has only
// Position.End bytes.
const PrecedingLength = 64

// Start is the position before the first entry.
var Start = Position{ID: -1}

// AfterEntry returns a position for a caller that knows an entry's id but not where the entry ends. The position's field End is the offset
// at which the entry starts, so Position.After still returns this entry. Because the field Preceding is empty, Position.After detects a
// rewritten guestbook only if no comma is at this offset. AfterEntry(-1) returns Start, the position before the first entry.
func AfterEntry(id int64) Position { return Position{ID: id, End: max(id, 0)} }

// LastBytes returns a copy of the last PrecedingLength bytes of "data", or of all bytes if "data" is shorter. Without the copy, a position
// would keep the whole "data" in memory.
func LastBytes(data string) string { return strings.Clone(data[max(0, len(data)-PrecedingLength):]) }

// After returns the part of "data" that follows the position p. The parameter "data" is a part of a guestbook, and the parameter "from" is
// the byte offset at which this part starts: p.End minus the length of p.Preceding, or any offset up to p.End if p.Preceding is empty.
// After returns ok = false if the guestbook no longer has the position p, because "data" ends before p.End, differs from p.Preceding in
// more than hidden entries, or has another byte than a comma at p.End. If "data" ends at p.End, ok is true only if p is Start or
// p.Preceding is not empty.
func (p Position) After(data string, from int64) (news string, ok bool) {
	at := int(p.End - from)
	if len(data) < at || p.Preceding != "" && !equalUnlessHidden(data[:at], p.Preceding) {
		return "", false
	}
	if news = data[at:]; len(news) == 0 {
		return news, p == Start || p.Preceding != ""
	}
	return news, p.End == 0 || news[0] == ','
}

// equalUnlessHidden reports whether "data" equals "text", or differs from "text" only because an operator has overwritten an entry with
// spaces: the lengths are equal, and each byte that differs is a space in "data" and no comma in "text".
func equalUnlessHidden(data, text string) bool {
	if len(data) != len(text) {
		return false
	}
	for i, c := range []byte(data) {
		if c != text[i] && (c != ' ' || text[i] == ',') {
			return false
		}
	}
	return true
}

// Split returns the entries of "data" that are not blank. The parameter "data" is a part of a guestbook that starts with an entry, and the
// parameter "offset" is the byte offset at which this part starts. Split also returns the position after the last entry in "data", even if
// the last entry is blank, or Start if "data" is empty. In the position that Split returns, the field Preceding is empty. Each
// entry keeps "data" in memory, unless Decode has changed the entry's text.
func Split(data string, offset int64) (entries []Entry, last Position) {
	last = Start
	for len(data) > 0 {
		rest, _, _ := strings.Cut(data[1:], ",")
		n := 1 + len(rest)
		last = Position{ID: offset, End: offset + int64(n)}
		if text := strings.TrimPrefix(data[:n], ","); !IsBlank(text) {
			entries = append(entries, Entry{ID: offset, Text: Decode(text)})
		}
		data, offset = data[n:], last.End
	}
	return entries, last
}
