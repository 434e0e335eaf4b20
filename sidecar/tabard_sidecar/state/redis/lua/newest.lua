return redis.call('HGET', meta, 'seq') or '0'
