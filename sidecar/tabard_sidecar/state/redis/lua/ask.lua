local name = key('approval', q.id)
local same = redis.call('GET', key('asked', q.question))
if same then
  local found = redis.call('HMGET', key('approval', same), 'expires', 'uses')
  if found[1] and tonumber(found[1]) > q.now and tonumber(found[2]) > 0 then return approval(same) end
end
local waiting = key('waiting', q.root)
redis.call('ZREMRANGEBYSCORE', waiting, '-inf', exact(q.now))
if redis.call('ZCARD', waiting) >= q.max_pending then return {} end
redis.call('HSET', name, 'record', q.record, 'payload', ARGV[2], 'expires', exact(q.expires), 'uses', whole(q.uses),
  'status', 'pending', 'approver', '', 'decided', '0', 'root', q.root, 'question', q.question)
redis.call('PEXPIREAT', name, q.until_ms)
redis.call('SET', key('asked', q.question), q.id, 'PXAT', q.until_ms)
redis.call('ZADD', waiting, exact(q.expires), q.id)
keep(waiting, q.until_ms)
for _, kind in ipairs({'approvals', 'pending'}) do
  redis.call('ZADD', prefix .. kind, exact(q.now), q.id)
  keep(prefix .. kind, q.until_ms)
end
redis.call('ZADD', prefix .. 'approvalends', exact(q.expires), q.id)
keep(prefix .. 'approvalends', q.until_ms)
bump()
return approval(q.id)
