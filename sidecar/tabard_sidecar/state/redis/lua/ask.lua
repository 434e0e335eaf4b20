local name = key('approval', q.id)

local function put(id, group)
  redis.call('HSET', key('approval', id), 'group', group)
  redis.call('SADD', key('group', group), id)
  keep(key('group', group), q.until_ms)
end

-- Bring a pending approval that is asked for again into one group with what is asked for together with it now.
local function join(id)
  local status, theirs = unpack(redis.call('HMGET', key('approval', id), 'status', 'group'))
  theirs = theirs or ''
  if status ~= 'pending' or q.group == '' or theirs == q.group then return end
  local target = theirs ~= '' and theirs or q.group
  local moving = theirs ~= '' and pending_in(q.group) or {id}
  if #pending_in(target) + #moving > q.group_most then return end
  for _, one in ipairs(moving) do put(one, target) end
  bump()
end

local same = redis.call('GET', key('asked', q.question))
if same then
  local found = redis.call('HMGET', key('approval', same), 'expires', 'uses')
  if found[1] and tonumber(found[1]) > q.now and tonumber(found[2]) > 0 then
    join(same)
    return stored(same)
  end
end
for _, workload in ipairs(q.topic ~= '' and q.workloads or {}) do
  local refused = redis.call('GET', key('refused', q.topic .. ' ' .. workload))
  if refused then
    local ends = redis.call('HGET', key('approval', refused), 'expires')
    if ends and tonumber(ends) > q.now then return stored(refused) end
  end
end
if q.group ~= '' and #pending_in(q.group) >= q.group_most then return {} end
-- Count those whose holders weren't ended: approvals, or questions, of which a group is one. What joins a group is none.
local function standing(name, most, questions)
  local count = redis.call('ZCARD', name)
  if count < most then return count end
  local counted = {[q.group] = q.group ~= ''}
  count = 0
  for _, id in ipairs(redis.call('ZRANGE', name, 0, -1)) do
    local group = questions and redis.call('HGET', key('approval', id), 'group') or ''
    if not counted[group] and not holder_ended(id) then
      count = count + 1
      counted[group] = group ~= ''
    end
  end
  return count
end
for _, waiting in ipairs(q.waiting) do
  local name = key('waiting', waiting[1])
  redis.call('ZREMRANGEBYSCORE', name, '-inf', exact(q.now))
  if standing(name, waiting[2], waiting[3]) >= waiting[2] then return {} end
end
redis.call('HSET', name, 'record', q.record, 'payload', ARGV[2], 'expires', exact(q.expires), 'uses', whole(q.uses),
  'status', 'pending', 'approver', '', 'decided', '0', 'root', q.root, 'question', q.question,
  'refusal', q.topic ~= '' and q.topic .. ' ' .. q.workload or '', 'waiting', cjson.encode(q.waiting),
  'link', q.link, 'workloads', texts(q.workloads), 'subject', q.subject, 'created', exact(q.now), 'group', q.group)
redis.call('PEXPIREAT', name, q.until_ms)
if q.group ~= '' then put(q.id, q.group) end
redis.call('SET', key('asked', q.question), q.id, 'PXAT', q.until_ms)
for _, waiting in ipairs(q.waiting) do
  redis.call('ZADD', key('waiting', waiting[1]), exact(q.expires), q.id)
  keep(key('waiting', waiting[1]), q.until_ms)
end
for _, kind in ipairs({'approvals', 'pending'}) do
  redis.call('ZADD', prefix .. kind, exact(q.now), q.id)
  keep(prefix .. kind, q.until_ms)
end
redis.call('ZADD', prefix .. 'approvalends', exact(q.expires), q.id)
keep(prefix .. 'approvalends', q.until_ms)
bump()
return stored(q.id)
