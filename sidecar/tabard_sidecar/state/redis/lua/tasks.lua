local out, from = {}, 0
while #out < q.most do
  local roots = redis.call('ZREVRANGE', prefix .. 'tasks', from, from + 499)
  if #roots == 0 then break end
  from = from + #roots
  for _, root in ipairs(roots) do
    local found = redis.call('HMGET', key('task', root), 'record', 'expires')
    if found[1] and tonumber(found[2]) > q.at and #out < q.most then out[#out + 1] = found[1] end
  end
end
return '[' .. table.concat(out, ',') .. ']'
