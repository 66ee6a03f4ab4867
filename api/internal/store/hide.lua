-- KEYS: the book. ARGV: the id of an entry. Overwrites the entry's text with spaces.
-- Returns how many bytes were overwritten: 0 if they were spaces already, -1 if no entry starts at the id.
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
-- A full Redis refuses a script's first write. It never refuses PERSIST, which changes nothing here, and then accepts SETRANGE.
redis.call('PERSIST', KEYS[1])
redis.call('SETRANGE', KEYS[1], start, string.rep(' ', stop - start))
return stop - start
