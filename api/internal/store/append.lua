-- append.lua appends entries to a guestbook, once for each idempotency key. Without an idempotency key, book.go sends APPEND.
-- KEYS[1] is the guestbook, KEYS[2] the idempotency key's record. ARGV[1] is the encoded entries, ARGV[2] the entries' fingerprint.
-- The script returns a number and the record, "ID FINGERPRINT". The number is 1 if the record existed before and nothing was appended, or
-- else 0.
-- SET comes after APPEND, so that an APPEND that fails leaves no record. If Redis's ACL forbids SET, the entry is stored without a record.
local record = redis.call('GET', KEYS[2])
if record then
  -- If the API sends WAIT next, Redis waits for slaves that confirm the last write of this connection.
  -- So the script appends an empty string as the last write. A slave that confirms the last write also has the first post.
  -- A full Redis would refuse APPEND as the script's first write, but never refuses PERSIST, which changes nothing here.
  local refused = redis.pcall('PERSIST', KEYS[1])
  if type(refused) == 'table' then return redis.error_reply(refused.err .. ' (known)') end
  redis.call('APPEND', KEYS[1], '')
  return {1, record}
end
local length = redis.call('APPEND', KEYS[1], ARGV[1])
record = (length - #ARGV[1]) .. ' ' .. ARGV[2]
-- The record expires after a day. A full Redis may evict the record before, depending on the maxmemory-policy.
-- Then a repeat of the post fails, or is stored a second time once Redis has free memory.
redis.pcall('SET', KEYS[2], record, 'EX', 24 * 60 * 60)
return {0, record}
