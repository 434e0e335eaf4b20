local fields = redis.call('ZRANGEBYSCORE', prefix .. 'revocations', '(' .. whole(q.after), '+inf')
local out = {}
for from = 1, #fields, 500 do
  local some = {}
  for index = from, math.min(#fields, from + 499) do some[#some + 1] = fields[index] end
  local found = redis.call('HMGET', prefix .. 'revoked', unpack(some))
  for index, field in ipairs(some) do
    if found[index] then out[#out + 1] = '[' .. cjson.encode(field) .. ',' .. found[index] .. ']' end
  end
end
return '[' .. table.concat(out, ',') .. ']'
