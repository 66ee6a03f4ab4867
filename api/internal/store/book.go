package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// firstWindow is the number of bytes that the method "Page" first reads for each entry of a page. If a read finds too few entries, "Page"
// reads four times as many bytes.
const firstWindow = 128

// maxEndBytes is the number of bytes in which the function "end" looks for the start of the last entry.
const maxEndBytes = 128 << 10

//go:embed append.lua hide.lua window.lua
var scripts embed.FS

var appendScript, hideScript, windowScript = script("append.lua"), script("hide.lua"), script("window.lua")

var commentLines = regexp.MustCompile(`(?m)^\s*--.*\n`)

// script returns a Lua script without its comments, because the API sends the whole script to Redis with each EVAL.
func script(file string) string {
	text, _ := scripts.ReadFile(file) // fails only if go:embed, above, does not name the file
	return commentLines.ReplaceAllString(string(text), "")
}

// Get returns the value of a Redis key, or "" if the key does not exist. Get returns ErrTooLong if the value has more bytes than "most",
// ErrWrongType if the value is no string, ErrForbidden if Redis forbids the key, and the errors of both servers if neither answers.
func (s *Store) Get(ctx context.Context, key string, most int64) (value string, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		value, err = redis.String(server.do(ctx, "GETRANGE", key, 0, most)) // reads most+1 bytes, to detect a longer value
		if int64(len(value)) > most {
			value, err = "", guestbook.ErrTooLong
		}
		return err
	})
	return value, err
}

// Set replaces the value of the Redis key. Set returns an error if Redis cannot be reached or refuses the write, ErrUnknown if Redis sends
// no reply, and ErrUnconfirmed if fewer than WaitSlaves slaves confirm the write.
func (s *Store) Set(ctx context.Context, key, value string) error {
	_, err := s.write(ctx, "SET", key, value)
	return err
}

// Append adds one entry for each text to the guestbook, either all entries or none, and returns the id of the first of these entries. If
// Append is called again within a day with the same idempotency key and the same texts, Append adds nothing, and returns the same id and
// known = true. With the same idempotency key and other texts, Append returns ErrReused. If idempotencyKey is "", every call of Append adds
// entries. Append returns an error such as ErrFull or ErrWrongType if Redis refuses the entries, ErrUnknown if Redis sends no reply, and
// ErrUnconfirmed if fewer than WaitSlaves slaves confirm the write. The time that Append takes does not depend on the guestbook's length.
func (s *Store) Append(ctx context.Context, key, idempotencyKey string, texts ...string) (id int64, known bool, err error) {
	var encoded strings.Builder
	for _, text := range texts {
		encoded.WriteString(guestbook.Encode(text))
	}
	raw := encoded.String()
	if idempotencyKey == "" {
		length, err := redis.Int64(s.write(ctx, "APPEND", key, raw))
		return length - int64(len(raw)), false, err
	}
	fingerprint := digest(raw)
	reply, err := redis.Values(s.write(ctx, "EVAL", appendScript, 2, key, recordName(key, idempotencyKey), raw, fingerprint))
	var record string
	_, scanErr := redis.Scan(reply, &known, &record)
	if err := cmp.Or(err, scanErr); err != nil {
		return 0, false, err
	}
	if id, err = strconv.ParseInt(strings.TrimSuffix(record, " "+fingerprint), 10, 64); err != nil { // ParseInt fails if the record has another fingerprint
		return 0, false, guestbook.ErrReused
	}
	return id, known, nil
}

// recordName returns the Redis key under which the script append.lua stores the record of an idempotency key.
func recordName(key, idempotencyKey string) string {
	return "{" + key + "}:idempotency:" + digest(key+"\x00"+idempotencyKey)
}

// digest returns the first 16 bytes of the text's SHA-256 hash as 22 characters of URL-safe base64, without padding.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Hide overwrites the text of an entry with spaces, and returns the number of overwritten bytes, or 0 if the text was only spaces already.
// If no entry has this id, Hide returns ErrNoEntry. Hide also returns an error if Redis cannot be reached or refuses the write, ErrUnknown
// if Redis sends no reply, and ErrUnconfirmed if fewer than WaitSlaves slaves confirm the write. Other clients can append entries while
// Hide runs.
func (s *Store) Hide(ctx context.Context, key string, id int64) (hidden int, err error) {
	hidden, err = redis.Int(s.write(ctx, "EVAL", hideScript, 1, key, id))
	if hidden < 0 {
		return 0, guestbook.ErrNoEntry
	}
	return hidden, err
}

// Page returns up to "limit" entries, oldest first: the entries that precede the entry with the id "before", or the guestbook's last
// entries if "before" is negative. The result "older" is the argument "before" for the next older page, or -1 if there are no older
// entries. The parameter "most" limits the bytes of one read. If fewer than "limit" entries fit in one read, Page returns only these, or
// ErrTooLong if none fits. If "before" is negative and a slave lacks the entry with the id "seen", Page asks the master; a negative "seen"
// names no entry. Page returns ErrNoEntry if "before" is not the id of an entry, or if the master also lacks the entry "seen", and the
// errors of the servers if none answers.
func (s *Store) Page(ctx context.Context, key string, before, seen int64, limit int, most int64) (entries []guestbook.Entry, older int64, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		for before, size := before, min(most, max(firstWindow*int64(limit), 4096)); ; size = min(most, size*4) {
			data, start, err := window(ctx, server, key, before, size)
			if err != nil {
				return err
			}
			if before < 0 && start+int64(len(data)) <= seen {
				return guestbook.ErrNoEntry
			}
			entries, _ = guestbook.Split(data, start)
			older = start
			switch {
			case len(entries) > limit:
				entries = entries[len(entries)-limit:]
				older = entries[0].ID
				return nil
			case start == 0:
				older = -1
				return nil
			case len(entries) == limit || size == most && len(entries) > 0:
				return nil
			case size == most && len(data) == 0:
				return guestbook.ErrTooLong
			case size == most: // all entries in "data" are blank, so read older entries
				before = start
			}
		}
	})
	return entries, older, err
}

// window reads "size" bytes that precede the entry with the id "before", or the last bytes of the guestbook if "before" is negative. The
// result "data" starts with a complete entry, at the byte offset "start" in the guestbook, or is empty if no entry starts in these bytes.
// The function "window" returns ErrNoEntry if "before" is not the id of an entry.
func window(ctx context.Context, server *pool, key string, before, size int64) (data string, start int64, err error) {
	if before == 0 {
		return "", 0, nil
	}
	data, start, err = bytesBefore(ctx, server, key, before, size)
	if last := len(data) - 1; err == nil && before > 0 {
		if start+int64(last) != before || data[last] != ',' {
			return "", 0, guestbook.ErrNoEntry
		}
		data = data[:last]
	}
	if start > 0 { // the offset "start" may be in the middle of an entry, so drop the rest of this entry
		inside, _, _ := strings.Cut(data, ",")
		data, start = data[len(inside):], start+int64(len(inside))
	}
	return data, start, err
}

// bytesBefore returns the result of the script window.lua: up to "size" bytes before the byte offset "before", followed by the byte at this
// offset, or the last "size" bytes of the guestbook if "before" is negative. The result "start" is the byte offset at which "data" starts.
// The error is the error of the method "do".
func bytesBefore(ctx context.Context, server *pool, key string, before, size int64) (data string, start int64, err error) {
	reply, err := redis.Values(server.do(ctx, "EVAL", windowScript, 1, key, before, size))
	_, scanErr := redis.Scan(reply, &start, &data)
	return data, start, cmp.Or(err, scanErr)
}

// After returns the entries that follow a position in the guestbook, oldest first, and the position after the last returned entry. A single
// call may return only the oldest few of these entries. The parameter "most" limits the bytes of one read, and After returns ErrTooLong if
// not even one entry fits. If no entry follows the position, "After" returns the argument "position" unchanged. If the guestbook no longer
// has the position, because a client has rewritten the guestbook, "After" returns ErrNoEntry and the end of the guestbook. "After" also
// returns ErrNoEntry if the guestbook is shorter than the argument "upto", the guestbook's length in an earlier read. If no server answers,
// "After" returns the errors of both servers.
func (s *Store) After(ctx context.Context, key string, position guestbook.Position, upto, most int64) (entries []guestbook.Entry, last guestbook.Position, err error) {
	from := max(0, position.End-guestbook.PrecedingLength)
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		for size := min(most, 32<<10); ; size = min(most, size*4) {
			data, err := redis.String(server.do(ctx, "GETRANGE", key, from, from+size-1))
			if err != nil {
				return err
			}
			toEnd := int64(len(data)) < size
			news, ok := position.After(data, from)
			if !ok || toEnd && from+int64(len(data)) < upto {
				last, err = end(ctx, server, key)
				return cmp.Or(err, guestbook.ErrNoEntry)
			}
			if !toEnd { // the last entry in "data" may be incomplete
				news = news[:max(strings.LastIndexByte(news, ','), 0)]
			}
			switch entries, last = guestbook.Split(news, position.End); {
			case len(news) == 0 && !toEnd && size < most:
				continue
			case len(news) == 0 && !toEnd:
				return guestbook.ErrTooLong
			case len(news) == 0:
				last = position
				return nil
			}
			last.Preceding = guestbook.LastBytes(data[:int(position.End-from)+len(news)])
			// If AfterEntry returned the position, the first entry may be the entry that the caller already has.
			if len(entries) > 0 && entries[0].ID == position.ID {
				entries = entries[1:]
			}
			return nil
		}
	})
	return entries, last, err
}

// End returns the position after the guestbook's last entry, or Start if the guestbook is empty. End returns ErrWrongType if the key holds
// no string, ErrForbidden if Redis forbids the key, and the errors of both servers if neither answers.
func (s *Store) End(ctx context.Context, key string) (last guestbook.Position, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		last, err = end(ctx, server, key)
		return err
	})
	return last, err
}

// end returns the position after the guestbook's last entry, or Start if the guestbook is empty. If the last entry is longer than
// maxEndBytes, the position's id is not the entry's id, but an offset in the entry. The error is the error of bytesBefore.
func end(ctx context.Context, server *pool, key string) (last guestbook.Position, err error) {
	for size := int64(firstWindow); ; size *= 4 {
		data, start, err := bytesBefore(ctx, server, key, -1, size)
		if comma := strings.LastIndexByte(data, ','); err != nil || start == 0 || comma >= 0 || size >= maxEndBytes {
			_, last = guestbook.Split(data[max(comma, 0):], start+int64(max(comma, 0)))
			last.Preceding = guestbook.LastBytes(data)
			return last, err
		}
	}
}
