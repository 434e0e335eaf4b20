local name = key('use', q.name)
local found = redis.call('HMGET', name, 'count', 'expires')
local count = 0
if found[1] and tonumber(found[2]) > q.now then count = tonumber(found[1]) end
if count >= q.limit then return 0 end
redis.call('HSET', name, 'count', whole(count + 1), 'expires', exact(q.expires))
redis.call('PEXPIREAT', name, q.until_ms)
bump()
return 1
