-- Tell whether the holder of an approval was ended or revoked: a link, a workload, or the person since it was requested.
local function holder_ended(id)
  local link, workloads, subject, created =
    unpack(redis.call('HMGET', key('approval', id), 'link', 'workloads', 'subject', 'created'))
  if not link then return false end
  if ended_at_or_above(link) then return true end
  local function revoked(field, since)
    local found = redis.call('HGET', prefix .. 'revoked', field)
    if not found then return false end
    local _, at, expires = unpack(cjson.decode(found))
    return expires > q.now and at >= since
  end
  for _, workload in ipairs(cjson.decode(workloads)) do
    if revoked('agent ' .. workload, 0) then return true end
  end
  return revoked('subject ' .. subject, tonumber(created))
end

-- The fields of an approval in an answer, in this order, as they were stored.
local function stored(id)
  return redis.call('HMGET', key('approval', id), 'record', 'payload', 'expires', 'uses', 'status', 'approver',
    'decided', 'group')
end

-- The same fields; a pending approval whose holder was ended has the status "ended".
local function approval(id)
  local found = stored(id)
  if found[5] == 'pending' and holder_ended(id) then found[5] = 'ended' end
  return found
end

-- The ids of what is pending in a group.
local function pending_in(group)
  local out = {}
  if group == '' then return out end
  for _, id in ipairs(redis.call('SMEMBERS', key('group', group))) do
    local found = redis.call('HMGET', key('approval', id), 'status', 'expires', 'group')
    if found[1] == 'pending' and tonumber(found[2]) > q.now and found[3] == group and not holder_ended(id) then
      out[#out + 1] = id
    end
  end
  return out
end
