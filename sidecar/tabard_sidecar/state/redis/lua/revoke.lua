-- The hash holds "kind target" -> [seq, at, expires_at, reason]; expires_at 0 means lifted.
local at, expires, reason = q.at, q.expires, q.reason
local found = redis.call('HGET', prefix .. 'revoked', q.field)
if found then
  local seq, old_at, old_expires = unpack(cjson.decode(found))
  if old_expires > 0 then
    if old_at >= at and old_expires >= expires then return whole(seq) end
    at, expires = math.max(at, old_at), math.max(expires, old_expires)
  end
end
local seq = whole(redis.call('HINCRBY', meta, 'seq', 1))
redis.call('HSET', prefix .. 'revoked', q.field,
  '[' .. seq .. ',' .. exact(at) .. ',' .. exact(expires) .. ',' .. cjson.encode(reason) .. ']')
redis.call('ZADD', prefix .. 'revocations', seq, q.field)
redis.call('ZADD', prefix .. 'revocationends', exact(expires), q.field)
for _, kind in ipairs({'revoked', 'revocations', 'revocationends'}) do
  keep(prefix .. kind, whole((expires + q.kept) * 1000))
end
bump()
redis.call('PUBLISH', prefix .. 'revocations', seq)
return seq
