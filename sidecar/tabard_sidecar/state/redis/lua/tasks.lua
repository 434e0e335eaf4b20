-- Returns the wanted tasks that haven't expired, newest first, and score and root of the last one that was examined; both
-- are empty at the end of the list. At most q.examined tasks are examined at once.
local out, offset, examined, last = {}, 0, 0, nil
local from = q.root == '' and '+inf' or exact(q.started)

local function wanted(record)
  if q.person == '' and q.workload == '' then return true end
  local task = cjson.decode(record)
  return (q.person == '' or task[4] == q.person) and (q.workload == '' or task[5] == q.workload)
end

while true do
  local found = redis.call(
    'ZREVRANGEBYSCORE', prefix .. 'tasks', from, '-inf', 'WITHSCORES', 'LIMIT', offset, 500)
  if #found == 0 then return '[[' .. table.concat(out, ',') .. '],"",""]' end
  offset = offset + #found / 2
  for index = 1, #found, 2 do
    local root, score = found[index], found[index + 1]
    if q.root == '' or root < q.root or tonumber(score) < tonumber(q.started) then
      if #out == q.most or examined == q.examined then
        return '[[' .. table.concat(out, ',') .. '],"' .. last.score .. '",' .. cjson.encode(last.root) .. ']'
      end
      examined = examined + 1
      last = {score = score, root = root}
      local task = redis.call('HMGET', key('task', root), 'record', 'expires')
      if task[1] and tonumber(task[2]) > q.at and wanted(task[1]) then out[#out + 1] = task[1] end
    end
  end
end
