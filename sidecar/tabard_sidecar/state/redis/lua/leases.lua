return listed(function(found)
  local record = cjson.decode(found[1])
  for place, text in pairs(q.wanted) do
    if record[tonumber(place)] ~= text then return false end
  end
  return true
end)
