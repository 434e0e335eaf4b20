-- Use up the token with which a person decides.
local function spend_token() set_uses(q.token, 1, q.token_expires, q.token_until_ms) end

-- Store what a person decided about a pending approval.
local function decide(id, status, expires, until_ms)
  local name = key('approval', id)
  local waiting, question, refusal, group = unpack(redis.call('HMGET', name, 'waiting', 'question', 'refusal', 'group'))
  redis.call('HSET', name, 'status', status, 'approver', q.approver, 'decided', exact(q.now), 'expires', exact(expires))
  redis.call('PEXPIREAT', name, until_ms)
  local asked = key('asked', question)
  if redis.call('GET', asked) == id then redis.call('PEXPIREAT', asked, until_ms) end
  redis.call('ZREM', prefix .. 'pending', id)
  for _, one in ipairs(cjson.decode(waiting)) do redis.call('ZREM', key('waiting', one[1]), id) end
  if status == 'denied' and refusal ~= '' then redis.call('SET', key('refused', refusal), id, 'PXAT', until_ms) end
  if group and group ~= '' then keep(key('group', group), until_ms) end
  redis.call('ZADD', prefix .. 'approvalends', exact(expires), id)
  keep(prefix .. 'approvals', until_ms)
  keep(prefix .. 'approvalends', until_ms)
end
