local before = written()
local root = q.links[1]
local link = q.links[#q.links]
local name = key('task', root)
local task = redis.call('HMGET', name, 'version', 'until', 'since', 'expires', 'number', 'changes')
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
local version = math.max(tonumber(task[1]), owners_version(q.owners))
if version ~= q.version or not same then return {'changed', '', '0', before} end

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
local holder, branch = q.workloads[#q.workloads], q.owners[#q.owners]
local of_holder, of_branch = {}, {}
for _, label in ipairs(q.task_labels) do of_holder[#of_holder + 1] = label end
for _, label in ipairs(q.branch_labels) do
  local to = branch == holder and of_holder or of_branch
  to[#to + 1] = label
end
local since = tonumber(task[3])
if not has_room(holder, of_holder, since) or not has_room(branch, of_branch, since) then return {'full', '', '0', before} end
local facts = q.facts or {}
local full = facts_full(root, facts)
if full then return {'facts_full', full, '0', before} end

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
redis.call('HSET', name, 'number', number, 'changes', changes)
local calls = key('calls', root)
redis.call('ZADD', calls, number, q.call)
redis.call('HSET', decisions, q.decision, number .. '\n\n' .. q.record)
local kept = redis.call('ZCARD', calls)
if kept == 1 then
  ends(calls, task[2])
  ends(decisions, task[2])
end
for _ = q.kept + 1, kept do
  local oldest = redis.call('ZPOPMIN', calls)
  local decision = cjson.decode(oldest[1])[4]
  local text = string.match(redis.call('HGET', decisions, decision) or '', '\n({.*)$')
  local record = text and cjson.decode(text) or {}
  local was_charged = record.keep == true
  for _, charge in ipairs(record.charges or {}) do
    was_charged = was_charged or charge[4] > 0
  end
  if was_charged then
    -- It can be refunded, or its facts taken back, so that calls which cost nothing don't displace it.
    local charged = key('charged', root)
    redis.call('ZADD', charged, oldest[2], decision)
    ends(charged, task[2])
    if redis.call('ZCARD', charged) > q.kept then decision = redis.call('ZPOPMIN', charged)[1] else decision = false end
  end
  if decision then
    redis.call('HDEL', decisions, decision)
    redis.call('HDEL', key('held', root), decision)
  end
end
local epoch = bump()
local about = {root = root, since = tonumber(task[3]), expires = tonumber(task[4]), until_ms = task[2], epoch = epoch}
local news = {}
for _, carried in ipairs(q.carried) do
  local owner, label, at, wide = unpack(carried)
  at = math.max(at, q.now)
  if owner == '' then
    add_wide({}, {label}, at, about, news)
  else
    spread({owner}, label, at, wide, about, news)
  end
end
add_wide(q.workloads, q.task_labels, q.labels_at, about, news)
if put(link, q.branch_labels, q.labels_at, about) then news[root] = true end
for _, owner in ipairs(#q.branch_labels > 0 and branch and reached({branch}, false) or {}) do
  for _, label in ipairs(q.branch_labels) do
    if give(owner, label, q.labels_at, owner == branch, false, about) then news[owner] = true end
  end
end
local noted, held = note_facts(root, facts, task[2], epoch)
if #held > 0 then hold_facts(root, q.decision, held, task[2]) end
local grew = news[root] or noted
for _, owner in ipairs(q.owners) do grew = grew or news[owner] end
return {'done', '', epoch, before, changes, grew and epoch or whole(version), newest}
