local root = redis.call('GET', key('taskid', q.task_id))
if not root then return '' end
local task = redis.call('HMGET', key('task', root), 'record', 'number')
if not task[1] then return '' end
local steps = redis.call('LRANGE', key('steps', root), 0, -1)
local ended = {}
if first_ended({root}) then ended[1] = root end
for _, step in ipairs(steps) do
  local child = cjson.decode(step)[2]
  if first_ended({child}) then ended[#ended + 1] = child end
end
-- Return a hash, whose values are JSON, as an object.
local function object(name)
  local found, members = redis.call('HGETALL', name), {}
  for index = 1, #found, 2 do members[#members + 1] = cjson.encode(found[index]) .. ':' .. found[index + 1] end
  return '{' .. table.concat(members, ',') .. '}'
end
local labels = {texts(redis.call('HKEYS', key('labels', root)))}
for _, link in ipairs(redis.call('SMEMBERS', key('branches', root))) do
  labels[#labels + 1] = texts(redis.call('SMEMBERS', key('labels', root .. ':' .. link)))
end
return table.concat({
  '[', task[1], ',[', table.concat(steps, ','), '],', texts(ended), ',', object(key('spent', root)),
  ',[', table.concat(labels, ','), '],', task[2], ',', object(key('budgets', root)), ',',
  object(key('facts', root)), ']',
})
