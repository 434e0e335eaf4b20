local name = key('request', q.key)
if redis.call('EXISTS', name) == 0 or redis.call('HEXISTS', name, 'response') == 1 then return 0 end
redis.call('UNLINK', name)
bump()
return 1
