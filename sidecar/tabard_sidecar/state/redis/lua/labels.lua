-- Task-wide labels have the link ''. They apply to every branch, so they aren't added to a branch again.

-- Return the labels that aren't stored yet, except those that the same write adds to the whole task.
local function missing_labels(root, link, labels, beside)
  local out, seen = {}, {}
  for _, label in ipairs(beside) do seen[label] = true end
  for _, label in ipairs(labels) do
    if not seen[label] and redis.call('SISMEMBER', key('labels', root), label) == 0
      and (link == '' or redis.call('SISMEMBER', key('labels', root .. ':' .. link), label) == 0) then
      out[#out + 1] = label
    end
    seen[label] = true
  end
  return out
end

-- Add labels that are missing, and count them.
local function add_labels(root, link, missing, until_ms)
  if #missing == 0 then return end
  local name = key('labels', link == '' and root or root .. ':' .. link)
  for _, label in ipairs(missing) do redis.call('SADD', name, label) end
  ends(name, until_ms)
  if link ~= '' then
    redis.call('SADD', key('branches', root), link)
    ends(key('branches', root), until_ms)
  end
  redis.call('HINCRBY', key('task', root), 'labels', #missing)
end

-- Store when the owner's tasks got labels; later tasks inherit a label that is added again for as long as a new one.
local function earn_labels(owner, labels, at, until_ms)
  for _, label in ipairs(labels) do redis.call('ZADD', key('owner', owner), 'GT', exact(at), label) end
  if #labels > 0 then keep(key('owner', owner), until_ms) end
end
