local out = {}
for _, id in ipairs(redis.call('SMEMBERS', key('leasesof', q.target))) do
  local found = live_lease(id, q.at)
  if found and #out < q.most then out[#out + 1] = lease_text(found) end
end
return '[' .. table.concat(out, ',') .. ']'
