-- A revocation is [seq, at, expires_at, ...]. One of a person, or of the store's state, ends what started before it.
local function holds(field, started)
  local text = redis.call('HGET', prefix .. 'revoked', field)
  if not text then return false end
  local found = cjson.decode(text)
  return found[3] > q.at and (not started or found[2] >= started)
end

return listed(function(found)
  local started = tonumber(found[4])
  if holds(q.lost, started) then return true end
  for _, target in ipairs(cjson.decode(found[3])) do
    local dated = string.sub(target[1], 1, 8) == 'subject '
    if holds(target[1], dated and started) then return true end
  end
  return false
end)
