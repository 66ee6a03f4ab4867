package store

import (
	"context"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// hideScript blanks the entry at ARGV[1] in its own length, and gives how many bytes are blank now: 0 if all were; -1 if no
// entry starts there. A full Redis allows PERSIST, which changes nothing here, and after it what takes no memory.
const hideScript = `
if redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[1]) then return -1 end
local start = tonumber(ARGV[1])
if redis.call('GETRANGE', KEYS[1], start, start) == ',' then start = start + 1 elseif start > 0 then return -1 end
local stop = start
repeat
  local data = redis.call('GETRANGE', KEYS[1], stop, stop + 65535)
  local comma = data:find(',', 1, true)
  stop = stop + (comma and comma - 1 or #data)
until comma or data == ''
if not redis.call('GETRANGE', KEYS[1], start, stop - 1):find('[^ ]') then return 0 end
redis.call('PERSIST', KEYS[1])
redis.call('SETRANGE', KEYS[1], start, string.rep(' ', stop - start))
return stop - start`

// Hide blanks the text of the entry id, whatever is posted meanwhile, and gives how many bytes it had; 0 if it was blank.
func (s *Store) Hide(ctx context.Context, key string, id int64) (blanked int, err error) {
	blanked, err = redis.Int(s.write(ctx, "EVAL", hideScript, 1, key, id))
	if blanked < 0 {
		return 0, guestbook.ErrNoEntry
	}
	return blanked, err
}

// importScript appends ARGV[2] to the book KEYS[1] and remembers under ARGV[1] in KEYS[2] where that is, and its length. If
// that is there from before, entries hidden since apart, it appends nothing. It gives how many bytes of ARGV[2] are in the
// book, and whether they were before. Without ARGV[2] the import has ended: it is remembered for ARGV[3] ms more.
const importScript = `
local raw = ARGV[2]
if raw == '' then return {redis.call('PEXPIRE', KEYS[2], 24 * 3600000), 0} end
local at, length = (redis.call('HGET', KEYS[2], ARGV[1]) or ''):match('(%d+) (%d+)')
if at then
  local both = math.min(length, #raw)
  local there = redis.call('GETRANGE', KEYS[1], at, at + both)
  local function whole(text) return #text == both or text:sub(both + 1, both + 1) == ',' end
  local same = #there >= both and whole(there) and whole(raw)
  for i = 1, same and both or 0 do
    local is = there:byte(i)
    if is ~= 32 and is ~= raw:byte(i) then same = false break end
  end
  if same then return {both, 1} end
end
at = redis.call('APPEND', KEYS[1], raw) - #raw
redis.call('HSET', KEYS[2], ARGV[1], at .. ' ' .. #raw)
return {#raw, 0}`

// Import appends entries as they stand in a book. The name is that of all that was imported before them: if some entries
// after those were imported already, it gives their length, as known, and the rest is to be imported next.
func (s *Store) Import(ctx context.Context, key, name, raw string) (length int, known bool, err error) {
	reply, err := redis.Values(s.write(ctx, "EVAL", importScript, 2, key, idempotencyPrefix(key)+" import", name, raw))
	if err == nil {
		_, err = redis.Scan(reply, &length, &known)
	}
	return length, known, err
}
