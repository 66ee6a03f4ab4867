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
return {#raw, 0}
