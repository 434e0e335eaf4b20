forget_lease(q.id)
redis.call('HSET', key('lease', q.id), 'record', q.record, 'expires', exact(q.expires), 'started', exact(q.started),
  'targets', q.targets)
redis.call('PEXPIREAT', key('lease', q.id), whole(q.until_ms))
redis.call('ZADD', prefix .. 'leases', 0, q.id)
redis.call('ZADD', prefix .. 'leaseends', exact(q.expires), q.id)
for _, target in ipairs(cjson.decode(q.targets)) do
  redis.call('SADD', key('leasesof', target[2]), q.id)
  keep(key('leasesof', target[2]), whole(q.until_ms))
end
bump()
return 1
