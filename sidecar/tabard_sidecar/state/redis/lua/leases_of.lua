local ids = redis.call('SMEMBERS', key('leasesof', q.target))
table.sort(ids)
local out, last = {}, ''
for _, id in ipairs(ids) do
  if id > q.after then
    if #out == q.most then return '[[' .. table.concat(out, ',') .. '],' .. cjson.encode(last) .. ']' end
    local found = live_lease(id, q.at)
    if found then
      out[#out + 1] = lease_text(found)
      last = id
    end
  end
end
return '[[' .. table.concat(out, ',') .. '],""]'
