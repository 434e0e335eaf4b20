redis.call('HSETNX', meta, 'zone', q.zone)
redis.call('HSETNX', meta, 'schema', q.schema)
return redis.call('HMGET', meta, 'zone', 'schema')
