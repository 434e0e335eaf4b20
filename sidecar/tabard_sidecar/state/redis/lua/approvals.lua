-- The fields of an approval in an answer, in this order.
local function approval(id)
  return redis.call('HMGET', key('approval', id), 'record', 'payload', 'expires', 'uses', 'status', 'approver',
    'decided')
end
