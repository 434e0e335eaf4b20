local decisions = key('decisions', q.root)
local task = redis.call('HMGET', key('task', q.root), 'until', 'owner', 'labels')
local found = redis.call('HGET', decisions, q.decision)
if not found or not task[1] then return 'unknown' end
local number, refunds, text = string.match(found, '^(%d+)\n([^\n]*)\n(.*)$')
local record = cjson.decode(text)
if record.link ~= q.link then return 'unknown' end

local charged = {}
for _, charge in ipairs(record.charges) do charged[charge[2]] = charge[4] end
local refunding = false
for name, amount in pairs(q.refunded) do
  if amount > 0 then
    if record.audience ~= q.audience then return 'foreign' end
    if refunds ~= '' then return 'refunded' end
    if amount > (charged[name] or 0) then return 'too_much' end
    refunding = true
  end
end
local fresh = missing_labels(q.root, '', q.labels, {})
if #fresh > 0 and tonumber(task[3]) + #fresh > q.most_labels then return 'full' end

-- Every check passed; write.
local spent = key('spent', q.root)
for _, charge in ipairs(record.charges) do
  local id, name, limit = charge[1], charge[2], charge[3]
  local before = tonumber(redis.call('HGET', spent, id) or '0')
  local after = math.max(0, before - (q.refunded[name] or 0))
  -- Never raise past the limit, and never lower spending to a limit that became smaller later.
  after = math.max(after, math.min(limit, after + (q.raised[name] or 0)))
  if after ~= before then
    redis.call('HSET', spent, id, whole(after))
    ends(spent, task[1])
    if before == 0 then describe(q.root, id, name, limit, task[1]) end
  end
end
if refunding then
  redis.call('HSET', decisions, q.decision, number .. '\n' .. q.refunds .. '\n' .. text)
end
add_labels(q.root, '', fresh, task[1])
earn_labels(task[2], q.labels, q.now, task[1])
if #fresh > 0 then redis.call('HINCRBY', key('task', q.root), 'version', 1) end
change(q.root)
bump()
return 'done'
