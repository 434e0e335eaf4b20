-- How often a name was used.
local function uses(name)
  local found = redis.call('HMGET', key('use', name), 'count', 'expires')
  if found[1] and tonumber(found[2]) > q.now then return tonumber(found[1]) end
  return 0
end

-- Store how often a name was used.
local function set_uses(name, count, expires, until_ms)
  redis.call('HSET', key('use', name), 'count', whole(count), 'expires', exact(expires))
  redis.call('PEXPIREAT', key('use', name), until_ms)
end
