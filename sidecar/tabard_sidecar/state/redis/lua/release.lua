local decisions = key('decisions', q.root)
local found = redis.call('HGET', decisions, q.decision)
if not found then return 0 end
local number, past, record = string.match(found, '^(%d+)\n([^\n]*)\n(.*)$')
record = cjson.decode(record)
local refunds = past ~= '' and cjson.decode(string.match(past, '{.*}')) or {}
local spent = key('spent', q.root)
for _, charge in ipairs(record.charges) do
  local id, back = charge[1], charge[4] - (refunds[charge[2]] or 0)
  local before = tonumber(redis.call('HGET', spent, id) or '0')
  if back > 0 then redis.call('HSET', spent, id, whole(math.max(0, before - back))) end
end
for _, id in ipairs(record.approvals) do
  local name = key('approval', id)
  if redis.call('EXISTS', name) == 1 then redis.call('HINCRBY', name, 'uses', 1) end
end
redis.call('ZREMRANGEBYSCORE', key('calls', q.root), number, number)
redis.call('HDEL', decisions, q.decision)
redis.call('ZREM', key('charged', q.root), q.decision)
change(q.root)
local epoch = bump()
local held = held_facts(q.root, q.decision)
if #held > 0 then
  take_back_facts(q.root, held, epoch)
  redis.call('HDEL', key('held', q.root), q.decision)
end
return 1
