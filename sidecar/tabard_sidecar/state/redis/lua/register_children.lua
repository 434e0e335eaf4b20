-- A child is {parent, child, limit or -1, root, holder, sub-agent}. Returns the position of the first that exceeds its
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
local roots = {}
for _, child in ipairs(fresh) do
  if not roots[child[4]] then change(child[4]) end
  roots[child[4]] = true
end
if #fresh > 0 then bump() end
return 0
