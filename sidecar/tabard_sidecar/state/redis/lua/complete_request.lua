local name = key('request', q.key)
if redis.call('EXISTS', name) == 0 then return 0 end
redis.call('HSET', name, 'response', ARGV[2], 'expires', exact(q.expires))
redis.call('PEXPIREAT', name, q.until_ms)
bump()
return 1
