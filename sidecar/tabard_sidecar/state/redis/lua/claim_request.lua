local name = key('request', q.key)
local found = redis.call('HMGET', name, 'body', 'response', 'claimed', 'expires')
if found[1] and tonumber(found[4]) > q.now then
  if found[1] ~= ARGV[2] then return {'conflict', ''} end
  if found[2] then return {'done', found[2]} end
  if tonumber(found[3]) + q.lasts > q.now then return {'pending', ''} end
end
redis.call('UNLINK', name)
redis.call('HSET', name, 'body', ARGV[2], 'claimed', exact(q.now), 'expires', exact(q.expires))
redis.call('PEXPIREAT', name, q.until_ms)
bump()
return {'new', ''}
