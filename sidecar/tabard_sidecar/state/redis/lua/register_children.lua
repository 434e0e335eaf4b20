-- A child is {parent, child, limit or -1, root, holder, sub-agent, owner, owners above, is a hop}. Returns the position of the first that exceeds its
-- parent's limit, or 0.
local fresh, count = {}, {}
local seen = {}
for index, child in ipairs(q.children) do
  local parent, id, limit = child[1], child[2], child[3]
  local name = key('children', parent)
  local pair = parent .. ' ' .. id
  if not seen[pair] and redis.call('SISMEMBER', name, id) == 0 then
    local before = count[parent] or redis.call('SCARD', name)
    if limit >= 0 and before >= limit then return index end
    count[parent] = before + 1
    seen[pair] = true
    fresh[#fresh + 1] = child
  end
end
for _, child in ipairs(fresh) do
  local parent, id, root = child[1], child[2], child[4]
  redis.call('SADD', key('children', parent), id)
  redis.call('SADD', key('parents', id), parent)
  keep(key('children', parent), q.until_ms)
  keep(key('parents', id), q.until_ms)
  if root ~= '' then
    redis.call('RPUSH', key('steps', root), texts({parent, id, root, child[5], child[6]}))
    keep(key('steps', root), q.until_ms)
  end
end
if #fresh == 0 then return 0 end
local roots, epoch = {}, bump()
for _, child in ipairs(fresh) do
  if not roots[child[4]] then change(child[4]) end
  roots[child[4]] = true
end

-- Let a child's owner take part in the task, and share labels with those who do. It gets the labels that those above it
-- see, and the task gets the owner's of whole tasks. As long as the task may live, labels that they add elsewhere reach
-- the others, too: in it they may tell each other.
local function hand_on(root, owner, above, hop)
  local found = redis.call('HMGET', key('task', root), 'since', 'until')
  if not found[1] or owner == '' then return end
  local task = {root = root, since = tonumber(found[1]), expires = q.expires, until_ms = found[2], epoch = epoch}
  if not hop then return know(owner, task) end
  local own, seen = redis.call('HGETALL', key('owner', owner)), {}
  local all = redis.call('HGETALL', key('labels', root))
  for index = 1, #all, 2 do seen[#seen + 1] = {all[index], tonumber(all[index + 1]), true} end
  for _, before in ipairs(above) do
    local of = redis.call('HGETALL', key('owner', before))
    for index = 1, #of, 2 do
      local at, _, _, wide = read_label(of[index + 1])
      if at >= task.since then seen[#seen + 1] = {of[index], at, wide} end
    end
  end
  -- Both before they reach each other, so that no owner gets its own labels back as new.
  for index = 1, #own, 2 do
    local at, _, _, wide = read_label(own[index + 1])
    if wide and at >= task.since then add_wide({}, {retold(own[index])}, math.max(q.now, at), task, {}) end
  end
  for _, one in ipairs(seen) do spread({owner}, retold(one[1]), math.max(q.now, one[2]), one[3], task, {}) end
  for _, other in ipairs(redis.call('SMEMBERS', key('members', root))) do
    connect('peers', other, owner, q.expires)
    connect('peers', owner, other, q.expires)
  end
  for _, before in ipairs(above) do connect('below', before, owner, q.expires) end
  take_part(owner, task)
end

for _, child in ipairs(fresh) do hand_on(child[4], child[7], child[8], child[9]) end
return 0
