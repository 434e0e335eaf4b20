local root = q.links[1]
local zone = redis.call('HMGET', meta, 'epoch', 'seq')
local children = redis.call('SCARD', key('children', q.links[#q.links]))
local ended = first_ended(q.links)
local task = redis.call('HMGET', key('task', root), 'version', 'number', 'changes')
local spent, labels, calls = {}, {}, {}
if task[1] then
  if #q.budgets > 0 then
    for index, amount in ipairs(redis.call('HMGET', key('spent', root), unpack(q.budgets))) do
      spent[index] = amount or '0'
    end
  end
  if task[1] ~= '0' then
    labels[1] = texts(redis.call('SMEMBERS', key('labels', root)))
    for _, link in ipairs(q.links) do
      labels[#labels + 1] = texts(redis.call('SMEMBERS', key('labels', root .. ':' .. link)))
    end
  end
  if q.calls > 0 and task[2] ~= '0' then
    calls = redis.call('ZRANGE', key('calls', root), -q.calls, -1)
  end
end
return table.concat({
  '[', task[1] and '1' or '0', ',', cjson.encode(ended or ''), ',', whole(children),
  ',[', table.concat(spent, ','), '],[', table.concat(labels, ','), '],', task[1] or '0',
  ',[', table.concat(calls, ','), '],', zone[2] or '0', ',', zone[1] or '0', ',', written(), ',', task[3] or '0', ']',
})
