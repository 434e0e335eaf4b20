-- The hash holds "kind target" -> [seq, at, expires_at, origin, reasons]; expires_at 0 means lifted.
if string.sub(q.field, 1, 5) == 'link ' then redis.call('UNLINK', key('token', string.sub(q.field, 6))) end
local at, expires, origin, reasons = q.at, q.expires, q.origin, q.reasons
local found = redis.call('HGET', prefix .. 'revoked', q.field)
if found then
  local seq, old_at, old_expires, old_origin, old_reasons = unpack(cjson.decode(found))
  if old_expires > 0 then
    local same = old_at >= at and old_expires >= expires
    at, expires = math.max(at, old_at), math.max(expires, old_expires)
    if old_origin ~= 'holder' then origin = old_origin end
    same = same and origin == old_origin
    local known, all = {}, {}
    for index, reason in ipairs(old_reasons) do
      known[reason] = true
      all[index] = reason
    end
    for _, reason in ipairs(reasons) do
      if not known[reason] then
        all[#all + 1] = reason
        same = false
      end
    end
    if same then return whole(seq) end
    while #all > q.most_reasons do table.remove(all, 2) end
    reasons = all
  end
end
local seq = whole(redis.call('HINCRBY', meta, 'seq', 1))
redis.call('HSET', prefix .. 'revoked', q.field,
  '[' .. seq .. ',' .. exact(at) .. ',' .. exact(expires) .. ',"' .. origin .. '",' .. texts(reasons) .. ']')
redis.call('ZADD', prefix .. 'revocations', seq, q.field)
redis.call('ZADD', prefix .. 'revocationends', exact(expires), q.field)
for _, kind in ipairs({'revoked', 'revocations', 'revocationends'}) do
  keep(prefix .. kind, whole((expires + q.kept) * 1000))
end
bump()
redis.call('PUBLISH', prefix .. 'revocations', seq)
return seq
