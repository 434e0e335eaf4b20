-- Labels of the whole task: hash labels:<root>, label -> time. Labels of a branch: set labels:<root>:<link>. Set
-- members:<root>: the owners that take part. A version is the zone's epoch at the write that added the newest label.
-- Whom an owner's labels reach beside itself, because they share a task: sorted sets peers:<owner> (labels of whole tasks)
-- and below:<owner> (labels of branches), owner -> when the last of these tasks expires.
-- Scripts that include this have q.kept_seconds, for which owners are kept after their last task.

local function is_reported(label) return string.sub(label, 1, #q.reported_prefix) == q.reported_prefix end

-- Return the label as others than the one who reported it get it.
local function retold(label) return is_reported(label) and q.collapsed or label end

local function write_label(owner, label, at, ends, own, wide)
  local name = key('owner', owner)
  redis.call('HSET', name, label, exact(at) .. ' ' .. exact(ends) .. (own and ' 1' or ' 0') .. (wide and ' 1' or ' 0'))
  keep(name, whole((ends + q.kept_seconds) * 1000))
end

-- Keep an owner, and the labels that a task sees, as long as the task. Delete what has expired.
local function know(owner, task)
  local about = key('ownermeta', owner)
  local found = redis.call('HMGET', about, 'since', 'expires', 'version')
  local expires = math.max(task.expires, tonumber(found[2] or task.expires))
  redis.call('HSET', about, 'since', exact(math.max(task.since, tonumber(found[1] or task.since))),
    'expires', exact(expires), 'version', found[3] or '0')
  keep(about, whole((expires + q.kept_seconds) * 1000))
  local now = tonumber(redis.call('TIME')[1])
  local all = redis.call('HGETALL', key('owner', owner))
  for index = 1, #all, 2 do
    local at, ends, own, wide = read_label(all[index + 1])
    if at >= task.since and ends < task.expires then
      write_label(owner, all[index], at, task.expires, own, wide)
    elseif ends + q.kept_seconds < now then
      redis.call('HDEL', key('owner', owner), all[index])
    end
  end
end

-- Let an owner take part in a task: from now on it gets the task's labels.
local function take_part(owner, task)
  local members = key('members', task.root)
  redis.call('SADD', members, owner)
  ends(members, task.until_ms)
  know(owner, task)
end

-- Clocks differ.
local function shared_since() return tonumber(redis.call('TIME')[1]) - 60 end

-- Let an owner's labels reach another one.
local function connect(kind, owner, other, expires)
  if owner == other then return end
  local name = key(kind, owner)
  redis.call('ZREMRANGEBYSCORE', name, '-inf', shared_since())
  redis.call('ZADD', name, 'GT', exact(expires), other)
  keep(name, whole((expires + q.kept_seconds) * 1000))
end

-- Return owners and all whom their labels reach, over however many tasks, each once.
local function reached(owners, wide)
  local all, seen, since = {}, {}, '(' .. whole(shared_since())
  local function add(some)
    for _, owner in ipairs(some) do
      if not seen[owner] then all[#all + 1] = owner end
      seen[owner] = true
    end
  end
  add(owners)
  local index = 1
  while index <= #all do
    add(redis.call('ZRANGEBYSCORE', key(wide and 'peers' or 'below', all[index]), since, '+inf'))
    index = index + 1
  end
  return all
end

-- Give an owner a label; return whether a task of it may see it that didn't see it before.
local function give(owner, label, at, own, wide, task)
  local about = key('ownermeta', owner)
  if redis.call('EXISTS', about) == 0 then know(owner, task) end
  local found = redis.call('HMGET', about, 'since', 'expires')
  local since, until_time = tonumber(found[1]), math.max(tonumber(found[2]), at)
  local before = redis.call('HGET', key('owner', owner), label)
  local news = true
  if before then
    local old_at, old_until, old_own, old_wide = read_label(before)
    -- "since" is that of the owner's latest task. A label may be new to an earlier one, too: which, isn't looked up.
    news = old_at < math.min(since, at) or (wide and not old_wide)
    at, until_time = math.max(at, old_at), math.max(until_time, old_until)
    own, wide = own or old_own, wide or old_wide
  end
  write_label(owner, label, at, until_time, own, wide)
  if news then redis.call('HSET', about, 'version', task.epoch) end
  return news
end

-- Add labels to a task or a branch; return whether it didn't have one of them.
local function put(link, labels, at, task)
  local news = false
  local name = key('labels', link == '' and task.root or task.root .. ':' .. link)
  for _, label in ipairs(labels) do
    if link == '' then
      local before = redis.call('HGET', name, label)
      news = news or not before
      redis.call('HSET', name, label, exact(math.max(at, tonumber(before or at))))
    elseif redis.call('SADD', name, label) == 1 then
      news = true
    end
  end
  if #labels > 0 then ends(name, task.until_ms) end
  if #labels > 0 and link ~= '' then
    redis.call('SADD', key('branches', task.root), link)
    ends(key('branches', task.root), task.until_ms)
  end
  if news then redis.call('HSET', key('task', task.root), 'version', task.epoch) end
  return news
end

-- Give a label that others have added to owners, and to all whom their labels reach. Notes in "news" who didn't have it.
local function spread(owners, label, at, wide, task, news)
  for _, owner in ipairs(reached(owners, wide)) do
    if give(owner, label, at, false, wide, task) then news[owner] = true end
  end
end

-- Return who takes part in a task, the owners of a chain, and all whom labels of whole tasks reach from there.
local function members_of(task, workloads)
  local all = redis.call('SMEMBERS', key('members', task.root))
  for _, owner in ipairs(workloads) do all[#all + 1] = owner end
  return reached(all, true)
end

-- Add labels to the whole task and to every workload that they reach from it; the last of the workloads adds them.
-- Notes in "news" who got one that it didn't have.
local function add_wide(workloads, labels, at, task, news)
  if #labels == 0 then return end
  if put('', labels, at, task) then news[task.root] = true end
  for _, owner in ipairs(members_of(task, workloads)) do
    for _, label in ipairs(labels) do
      if give(owner, label, at, owner == workloads[#workloads], true, task) then news[owner] = true end
    end
  end
end

-- Return the labels that an owner added itself since a time, and how many of them aren't reported.
local function own_labels(owner, since)
  local all, own, count = redis.call('HGETALL', key('owner', owner)), {}, 0
  for index = 1, #all, 2 do
    local at, _, mine = read_label(all[index + 1])
    if mine and at >= since then
      own[all[index]] = true
      if not is_reported(all[index]) then count = count + 1 end
    end
  end
  return own, count
end

-- Tell whether an owner may add these labels to a task that sees labels since a time.
local function has_room(owner, labels, since)
  if not owner or #labels == 0 then return true end
  local own, count = own_labels(owner, since)
  local fresh = 0
  for _, label in ipairs(labels) do
    if not own[label] then
      own[label] = true
      fresh = fresh + 1
    end
  end
  return fresh == 0 or count + fresh <= q.most_labels
end
