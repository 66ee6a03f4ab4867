package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

const (
	// firstWindow is how many bytes of a book are read for each entry of a page at first; longer entries take more.
	firstWindow = 128
	// maxWindow is how many bytes a page has at most, unless a single entry is longer.
	maxWindow = 1 << 20
)

// appendOnce appends entries to the book KEYS[1], each under an idempotency key. For each entry ARGV has five: the field by
// which it is remembered, the entry, its text's fingerprint, and one or two names under which an earlier version remembered
// it. The script appends what it does not remember, and gives each entry's record: hour, id and fingerprint.
//
// Records are kept in hashes of 5,000, the generations KEYS[2]1, KEYS[2]2…; KEYS[2] has the numbers of the oldest and of the
// newest. The newest three have no expiry. A full Redis evicts only keys that have one, so it still remembers at least ten
// thousand entries.
//
//go:embed append_once.lua
var appendOnce string

// recordLength is that of what appendOnce gives for an entry: with a field of 14 bytes, no more than 16 bytes of memory each.
const recordLength = 14

// maxJoined is how many posts one call of appendOnce has at most: Lua's stack holds a few thousand.
const maxJoined = 1000

// postArgs is how many arguments of appendOnce are before those of its entries.
const postArgs = 4

func isPost(w *pendingWrite) bool { return w.command == "EVAL" && w.args[0] == appendOnce }

// join puts the posts to one book together that wait for the same exchange: they are one call of appendOnce.
func join(batch []*pendingWrite) (calls [][]*pendingWrite) {
	of := map[any]int{} // the call that takes posts to a book
	for _, w := range batch {
		if isPost(w) {
			if i, ok := of[w.args[2]]; ok && len(calls[i]) < maxJoined {
				calls[i] = append(calls[i], w)
				continue
			}
			of[w.args[2]] = len(calls)
		}
		calls = append(calls, []*pendingWrite{w})
	}
	return calls
}

// Append adds an entry to the book, atomically and in time that does not depend on the book's length. With an
// idempotency key, a repeat appends nothing and gives the first answer; with another text, ErrReused.
func (s *Store) Append(ctx context.Context, key, text, idempotencyKey string) (guestbook.Entry, error) {
	raw := guestbook.Encode(text)
	if idempotencyKey == "" {
		length, err := redis.Int64(s.write(ctx, "APPEND", key, raw))
		return guestbook.Entry{ID: length - int64(len(raw)), Text: text}, err
	}
	sum, field := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(idempotencyKey))
	fingerprint := string(sum[:7])
	names := idempotencyNames(key, idempotencyKey)
	done, err := redis.Strings(s.write(ctx, "EVAL", appendOnce, 2, key, idempotencyPrefix(key)+" ",
		string(field[:14]), raw, fingerprint, names[0], names[1]))
	if err != nil {
		return guestbook.Entry{}, err
	}
	record := done[0]
	var id int64
	if len(record) == recordLength {
		id = int64(binary.BigEndian.Uint64([]byte("\x00\x00\x00" + record[2:7])))
	} else { // of an earlier version
		text, _, _ := strings.Cut(record, " ")
		fingerprint = hex.EncodeToString(sum[:16])
		if id, err = strconv.ParseInt(text, 10, 64); err != nil {
			return guestbook.Entry{}, err
		}
	}
	if !strings.HasSuffix(record, fingerprint) {
		return guestbook.Entry{}, guestbook.ErrReused
	}
	return guestbook.Entry{ID: id, Text: text}, nil
}

// idempotencyNames are the keys under which earlier versions kept what was answered. A name with another brace in it could
// be that of another guestbook's, so it was hashed together with the guestbook's, but not from the beginning. Others have one.
func idempotencyNames(key, idempotencyKey string) [2]string {
	prefix := idempotencyPrefix(key)
	if !strings.Contains(key+idempotencyKey, "}") {
		return [2]string{prefix + idempotencyKey}
	}
	sum := sha256.Sum256([]byte(key + "\x00" + idempotencyKey))
	return [2]string{prefix + "}" + hex.EncodeToString(sum[:]), prefix + idempotencyKey}
}

// idempotencyPrefix is what the names of all keys begin with that belong to a guestbook. The braces put them into one slot of a
// Redis Cluster with it. A space after it is in no idempotency key.
func idempotencyPrefix(key string) string { return "{" + key + "}:idempotency:" }

// Page reads up to limit entries, the last ones before the entry before, or of all if that is negative. They are
// oldest first; more says whether there are others before them. A slave that does not hold the entry seen
// yet is not asked; -1 stands for none. ErrNoEntry means that no entry starts at before.
func (s *Store) Page(ctx context.Context, key string, before, seen int64, limit int) (entries []guestbook.Entry, more bool, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		entries, more, err = n.page(ctx, key, before, seen, limit)
		return err
	})
	return entries, more, err
}

// Since reads the entries after the mark, some at a time, and the place of the last of them. ErrNoEntry means that this is
// another guestbook than the mark's, or that it has less than upto bytes; its end is given then.
func (s *Store) Since(ctx context.Context, key string, mark guestbook.Mark, upto int64) (entries []guestbook.Entry, last guestbook.Mark, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		entries, last, err = n.since(ctx, key, mark, upto)
		return err
	})
	return entries, last, err
}

// End is the place after the last entry, Start of an empty guestbook.
func (s *Store) End(ctx context.Context, key string) (last guestbook.Mark, err error) {
	err = s.read(ctx, func(ctx context.Context, n *node) (err error) {
		last, err = n.end(ctx, key)
		return err
	})
	return last, err
}

func (n *node) page(ctx context.Context, key string, before, seen int64, limit int) ([]guestbook.Entry, bool, error) {
	for size := max(firstWindow*int64(limit), 4096); ; size *= 4 {
		data, start, err := n.window(ctx, key, before, size)
		if err != nil {
			return nil, false, err
		}
		if before < 0 && start+int64(len(data)) <= seen {
			return nil, false, guestbook.ErrNoEntry // behind
		}
		entries, _ := guestbook.Split(data, start)
		if len(entries) > limit {
			return entries[len(entries)-limit:], true, nil
		}
		if start == 0 || len(entries) == limit || len(entries) > 0 && size >= maxWindow {
			return entries, start > 0, nil
		}
	}
}

// windowScript reads both at once: an entry that came in between would shift the offsets. With the bytes before the
// entry at ARGV[1] it reads that entry's comma.
const windowScript = `
local stop = tonumber(ARGV[1])
if stop < 0 then stop = redis.call('STRLEN', KEYS[1]) end
local start = math.max(stop - ARGV[2], 0)
return {start, redis.call('GETRANGE', KEYS[1], start, stop)}`

// window reads what entries start in the size bytes before the entry before, or in the last ones if that is negative,
// and where the first of them starts.
func (n *node) window(ctx context.Context, key string, before, size int64) (data []byte, start int64, err error) {
	if before == 0 {
		return nil, 0, nil
	}
	data, start, err = n.bytesBefore(ctx, key, before, size)
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

// bytesBefore runs windowScript.
func (n *node) bytesBefore(ctx context.Context, key string, before, size int64) (data []byte, start int64, err error) {
	reply, err := redis.Values(n.do(ctx, "EVAL", windowScript, 1, key, before, size))
	if err == nil {
		_, err = redis.Scan(reply, &start, &data)
	}
	return data, start, err
}

func (n *node) end(ctx context.Context, key string) (last guestbook.Mark, err error) {
	for size := int64(firstWindow); ; size *= 4 {
		data, start, err := n.bytesBefore(ctx, key, -1, size)
		if comma := bytes.LastIndexByte(data, ','); err != nil || start == 0 || comma >= 0 {
			_, last = guestbook.Split(data[max(comma, 0):], start+int64(max(comma, 0)))
			last.Tail = guestbook.Tail(data)
			return last, err
		}
	}
}

func (n *node) since(ctx context.Context, key string, mark guestbook.Mark, upto int64) ([]guestbook.Entry, guestbook.Mark, error) {
	from := max(0, mark.End-guestbook.TailLength)
	for size := int64(64 << 10); ; size *= 4 {
		data, err := redis.Bytes(n.do(ctx, "GETRANGE", key, from, from+size-1))
		if err != nil {
			return nil, mark, err
		}
		whole := int64(len(data)) < size // that is all that there is
		news, ok := mark.Follow(data, from)
		if !ok || whole && from+int64(len(data)) < upto {
			end, err := n.end(ctx, key)
			return nil, end, cmp.Or(err, guestbook.ErrNoEntry)
		}
		if !whole { // the last entry may be cut
			cut := bytes.LastIndexByte(news, ',')
			if cut <= 0 {
				continue
			}
			news = news[:cut]
		}
		entries, last := guestbook.Split(news, mark.End)
		last.Tail = guestbook.Tail(data[:int(mark.End-from)+len(news)])
		if len(news) == 0 {
			last = mark
		}
		return entries, last, nil
	}
}
