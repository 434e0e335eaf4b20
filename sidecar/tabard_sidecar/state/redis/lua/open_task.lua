local name = key('task', q.root)
local labels = key('labels', q.root)
if redis.call('EXISTS', name) == 1 then return texts(redis.call('SMEMBERS', labels)) end
local owner = key('owner', q.owner)
local inherited = redis.call('ZRANGEBYSCORE', owner, exact(q.since), '+inf')
redis.call('ZREMRANGEBYSCORE', owner, '-inf', '(' .. exact(q.since - q.kept))
redis.call('HSET', name, 'record', q.record, 'task_id', q.task_id, 'owner', q.owner, 'number', '0', 'labels', whole(#inherited),
  'version', #inherited > 0 and '1' or '0', 'expires', exact(q.expires), 'until', whole(q.until_ms))
redis.call('PEXPIREAT', name, q.until_ms)
redis.call('SET', key('taskid', q.task_id), q.root, 'PXAT', q.until_ms)
for _, label in ipairs(inherited) do redis.call('SADD', labels, label) end
if #inherited > 0 then redis.call('PEXPIREAT', labels, q.until_ms) end
redis.call('ZADD', prefix .. 'tasks', exact(q.started), q.root)
redis.call('ZADD', prefix .. 'taskends', exact(q.expires), q.root)
keep(prefix .. 'tasks', q.until_ms)
keep(prefix .. 'taskends', q.until_ms)
bump()
return texts(inherited)
