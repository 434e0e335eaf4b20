-- Keys expire by themselves; this removes expired entries from the indexes, and their keys if they still exist.
local gone = 0

local function forget_steps(root)
  local steps = redis.call('LPOP', key('steps', root), q.rows) or {}
  for _, step in ipairs(steps) do
    local parts = cjson.decode(step)
    redis.call('UNLINK', key('children', parts[1]), key('parents', parts[2]))
  end
  gone = gone + #steps
  return redis.call('EXISTS', key('steps', root)) == 0
end

local function forget_task(root)
  for _, link in ipairs(redis.call('SMEMBERS', key('branches', root))) do
    redis.call('UNLINK', key('labels', root .. ':' .. link))
  end
  local task_id = redis.call('HGET', key('task', root), 'task_id')
  if task_id then redis.call('UNLINK', key('taskid', task_id)) end
  local kinds = {
    'task', 'labels', 'branches', 'members', 'spent', 'budgets', 'calls', 'decisions', 'charged', 'facts', 'held',
  }
  for _, kind in ipairs(kinds) do
    redis.call('UNLINK', key(kind, root))
  end
  redis.call('ZREM', prefix .. 'tasks', root)
  redis.call('ZREM', prefix .. 'taskends', root)
  gone = gone + 1
end

local function due(index, before, count)
  return redis.call('ZRANGEBYSCORE', prefix .. index, '-inf', exact(before), 'LIMIT', 0, count)
end

for _, root in ipairs(due('taskends', q.now - q.kept, q.tasks)) do
  if not forget_steps(root) then break end
  forget_task(root)
end
for _, field in ipairs(due('revocationends', q.now - q.grace, q.rows)) do
  redis.call('HDEL', prefix .. 'revoked', field)
  redis.call('ZREM', prefix .. 'revocations', field)
  redis.call('ZREM', prefix .. 'revocationends', field)
  gone = gone + 1
end
for _, id in ipairs(due('approvalends', q.now - q.grace, q.rows)) do
  local waiting = redis.call('HGET', key('approval', id), 'waiting')
  for _, one in ipairs(waiting and cjson.decode(waiting) or {}) do redis.call('ZREM', key('waiting', one[1]), id) end
  redis.call('UNLINK', key('approval', id))
  for _, index in ipairs({'approvals', 'pending', 'approvalends'}) do redis.call('ZREM', prefix .. index, id) end
  gone = gone + 1
end
for _, id in ipairs(due('leaseends', q.now - q.lease_kept, q.rows)) do
  forget_lease(id)
  gone = gone + 1
end
if gone > 0 then bump() end
return gone
