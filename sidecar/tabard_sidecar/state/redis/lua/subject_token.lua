return redis.call('HMGET', key('token', q.root), 'sealed', 'expires')
