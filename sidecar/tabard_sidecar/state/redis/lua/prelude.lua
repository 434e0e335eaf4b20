-- The beginning of every script. KEYS[1] is "tabard:{zone}:meta", ARGV[1] holds the arguments as JSON.
-- Lua's numbers are doubles: amounts stay within 2^53, and numbers are never written by cjson, which keeps 14 digits.
local meta = KEYS[1]
local prefix = string.sub(meta, 1, -5)
local q = cjson.decode(ARGV[1])

if q.now and q.skew then
  local time = redis.call('TIME')
  local apart = tonumber(time[1]) + tonumber(time[2]) / 1000000 - q.now
  if math.abs(apart) > q.skew then
    return redis.error_reply(string.format('TABARDCLOCK %.0f', apart))
  end
end

local function key(kind, id) return prefix .. kind .. ':' .. id end

local function whole(number) return string.format('%.0f', number) end

local function exact(number) return string.format('%.17g', number) end

-- Count a write of the zone and of this sidecar, so that the sidecar notices if the server loses one.
local function bump()
  local writer = key('writer', q.writer)
  redis.call('INCR', writer)
  if redis.call('TTL', writer) < q.writer_seconds * 0.98 then redis.call('EXPIRE', writer, q.writer_seconds) end
  return whole(redis.call('HINCRBY', meta, 'epoch', 1))
end

-- Count a change of a task's state.
local function change(root)
  local name = key('task', root)
  if redis.call('EXISTS', name) == 1 then redis.call('HINCRBY', name, 'changes', 1) end
end

local function written() return redis.call('GET', key('writer', q.writer)) or '0' end

-- Keep a key at least until a time in milliseconds.
local function keep(name, until_ms)
  if redis.call('PEXPIREAT', name, until_ms, 'GT') == 0 and redis.call('PTTL', name) == -1 then
    redis.call('PEXPIREAT', name, until_ms)
  end
end

-- Set when a key of a task expires, unless that is set.
local function ends(name, until_ms)
  if redis.call('PTTL', name) == -1 then redis.call('PEXPIREAT', name, until_ms) end
end

-- Store a budget's name and limit, to be shown to operators.
local function describe(root, id, name, limit, until_ms)
  local budgets = key('budgets', root)
  redis.call('HSET', budgets, id, '[' .. cjson.encode(name) .. ',' .. whole(limit) .. ']')
  ends(budgets, until_ms)
end

local function texts(list)
  local out = {}
  for index, item in ipairs(list) do out[index] = cjson.encode(item) end
  return '[' .. table.concat(out, ',') .. ']'
end

-- Return the first of some links that was ended, or false.
local function first_ended(links)
  local from = 1
  while from <= #links do
    local fields = {}
    for index = from, math.min(#links, from + 499) do fields[#fields + 1] = 'link ' .. links[index] end
    local found = redis.call('HMGET', prefix .. 'revoked', unpack(fields))
    for index = 1, #fields do
      if found[index] then return links[from + index - 1] end
    end
    from = from + 500
  end
  return false
end
