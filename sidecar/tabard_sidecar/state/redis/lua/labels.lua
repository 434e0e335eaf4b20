-- Add labels to a whole task (link is '') or to a branch, and tell whether the task got one that it didn't have.
-- The time counts for tasks that inherit the label, so a label that is earned again is as good as new.
local function add_labels(root, link, labels, at, owner, until_ms)
  local everywhere = key('labels', root)
  local added = false
  for _, label in ipairs(labels) do
    if link == '' then
      if redis.call('SADD', everywhere, label) == 1 then added = true end
      redis.call('ZADD', key('owner', owner), 'GT', exact(at), label)
    elseif redis.call('SISMEMBER', everywhere, label) == 0 then
      local name = key('labels', root .. ':' .. link)
      if redis.call('SADD', name, label) == 1 then added = true end
      redis.call('SADD', key('branches', root), link)
      ends(name, until_ms)
    end
  end
  if #labels > 0 then
    if link == '' then
      ends(everywhere, until_ms)
      keep(key('owner', owner), until_ms)
    else
      ends(key('branches', root), until_ms)
    end
  end
  return added
end
