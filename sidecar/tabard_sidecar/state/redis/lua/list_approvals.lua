local index = prefix .. (q.pending_only and 'pending' or 'approvals')
local out, from = {}, 0
while #out < q.most do
  local ids = redis.call('ZRANGE', index, from, from + 499)
  if #ids == 0 then break end
  from = from + #ids
  for _, id in ipairs(ids) do
    local found = approval(id)
    if found[1] and tonumber(found[3]) > q.now and found[5] ~= 'ended' and #out < q.most then out[#out + 1] = found end
  end
end
return out
