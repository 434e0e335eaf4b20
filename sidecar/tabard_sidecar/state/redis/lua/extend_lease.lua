local found = redis.call('HMGET', key('lease', q.id), 'expires', 'targets')
if not found[1] then return 0 end
if tonumber(found[1]) >= q.expires then return 1 end
redis.call('HSET', key('lease', q.id), 'expires', exact(q.expires))
redis.call('ZADD', prefix .. 'leaseends', exact(q.expires), q.id)
keep(key('lease', q.id), whole(q.until_ms))
for _, target in ipairs(cjson.decode(found[2])) do keep(key('leasesof', target[2]), whole(q.until_ms)) end
bump()
return 1
