-- Returns the leases that are chosen, and the id after which the list goes on. At most q.examined are examined at once.
local function listed(chosen)
  local out, examined, last = {}, 0, q.after
  while true do
    local from = last == '' and '-' or '(' .. last
    local ids = redis.call('ZRANGEBYLEX', prefix .. 'leases', from, '+', 'LIMIT', 0, 500)
    if #ids == 0 then return '[[' .. table.concat(out, ',') .. '],""]' end
    for _, id in ipairs(ids) do
      if #out == q.most or examined == q.examined then
        return '[[' .. table.concat(out, ',') .. '],' .. cjson.encode(last) .. ']'
      end
      examined, last = examined + 1, id
      local found = live_lease(id, q.at)
      if found and chosen(found) then out[#out + 1] = lease_text(found) end
    end
  end
end
