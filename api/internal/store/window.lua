-- window.lua returns bytes of a guestbook. KEYS[1] is the guestbook, ARGV[1] an offset, or -1 for the guestbook's end.
-- ARGV[2] is the number of bytes to read before this offset.
-- The script returns the offset of the first byte, and the bytes up to and including the byte at ARGV[1].
-- One script reads the length and the bytes, because an entry appended in between would shift the offsets.
local stop = tonumber(ARGV[1])
if stop < 0 then stop = redis.call('STRLEN', KEYS[1]) end
local start = math.max(stop - ARGV[2], 0)
return {start, redis.call('GETRANGE', KEYS[1], start, stop)}
