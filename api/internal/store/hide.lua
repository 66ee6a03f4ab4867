-- hide.lua overwrites the text of an entry with spaces, because readers (guestbook.Split) leave out blank entries. KEYS[1] is the guestbook,
-- ARGV[1] is the entry's id. The script returns the length of the text in bytes, 0 if the text was spaces already, or -1 if no entry starts
-- at the id.
if redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[1]) then return -1 end
local start = tonumber(ARGV[1])
if redis.call('GETRANGE', KEYS[1], start, start) == ',' then start = start + 1 elseif start > 0 then return -1 end
local stop = start
repeat
  local data = redis.call('GETRANGE', KEYS[1], stop, stop + 65535)
  local comma = data:find(',', 1, true)
  stop = stop + (comma and comma - 1 or #data)
until comma or data == ''
local shown = redis.call('GETRANGE', KEYS[1], start, stop - 1):find('[^ ]')
-- A full Redis refuses SETRANGE as the first write of a script. PERSIST is never refused, and changes nothing here,
-- because a guestbook never expires. After PERSIST, a full Redis accepts SETRANGE.
redis.call('PERSIST', KEYS[1])
redis.call('SETRANGE', KEYS[1], start, string.rep(' ', stop - start))
-- If the text was spaces already, the script has overwritten it all the same, so that WAIT waits for slaves that have the spaces.
return shown and stop - start or 0
