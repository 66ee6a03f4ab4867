-- KEYS: the book. ARGV: an offset, or -1 for the book's end; how many bytes before it.
-- Returns the offset at which the bytes start, and the bytes up to the offset, its own included. One script reads both,
-- because an entry that came between two reads would shift the offsets.
local stop = tonumber(ARGV[1])
if stop < 0 then stop = redis.call('STRLEN', KEYS[1]) end
local start = math.max(stop - ARGV[2], 0)
return {start, redis.call('GETRANGE', KEYS[1], start, stop)}
