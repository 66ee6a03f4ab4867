local first, last = (redis.call('GET', KEYS[2]) or '1 1'):match('(%d+) (%d+)')
local hour = math.floor(redis.call('TIME')[1] / 3600) % 65536
local fields, names, done, raw, length, seen, new = {}, {}, {}, {}, 0, {}, {}
for i = 1, #ARGV, 5 do
  fields[#fields + 1] = ARGV[i]
  names[#names + 1] = ARGV[i + 3]
end
for i, old in ipairs(redis.call('MGET', unpack(names))) do
  done[i] = old or ARGV[5 * i] ~= '' and redis.call('GET', ARGV[5 * i])
end
for generation = last, first, -1 do
  for i, record in ipairs(redis.call('HMGET', KEYS[2] .. generation, unpack(fields))) do
    if record and (hour - struct.unpack('>I2', record)) % 65536 <= 24 then done[i] = done[i] or record end
  end
end
for i, field in ipairs(fields) do
  if not done[i] and not seen[field] then
    seen[field] = length
    raw[#raw + 1] = ARGV[5 * i - 3]
    length = length + #raw[#raw]
  end
end
if #raw == 0 then return done end
local total = redis.pcall('APPEND', KEYS[1], table.concat(raw))
if type(total) == 'table' then
  if #raw == #fields then return total end
  for i = 1, #fields do done[i] = done[i] or total end
  return done
end
for i, field in ipairs(fields) do
  if not done[i] then
    if type(seen[field]) == 'number' then
      seen[field] = struct.pack('>I2I5', hour, total - length + seen[field]) .. ARGV[5 * i - 2]
      new[#new + 1], new[#new + 2] = field, seen[field]
    end
    done[i] = seen[field]
  end
end
redis.call('HSET', KEYS[2] .. last, unpack(new))
if redis.call('HLEN', KEYS[2] .. last) >= 5000 then
  last = last + 1
  redis.call('PEXPIRE', KEYS[2] .. last - 3, 25 * 3600000)
  while first + 2 < last and redis.call('HLEN', KEYS[2] .. first) == 0 do first = first + 1 end
  redis.call('SET', KEYS[2], first .. ' ' .. last)
end
return done
