local name = key('task', q.root)
local labels = key('labels', q.root)
if redis.call('EXISTS', name) == 1 then return texts(redis.call('HKEYS', labels)) end
local task = {root = q.root, since = q.since, expires = q.expires, until_ms = q.until_ms, epoch = bump()}
redis.call('HSET', name, 'record', q.record, 'task_id', q.task_id, 'number', '0', 'version', '0',
  'since', exact(q.since), 'expires', exact(q.expires), 'until', whole(q.until_ms))
redis.call('PEXPIREAT', name, q.until_ms)
redis.call('SET', key('taskid', q.task_id), q.root, 'PXAT', q.until_ms)
if ARGV[2] then
  redis.call('HSET', key('token', q.root), 'sealed', ARGV[2], 'expires', exact(q.token_expires))
  redis.call('PEXPIREAT', key('token', q.root), whole(q.token_until_ms))
end
take_part(q.owner, task)
local inherited = {}
local all = redis.call('HGETALL', key('owner', q.owner))
for index = 1, #all, 2 do
  local at = read_label(all[index + 1])
  if at >= q.since then
    put('', {all[index]}, at, task)
    inherited[#inherited + 1] = all[index]
  end
end
add_wide({}, q.brought, q.started, task, {})
for _, label in ipairs(q.brought) do inherited[#inherited + 1] = label end
redis.call('ZADD', prefix .. 'tasks', exact(q.started), q.root)
redis.call('ZADD', prefix .. 'taskends', exact(q.expires), q.root)
keep(prefix .. 'tasks', q.until_ms)
keep(prefix .. 'taskends', q.until_ms)
return texts(inherited)
