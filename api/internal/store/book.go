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
	// idempotencySeconds is the life of an idempotency key. A full Redis forgets the oldest keys earlier, by its maxmemory-policy.
	// A repeat is then refused with ErrFull, or stored again once there is room.
	idempotencySeconds = 24 * 60 * 60
	// firstWindow is the number of bytes that are read first for each entry of a page. Longer entries take further reads.
	firstWindow = 128
	// maxWindow is the largest number of bytes of a page, unless a single entry is longer.
	maxWindow = 1 << 20
)

// Each script has its contract at its head.
var (
	//go:embed append.lua
	appendScript string
	//go:embed hide.lua
	hideScript string
	//go:embed window.lua
	windowScript string
)

// Get returns the value of key, which is "" if there is no such key. ErrTooLong means that the value has more bytes than limit.
func (s *Store) Get(ctx context.Context, key string, limit int) (value string, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		value, err = redis.String(server.do(ctx, "GETRANGE", key, 0, limit)) // a byte more than the limit
		if len(value) > limit {
			value, err = "", guestbook.ErrTooLong
		}
		return err
	})
	return value, err
}

// Set stores the value under key, in place of the value that key had.
func (s *Store) Set(ctx context.Context, key, value string) error {
	_, err := s.write(ctx, "SET", key, value)
	return err
}

// Append adds entries to the book, all or none, in time that does not depend on the book's length, and returns the id of the first
// entry. A repeat under the same idempotency key adds nothing, returns the same id and reports that it is known; with other texts
// it returns ErrReused. If idempotencyKey is "", every call adds its entries.
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

// recordName returns the Redis key of an idempotency key's record. The digest covers the book's key, so that no two books share a
// record, whatever braces their keys have.
func recordName(key, idempotencyKey string) string {
	return "{" + key + "}:idempotency:" + digest(key+"\x00"+idempotencyKey)
}

// digest returns the first half of the text's SHA-256 as 22 letters.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Hide overwrites the text of the entry id with spaces, even while entries are posted, and returns the number of bytes that it
// overwrote. The number is 0 if the entry was hidden already. ErrNoEntry means that no entry starts at id.
func (s *Store) Hide(ctx context.Context, key string, id int64) (hidden int, err error) {
	hidden, err = redis.Int(s.write(ctx, "EVAL", hideScript, 1, key, id))
	if hidden < 0 {
		return 0, guestbook.ErrNoEntry
	}
	return hidden, err
}

// Page returns up to limit entries, oldest first: the entries before the id before, or the book's last entries if before is negative.
// older is the before of the next page, or -1 if there are no older entries. Page does not answer from a slave that has not received
// the entry with the id seen; a negative seen is no id. ErrNoEntry means that no entry starts at before.
func (s *Store) Page(ctx context.Context, key string, before, seen int64, limit int) (entries []guestbook.Entry, older int64, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		for size := max(firstWindow*int64(limit), 4096); ; size *= 4 {
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
			case len(entries) == limit || size >= maxWindow && len(data) > 0:
				return nil
			}
		}
	})
	return entries, older, err
}

// window returns the entries that start in the size bytes before the entry before, or in the book's last size bytes if before
// is negative, and the offset at which the first of them starts.
func window(ctx context.Context, server *pool, key string, before, size int64) (data []byte, start int64, err error) {
	if before == 0 {
		return nil, 0, nil
	}
	data, start, err = bytesBefore(ctx, server, key, before, size)
	if last := len(data) - 1; err == nil && before > 0 {
		if start+int64(last) != before || data[last] != ',' {
			return nil, 0, guestbook.ErrNoEntry
		}
		data = data[:last]
	}
	if start > 0 { // most likely inside an entry
		inside, _, _ := bytes.Cut(data, []byte(","))
		data, start = data[len(inside):], start+int64(len(inside))
	}
	return data, start, err
}

// bytesBefore runs window.lua.
func bytesBefore(ctx context.Context, server *pool, key string, before, size int64) (data []byte, start int64, err error) {
	reply, err := redis.Values(server.do(ctx, "EVAL", windowScript, 1, key, before, size))
	if err == nil {
		_, err = redis.Scan(reply, &start, &data)
	}
	return data, start, err
}

// After returns entries that follow the position, oldest first, and the position after the last of them. It returns the position
// itself if there are none, and only the first ones if there are many. ErrNoEntry means that the position belongs to another book, or
// that the book has fewer bytes than upto; last is the book's end then.
func (s *Store) After(ctx context.Context, key string, position guestbook.Position, upto int64) (entries []guestbook.Entry, last guestbook.Position, err error) {
	from := max(0, position.End-guestbook.PrecedingLength)
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		for size := int64(64 << 10); ; size *= 4 {
			data, err := redis.Bytes(server.do(ctx, "GETRANGE", key, from, from+size-1))
			if err != nil {
				return err
			}
			toEnd := int64(len(data)) < size
			news, ok := position.After(data, from)
			if !ok || toEnd && from+int64(len(data)) < upto {
				last, err = end(ctx, server, key)
				return cmp.Or(err, guestbook.ErrNoEntry)
			}
			if !toEnd { // the last entry may be cut
				cut := bytes.LastIndexByte(news, ',')
				if cut <= 0 {
					continue
				}
				news = news[:cut]
			}
			if entries, last = guestbook.Split(news, position.End); len(news) == 0 {
				last = position
				return nil
			}
			last.Preceding = guestbook.LastBytes(data[:int(position.End-from)+len(news)])
			if len(entries) > 0 && entries[0].ID == position.ID { // the entry of an AfterEntry
				entries = entries[1:]
			}
			return nil
		}
	})
	return entries, last, err
}

// End returns the position after the book's last entry, which is Start for an empty book.
func (s *Store) End(ctx context.Context, key string) (last guestbook.Position, err error) {
	err = s.read(ctx, func(ctx context.Context, server *pool) error {
		last, err = end(ctx, server, key)
		return err
	})
	return last, err
}

func end(ctx context.Context, server *pool, key string) (last guestbook.Position, err error) {
	for size := int64(firstWindow); ; size *= 4 {
		data, start, err := bytesBefore(ctx, server, key, -1, size)
		if comma := bytes.LastIndexByte(data, ','); err != nil || start == 0 || comma >= 0 {
			_, last = guestbook.Split(data[max(comma, 0):], start+int64(max(comma, 0)))
			last.Preceding = guestbook.LastBytes(data)
			return last, err
		}
	}
}
