local name = key('approval', q.id)
local found = redis.call('HMGET', name, 'status', 'expires', 'waiting', 'question', 'refusal')
if found[1] ~= 'pending' or tonumber(found[2]) <= q.now or holder_ended(q.id) then return {} end
redis.call('HSET', name, 'status', q.status, 'approver', q.approver, 'decided', exact(q.now),
  'expires', exact(q.expires))
redis.call('PEXPIREAT', name, q.until_ms)
local asked = key('asked', found[4])
if redis.call('GET', asked) == q.id then redis.call('PEXPIREAT', asked, q.until_ms) end
redis.call('ZREM', prefix .. 'pending', q.id)
for _, waiting in ipairs(cjson.decode(found[3])) do redis.call('ZREM', key('waiting', waiting[1]), q.id) end
if q.status == 'denied' and found[5] ~= '' then redis.call('SET', key('refused', found[5]), q.id, 'PXAT', q.until_ms) end
redis.call('ZADD', prefix .. 'approvalends', exact(q.expires), q.id)
keep(prefix .. 'approvals', q.until_ms)
keep(prefix .. 'approvalends', q.until_ms)
bump()
return approval(q.id)
