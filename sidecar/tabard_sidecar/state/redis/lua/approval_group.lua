local out = {}
for _, id in ipairs(redis.call('SMEMBERS', key('group', q.group))) do
  local found = approval(id)
  local shown = found[5] == 'pending' or (not q.pending_only and found[5] ~= 'ended')
  if found[1] and shown and tonumber(found[3]) > q.now and found[8] == q.group then out[#out + 1] = found end
end
return out
