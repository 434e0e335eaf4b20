-- Facts of a task: hash facts:<root>, "<link>\n<name>\n<element>" -> 1, or q.shared if several calls noted it; or a
-- counter's value (its element is empty). What a call holds: hash held:<root>, decision -> JSON list of {link, name, element,
-- amount}; the amount is a text, because cjson keeps 14 digits. An element has at most one call that holds it: the one that
-- noted it first, until another notes it as well. So what all calls hold is bounded by what the task has. Field "facts" of
-- the task: bytes of all facts, absent if there never were any.
-- A change of facts makes a new version: a policy that read the facts before is evaluated again.
-- Scripts that include this have q.most_elements, q.most_fact_bytes, q.most_count, q.fact_row_bytes and q.shared.

local function fact_field(row) return row[1] .. '\n' .. row[2] .. '\n' .. row[3] end

local function fact_size(row) return #row[2] + #row[3] + q.fact_row_bytes end

-- Return the name of a fact for which there is no room, or false.
local function facts_full(root, rows)
  if #rows == 0 then return false end
  local all, elements = redis.call('HGETALL', key('facts', root)), {}
  local amounts = {}
  for index = 1, #all, 2 do
    local of, element = string.match(all[index], '^([^\n]*\n[^\n]*)\n(.*)$')
    if element ~= '' then elements[of] = (elements[of] or 0) + 1 end
    amounts[all[index]] = tonumber(all[index + 1])
  end
  local bytes, newest = tonumber(redis.call('HGET', key('task', root), 'facts') or '0'), false
  for _, row in ipairs(rows) do
    local field, of = fact_field(row), row[1] .. '\n' .. row[2]
    local before = amounts[field]
    if (before or 0) + tonumber(row[4]) > q.most_count then return row[2] end
    if not before then
      if row[3] ~= '' then
        elements[of] = (elements[of] or 0) + 1
        if elements[of] > q.most_elements then return row[2] end
      end
      bytes, newest = bytes + fact_size(row), row[2]
    end
    amounts[field] = (before or 0) + tonumber(row[4])
  end
  return newest and bytes > q.most_fact_bytes and newest
end

local function count_facts(root, grown, changed, epoch)
  if grown ~= 0 then redis.call('HINCRBY', key('task', root), 'facts', whole(grown)) end
  if changed then redis.call('HSET', key('task', root), 'version', epoch) end
end

-- Add facts for which there is room; return whether a chain may see another fact than before, and what the call then holds.
local function note_facts(root, rows, until_ms, epoch)
  if #rows == 0 then return false, {} end
  local name, changed, grown, held = key('facts', root), false, 0, {}
  for _, row in ipairs(rows) do
    local field = fact_field(row)
    local before = redis.call('HGET', name, field)
    if before and row[3] ~= '' then
      if before ~= q.shared then redis.call('HSET', name, field, q.shared) end
    else
      if not before then grown = grown + fact_size(row) end
      changed = changed or not before or row[4] ~= '0'
      redis.call('HINCRBY', name, field, row[4])
      held[#held + 1] = row
    end
  end
  ends(name, until_ms)
  count_facts(root, grown, changed, epoch)
  return changed, held
end

-- Take back what a call holds, except what another call noted as well.
local function take_back_facts(root, rows, epoch)
  local name, changed, shrunk = key('facts', root), false, 0
  for _, row in ipairs(rows) do
    local field = fact_field(row)
    if row[3] == '' then changed = true end
    local before = redis.call('HGET', name, field)
    local back = before and (row[3] == '' or before ~= q.shared)
    if back and redis.call('HINCRBY', name, field, '-' .. row[4]) <= 0 then
      redis.call('HDEL', name, field)
      shrunk = shrunk + fact_size(row)
      changed = true
    end
  end
  count_facts(root, -shrunk, changed, epoch)
end

local function held_facts(root, decision)
  local found = redis.call('HGET', key('held', root), decision)
  return found and cjson.decode(found) or {}
end

-- Keep what a call holds.
local function hold_facts(root, decision, rows, until_ms)
  local name = key('held', root)
  if #rows == 0 then return redis.call('HDEL', name, decision) end
  redis.call('HSET', name, decision, cjson.encode(rows))
  ends(name, until_ms)
end
