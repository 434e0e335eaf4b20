-- The lifted entry stays until the revocation would have expired; by then no sidecar holds the revocation any more.
local found = redis.call('HGET', prefix .. 'revoked', q.field)
if not found then return 0 end
local _, at, expires, origin, reasons = unpack(cjson.decode(found))
if expires == 0 then return 0 end
local seq = whole(redis.call('HINCRBY', meta, 'seq', 1))
redis.call('HSET', prefix .. 'revoked', q.field,
  '[' .. seq .. ',' .. exact(at) .. ',0,"' .. origin .. '",' .. texts(reasons) .. ']')
redis.call('ZADD', prefix .. 'revocations', seq, q.field)
bump()
redis.call('PUBLISH', prefix .. 'revocations', seq)
return 1
