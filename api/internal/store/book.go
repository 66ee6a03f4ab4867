package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

const (
	// idempotencySeconds is how long an idempotency key is known. A Redis that is full forgets the oldest keys earlier, as its
	// maxmemory-policy says, and then a repeat is refused with ErrFull, or stored again once there is room.
	idempotencySeconds = 24 * 60 * 60
	// firstWindow is how many bytes of a book are read for each entry of a page at first; longer entries take more.
	firstWindow = 128
	// maxWindow is how many bytes a page has at most, unless a single entry is longer.
	maxWindow = 1 << 20
)

// The scripts, each with its contract at its head.
var (
	//go:embed append.lua
	appendScript string
	//go:embed hide.lua
	hideScript string
	//go:embed window.lua
	windowScript string
)

// Get returns the value of key, or "" if there is no such key. ErrTooLong means that the value has more bytes than limit.
func (s *Store) Get(ctx context.Context, key string, limit int) (value string, err error) {
	err = s.read(ctx, func(ctx context.Context, p *pool) (err error) {
		value, err = redis.String(p.do(ctx, "GETRANGE", key, 0, limit)) // a byte more than the limit
		if len(value) > limit {
			value, err = "", guestbook.ErrTooLong
		}
		return err
	})
	return value, err
}

// Set makes value all that key holds.
func (s *Store) Set(ctx context.Context, key, value string) error {
	_, err := s.write(ctx, "SET", key, value)
	return err
}

// Append adds an entry to the book, atomically and in time that does not depend on the book's length. A repeat under the same
// idempotency key adds nothing and returns the first answer; with another text it returns ErrReused. An idempotencyKey of ""
// is none.
func (s *Store) Append(ctx context.Context, key, text, idempotencyKey string) (guestbook.Entry, error) {
	raw := guestbook.Encode(text)
	if idempotencyKey == "" {
		length, err := redis.Int64(s.write(ctx, "APPEND", key, raw))
		return guestbook.Entry{ID: length - int64(len(raw)), Text: text}, err
	}
	id, _, err := s.appendOnce(ctx, key, raw, idempotencyKey)
	if err != nil {
		return guestbook.Entry{}, err
	}
	return guestbook.Entry{ID: id, Text: text}, nil
}

// AppendAll adds entries to the book, all or none, and reports whether an earlier call with this idempotency key did. It
// returns ErrReused if that call had other texts.
func (s *Store) AppendAll(ctx context.Context, key string, texts []string, idempotencyKey string) (known bool, err error) {
	var raw strings.Builder
	for _, text := range texts {
		raw.WriteString(guestbook.Encode(text))
	}
	_, known, err = s.appendOnce(ctx, key, raw.String(), idempotencyKey)
	return known, err
}

// appendOnce runs append.lua and returns the id of the first of the entries in raw.
func (s *Store) appendOnce(ctx context.Context, key, raw, idempotencyKey string) (id int64, known bool, err error) {
	reply, err := redis.Values(s.write(ctx, "EVAL", appendScript, 2, key, recordName(key, idempotencyKey), raw, digest(raw), idempotencySeconds))
	if err != nil {
		return 0, false, err
	}
	var record, fingerprint string
	if _, err = redis.Scan(reply, &record, &known); err != nil {
		return 0, false, err
	}
	if _, err := fmt.Sscan(record, &id, &fingerprint); err != nil || fingerprint != digest(raw) {
		return 0, false, guestbook.ErrReused
	}
	return id, known, nil
}

// recordName returns the key of an idempotency key's record. The digest has the book's key in it, so that no record belongs to
// two books, whatever braces their keys have.
func recordName(key, idempotencyKey string) string {
	return "{" + key + "}:idempotency:" + digest(key+"\x00"+idempotencyKey)
}

// digest returns 22 letters that stand for a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Hide overwrites the text of the entry id with spaces, whatever is posted meanwhile, and returns how many bytes it had; 0 if
// it was hidden already.
func (s *Store) Hide(ctx context.Context, key string, id int64) (hidden int, err error) {
	hidden, err = redis.Int(s.write(ctx, "EVAL", hideScript, 1, key, id))
	if hidden < 0 {
		return 0, guestbook.ErrNoEntry
	}
	return hidden, err
}

// Page returns up to limit entries, oldest first: the last ones before the entry before, or of all if before is negative. If
// there may be older entries, older is the before of the next page; otherwise it is -1. Page asks no slave that does not hold
// the entry seen yet; a negative seen is none. ErrNoEntry means that no entry starts at before.
func (s *Store) Page(ctx context.Context, key string, before, seen int64, limit int) (entries []guestbook.Entry, older int64, err error) {
	err = s.read(ctx, func(ctx context.Context, p *pool) (err error) {
		entries, older, err = page(ctx, p, key, before, seen, limit)
		return err
	})
	return entries, older, err
}

// Since returns the entries after the position, some at a time, and the place of the last of them. ErrNoEntry means that the position
// is another book's, or that the book has less than upto bytes; last is the book's end then.
func (s *Store) Since(ctx context.Context, key string, position guestbook.Position, upto int64) (entries []guestbook.Entry, last guestbook.Position, err error) {
	err = s.read(ctx, func(ctx context.Context, p *pool) (err error) {
		entries, last, err = since(ctx, p, key, position, upto)
		return err
	})
	return entries, last, err
}

// End returns the place after the last entry, Start for an empty book.
func (s *Store) End(ctx context.Context, key string) (last guestbook.Position, err error) {
	err = s.read(ctx, func(ctx context.Context, p *pool) (err error) {
		last, err = end(ctx, p, key)
		return err
	})
	return last, err
}

func page(ctx context.Context, p *pool, key string, before, seen int64, limit int) (entries []guestbook.Entry, older int64, err error) {
	for size := max(firstWindow*int64(limit), 4096); ; size *= 4 {
		data, start, err := window(ctx, p, key, before, size)
		if err != nil {
			return nil, -1, err
		}
		if before < 0 && start+int64(len(data)) <= seen {
			return nil, -1, guestbook.ErrNoEntry // the slave is behind
		}
		entries, _ := guestbook.Split(data, start)
		switch {
		case len(entries) > limit:
			entries = entries[len(entries)-limit:]
			return entries, entries[0].ID, nil
		case start == 0:
			return entries, -1, nil
		case len(entries) == limit || size >= maxWindow && len(data) > 0:
			return entries, start, nil
		}
	}
}

// window returns the entries that start in the size bytes before the entry before, or in the book's last size bytes if before
// is negative, and where the first of them starts.
func window(ctx context.Context, p *pool, key string, before, size int64) (data []byte, start int64, err error) {
	if before == 0 {
		return nil, 0, nil
	}
	data, start, err = bytesBefore(ctx, p, key, before, size)
	if last := len(data) - 1; err == nil && before > 0 {
		if start+int64(last) != before || data[last] != ',' {
			return nil, 0, guestbook.ErrNoEntry
		}
		data = data[:last]
	}
	if start > 0 { // most likely inside an entry
		cut := bytes.IndexByte(data, ',')
		if cut < 0 {
			cut = len(data)
		}
		data, start = data[cut:], start+int64(cut)
	}
	return data, start, err
}

// bytesBefore runs window.lua.
func bytesBefore(ctx context.Context, p *pool, key string, before, size int64) (data []byte, start int64, err error) {
	reply, err := redis.Values(p.do(ctx, "EVAL", windowScript, 1, key, before, size))
	if err == nil {
		_, err = redis.Scan(reply, &start, &data)
	}
	return data, start, err
}

func end(ctx context.Context, p *pool, key string) (last guestbook.Position, err error) {
	for size := int64(firstWindow); ; size *= 4 {
		data, start, err := bytesBefore(ctx, p, key, -1, size)
		if comma := bytes.LastIndexByte(data, ','); err != nil || start == 0 || comma >= 0 {
			_, last = guestbook.Split(data[max(comma, 0):], start+int64(max(comma, 0)))
			last.Preceding = guestbook.LastBytes(data)
			return last, err
		}
	}
}

func since(ctx context.Context, p *pool, key string, position guestbook.Position, upto int64) ([]guestbook.Entry, guestbook.Position, error) {
	from := max(0, position.End-guestbook.PrecedingLength)
	for size := int64(64 << 10); ; size *= 4 {
		data, err := redis.Bytes(p.do(ctx, "GETRANGE", key, from, from+size-1))
		if err != nil {
			return nil, position, err
		}
		whole := int64(len(data)) < size // that is all that there is
		news, ok := position.After(data, from)
		if !ok || whole && from+int64(len(data)) < upto {
			end, err := end(ctx, p, key)
			return nil, end, cmp.Or(err, guestbook.ErrNoEntry)
		}
		if !whole { // the last entry may be cut
			cut := bytes.LastIndexByte(news, ',')
			if cut <= 0 {
				continue
			}
			news = news[:cut]
		}
		entries, last := guestbook.Split(news, position.End)
		last.Preceding = guestbook.LastBytes(data[:int(position.End-from)+len(news)])
		if len(news) == 0 {
			last = position
		}
		return entries, last, nil
	}
}
