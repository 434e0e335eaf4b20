local root = q.links[1]
local zone = redis.call('HMGET', meta, 'epoch', 'seq')
local children = redis.call('SCARD', key('children', q.links[#q.links]))
local ended = first_ended(q.links)
local task = redis.call('HMGET', key('task', root), 'version', 'number', 'changes', 'since', 'facts')
local spent, labels, branches, owned, calls, facts = {}, {}, {}, {}, {}, {}
local version = math.max(tonumber(task[1] or '0'), task[1] and owners_version(q.owners) or 0)
if task[1] then
  if #q.budgets > 0 then
    for index, amount in ipairs(redis.call('HMGET', key('spent', root), unpack(q.budgets))) do
      spent[index] = amount or '0'
    end
  end
  if version ~= 0 then
    local all = redis.call('HGETALL', key('labels', root))
    for index = 1, #all, 2 do labels[#labels + 1] = '[' .. cjson.encode(all[index]) .. ',' .. all[index + 1] .. ']' end
    for _, link in ipairs(q.links) do
      branches[#branches + 1] = texts(redis.call('SMEMBERS', key('labels', root .. ':' .. link)))
    end
    for _, owner in ipairs(q.owners) do
      local of = redis.call('HGETALL', key('owner', owner))
      for index = 1, #of, 2 do
        local at, _, _, wide = read_label(of[index + 1])
        if at >= tonumber(task[4]) then
          owned[#owned + 1] = table.concat({
            '["', owner, '",', cjson.encode(of[index]), ',', exact(at), ',', wide and 'true' or 'false', ']',
          })
        end
      end
    end
  end
  if (task[5] or '0') ~= '0' then
    local mine = {[''] = true}
    for _, link in ipairs(q.links) do mine[link] = true end
    local all = redis.call('HGETALL', key('facts', root))
    for index = 1, #all, 2 do
      local link, name, element = string.match(all[index], '^([^\n]*)\n([^\n]*)\n(.*)$')
      if mine[link] then
        facts[#facts + 1] = '[' .. cjson.encode(name) .. ',' .. cjson.encode(element) .. ',' .. all[index + 1] .. ']'
      end
    end
  end
  if q.calls > 0 and task[2] ~= '0' then
    calls = redis.call('ZRANGE', key('calls', root), -q.calls, -1)
  end
end
return table.concat({
  '[', task[1] and '1' or '0', ',', cjson.encode(ended or ''), ',', whole(children),
  ',[', table.concat(spent, ','), '],[', table.concat(labels, ','), '],[', table.concat(branches, ','),
  '],[', table.concat(owned, ','), '],', whole(version),
  ',[', table.concat(calls, ','), '],', zone[2] or '0', ',', zone[1] or '0', ',', written(), ',', task[3] or '0',
  ',[', table.concat(facts, ','), ']]',
})
