// Package guestbook defines guestbooks and entries. It imports neither the package store nor the package server.
//
// A guestbook is one string, an append-only log. In this string, an entry is a comma followed by the entry's text. The first entry starts
// at offset 0, even if the string lacks a leading comma. Entries without text, which the PHP guestbook's page writes, and entries that an
// operator has overwritten with spaces are not shown.
package guestbook

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
)

// DefaultKey is the guestbook's Redis key if a request names no key. The page shows the guestbook under DefaultKey.
const DefaultKey = "messages"

// The server answers each of these errors with its own status or message.
var (
	ErrWrongType = errors.New("the key holds another type of data than text")
	ErrFull      = errors.New("the guestbook is full and takes nothing more")
	ErrNoEntry   = errors.New("no entry starts there")
	ErrReused    = errors.New("this Idempotency-Key was used with another text")
	ErrTooLong   = errors.New("the guestbook is too long to be read at once")
	ErrForbidden = errors.New("this key is kept from the guestbook by Redis")
	// ErrUnknown means that a write was sent to Redis but not answered, so that the write may or may not be stored.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrUnconfirmed means that the master has stored a write, but too few slaves have confirmed the write. If the master is lost now,
	// the write may be lost.
	ErrUnconfirmed = errors.New("the outcome is unknown")
)

// RefusedError means that Redis replied with an error, so that nothing was stored.
type RefusedError struct {
	Reason     string // describes the problem and its solution
	WritesOnly bool   // Redis refuses writes, but still answers reads
	Err        error  // the error with which Redis replied
}

func (e *RefusedError) Error() string { return e.Reason + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// RefusesWrites reports whether err means that Redis refuses writes but still answers reads.
func RefusesWrites(err error) bool {
	refused := (*RefusedError)(nil)
	return errors.Is(err, ErrFull) || errors.As(err, &refused) && refused.WritesOnly
}

// Entry is one message in a guestbook.
type Entry struct {
	ID   int64 // byte offset at which the entry starts in the guestbook, the same on every slave
	Text string
}

// At each byte of a text, a strings.Replacer applies the first pair that matches.
var (
	encoder = strings.NewReplacer(",", "%2C", "%2C", "%252C", "%25", "%2525")
	decoder = strings.NewReplacer("%2C", ",", "%252C", "%2C", "%2525", "%25")
)

// Encode returns a text as an entry: a comma, and the text with each comma as %2C and each % before 2C or 25 as %25. Encode leaves all
// other bytes unchanged, because the PHP guestbook's page shows a text such as "100%" without decoding it.
func Encode(text string) string { return "," + encoder.Replace(text) }

// Decode returns the text of an entry, of which raw is all after the leading comma. Decode replaces %2C by a comma, and %25 before 2C or
// 25 by %. If the PHP guestbook stored a literal %2C, Decode returns a comma for it. Nearly all other texts of the PHP guestbook stay
// unchanged.
func Decode(raw string) string {
	if !strings.Contains(raw, "%2") {
		return raw // most texts lack %2, and strings.Contains is faster than a strings.Replacer
	}
	return decoder.Replace(raw)
}

// blank matches a text of invisible characters: white space, control characters, ignorable characters (Unicode 17: White_Space, general
// category Cc, Default_Ignorable_Code_Point), the Braille pattern without dots, and U+FFF9 to U+FFFC, for which browsers draw nothing.
// The page's JavaScript has the same list of characters.
var blank = regexp.MustCompile(`^[\x00- \x7f-\xa0\xad\x{34f}\x{61c}\x{115f}\x{1160}\x{1680}\x{17b4}\x{17b5}\x{180b}-\x{180f}` +
	`\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{2800}\x{3000}\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}` +
	`\x{fff0}-\x{fffc}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]*$`)

// IsBlank reports whether a text has no visible character.
func IsBlank(text string) bool {
	for i := range len(text) { // only other characters than ASCII need the regular expression
		switch c := text[i]; {
		case c >= 0x80:
			return blank.MatchString(text[i:])
		case c > ' ' && c < 0x7f:
			return false
		}
	}
	return true
}

// Position is the place after an entry in a guestbook.
type Position struct {
	ID, End int64 // byte offsets at which the entry starts and ends; before the first entry: -1 and 0
	// Preceding holds the last bytes before End, because these bytes usually change when a guestbook is rewritten. Preceding is empty if
	// these bytes are unknown.
	Preceding string
}

// PrecedingLength is the length of Position.Preceding in bytes. If End is smaller, Preceding has only End bytes.
const PrecedingLength = 64

// Start is the position before the first entry.
var Start = Position{ID: -1}

// AfterEntry returns the position after the entry with this id, for callers that do not know where this entry ends. AfterEntry(-1)
// returns Start.
func AfterEntry(id int64) Position { return Position{ID: id, End: max(id, 0)} }

// LastBytes returns the last PrecedingLength bytes of data, or all of data if data is shorter.
func LastBytes(data []byte) string { return string(data[max(0, len(data)-PrecedingLength):]) }

// After returns the part of data that follows the position p. data is a part of a guestbook, and starts at the offset from. ok is false
// if p belongs to another guestbook, or to this guestbook before a rewrite.
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

// equalUnlessHidden reports whether data equals text, or differs only because an operator has overwritten an entry with spaces.
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

// Split returns the entries of data that are not blank. data is a part of a guestbook, and starts at the byte offset of an entry. last is
// the position after the last entry in data, even if this entry is blank. Split leaves last.Preceding empty.
func Split(data []byte, offset int64) (entries []Entry, last Position) {
	last = Start
	for len(data) > 0 {
		rest, _, _ := bytes.Cut(data[1:], []byte(","))
		n := 1 + len(rest)
		last = Position{ID: offset, End: offset + int64(n)}
		if raw := bytes.TrimPrefix(data[:n], []byte(",")); len(raw) > 0 { // skips empty entries, so that a guestbook of only commas costs little
			if text := string(raw); !IsBlank(text) {
				entries = append(entries, Entry{ID: offset, Text: Decode(text)})
			}
		}
		data, offset = data[n:], last.End
	}
	return entries, last
}
