-- KEYS: the book, the record of an idempotency key. ARGV: the entries as the book has them, their fingerprint, seconds.
-- Returns the record, "ID FINGERPRINT", and whether it was there before: a repeat adds nothing.
-- SET comes after APPEND, so that a book of another type, or a string at its limit, leaves no record.
local record = redis.call('GET', KEYS[2])
if record then
  -- WAIT waits for the last write of its connection: appending nothing is one, and a slave that has it has the post.
  redis.pcall('APPEND', KEYS[1], '')
  return {record, 1}
end
local length = redis.call('APPEND', KEYS[1], ARGV[1])
record = (length - #ARGV[1]) .. ' ' .. ARGV[2]
redis.call('SET', KEYS[2], record, 'EX', ARGV[3])
return {record, 0}
