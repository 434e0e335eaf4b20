-- Compare the indexes with the keys that they name; a missing key was evicted or lost.
local missing = {tasks = 0, revocations = 0, approvals = 0}
for _, root in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'taskends', exact(q.at), '+inf', 'LIMIT', 0, q.most)) do
  missing.tasks = missing.tasks + 1 - redis.call('EXISTS', key('task', root))
end
for _, field in ipairs(redis.call('ZRANGE', prefix .. 'revocations', 0, q.most - 1)) do
  missing.revocations = missing.revocations + 1 - redis.call('HEXISTS', prefix .. 'revoked', field)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'approvalends', exact(q.at), '+inf', 'LIMIT', 0, q.most)) do
  missing.approvals = missing.approvals + 1 - redis.call('EXISTS', key('approval', id))
end
return {missing.tasks, missing.revocations, missing.approvals}
