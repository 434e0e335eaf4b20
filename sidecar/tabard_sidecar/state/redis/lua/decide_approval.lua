local found = redis.call('HMGET', key('approval', q.id), 'status', 'expires')
if found[1] ~= 'pending' or tonumber(found[2]) <= q.now or holder_ended(q.id) then return {} end
if uses(q.token) > 0 then return 'token_used' end
spend_token()
decide(q.id, q.status, q.expires, q.until_ms)
bump()
return approval(q.id)
