package store

import (
	"context"
	_ "embed"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// hideScript overwrites the text of the entry at ARGV[1] with as many spaces, and gives how many: 0 if there was nothing else
// before; -1 if no entry starts there. A full Redis refuses SETRANGE, unless the script has written something before.
// PERSIST, which is never refused and changes nothing here, counts as that.
//
//go:embed hide.lua
var hideScript string

// Hide blanks the text of the entry id, whatever is posted meanwhile, and gives how many bytes it had; 0 if it was blank.
func (s *Store) Hide(ctx context.Context, key string, id int64) (blanked int, err error) {
	blanked, err = redis.Int(s.write(ctx, "EVAL", hideScript, 1, key, id))
	if blanked < 0 {
		return 0, guestbook.ErrNoEntry
	}
	return blanked, err
}

// importScript appends ARGV[2] to the book KEYS[1], and remembers under ARGV[1] in KEYS[2] where that begins and its length.
// If an earlier import has put the same entries there, hidden since or not, it appends nothing. It gives how many bytes of
// ARGV[2] are in the book, and whether they were there before. An empty ARGV[2] says that the import has ended: it is
// remembered for a day more.
//
//go:embed import.lua
var importScript string

// Import appends entries as they stand in a book. The name is that of all that was imported before them: if some entries
// after those were imported already, it gives their length, as known, and the rest is to be imported next.
func (s *Store) Import(ctx context.Context, key, name, raw string) (length int, known bool, err error) {
	reply, err := redis.Values(s.write(ctx, "EVAL", importScript, 2, key, idempotencyPrefix(key)+" import", name, raw))
	if err == nil {
		_, err = redis.Scan(reply, &length, &known)
	}
	return length, known, err
}
