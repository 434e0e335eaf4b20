-- A lease is a hash: record (JSON), expires, started, and targets: [["kind target", digest], ...]. Ids are listed by name
-- in "leases", by end in "leaseends", and by target in "leasesof:<digest>".
local function forget_lease(id)
  local targets = redis.call('HGET', key('lease', id), 'targets')
  for _, target in ipairs(targets and cjson.decode(targets) or {}) do redis.call('SREM', key('leasesof', target[2]), id) end
  redis.call('ZREM', prefix .. 'leases', id)
  redis.call('ZREM', prefix .. 'leaseends', id)
  return redis.call('UNLINK', key('lease', id))
end

local function live_lease(id, at)
  local found = redis.call('HMGET', key('lease', id), 'record', 'expires', 'targets', 'started')
  if found[1] and tonumber(found[2]) > at then return found end
  return false
end

local function lease_text(found)
  return '[' .. found[1] .. ',' .. found[2] .. ',' .. found[3] .. ']'
end
