local before = written()
local root = q.links[1]
local link = q.links[#q.links]
local name = key('task', root)
local task = redis.call('HMGET', name, 'version', 'until', 'owner', 'labels', 'number', 'changes')
if not task[1] then return {'unknown', '', '0', before} end
local decisions = key('decisions', root)
if redis.call('HEXISTS', decisions, q.decision) == 1 then
  -- The same reservation was made before.
  return {'done', '', bump(), before}
end
local ended = first_ended(q.links)
if ended then return {'ended', ended, '0', before} end
local newest = redis.call('HGET', meta, 'seq') or '0'
local same = not q.unchanged or ((task[6] or '0') == whole(q.unchanged[1]) and newest == whole(q.unchanged[2]))
if tonumber(task[1]) ~= q.version or not same then return {'changed', '', '0', before} end

local spent = key('spent', root)
local total, ids, first = {}, {}, {}
for index, charge in ipairs(q.charges) do ids[index] = charge[1] end
local found = #ids > 0 and redis.call('HMGET', spent, unpack(ids)) or {}
for index, charge in ipairs(q.charges) do
  local id, limit, amount = charge[1], charge[2], charge[3]
  if not found[index] then first[#first + 1] = charge end
  local already = total[id] or tonumber(found[index] or '0')
  if amount > limit - already then return {'exhausted', id, '0', before} end
  total[id] = already + amount
end
local left = {}
for _, id in ipairs(q.approvals) do
  if not left[id] then
    local asked = redis.call('HMGET', key('approval', id), 'root', 'status', 'uses', 'expires')
    local fits = asked[1] == root and asked[2] == 'approved' and tonumber(asked[4]) > q.now
    left[id] = fits and tonumber(asked[3]) or 0
  end
  if left[id] < 1 then return {'approval_used', id, '0', before} end
  left[id] = left[id] - 1
end
local of_task = missing_labels(root, '', q.task_labels, {})
local of_branch = missing_labels(root, link, q.branch_labels, of_task)
local fresh = #of_task + #of_branch
if fresh > 0 and tonumber(task[4]) + fresh > q.most_labels then return {'full', '', '0', before} end

-- Every check passed; write.
local amounts = {}
for id, amount in pairs(total) do
  amounts[#amounts + 1] = id
  amounts[#amounts + 1] = whole(amount)
end
if #amounts > 0 then redis.call('HSET', spent, unpack(amounts)) end
for _, charge in ipairs(first) do describe(root, charge[1], charge[4], charge[2], task[2]) end
if #first > 0 then ends(spent, task[2]) end
for id, uses in pairs(left) do redis.call('HSET', key('approval', id), 'uses', whole(uses)) end
local number, changes = whole(tonumber(task[5]) + 1), whole(tonumber(task[6] or '0') + 1)
local version = whole(q.version + (fresh > 0 and 1 or 0))
redis.call('HSET', name, 'number', number, 'changes', changes, 'version', version)
local calls = key('calls', root)
redis.call('ZADD', calls, number, q.call)
redis.call('HSET', decisions, q.decision, number .. '\n\n' .. q.record)
local kept = redis.call('ZCARD', calls)
if kept == 1 then
  ends(calls, task[2])
  ends(decisions, task[2])
end
for _ = q.kept + 1, kept do
  redis.call('HDEL', decisions, cjson.decode(redis.call('ZPOPMIN', calls)[1])[4])
end
add_labels(root, '', of_task, task[2])
add_labels(root, link, of_branch, task[2])
earn_labels(task[3], q.task_labels, q.now, task[2])
return {'done', '', bump(), before, changes, version, newest}
