local count = uses(q.name)
if count >= q.limit then return 0 end
set_uses(q.name, count + 1, q.expires, q.until_ms)
bump()
return 1
