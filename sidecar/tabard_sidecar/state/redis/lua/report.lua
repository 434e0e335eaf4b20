local decisions = key('decisions', q.root)
local task = redis.call('HMGET', key('task', q.root), 'until', 'since', 'expires')
local found = redis.call('HGET', decisions, q.decision)
if not found or not task[1] then return 'unknown' end
local number, past, text = string.match(found, '^(%d+)\n([^\n]*)\n(.*)$')
local record = cjson.decode(text)
if record.link ~= q.link then return 'unknown' end

local charged = {}
for _, charge in ipairs(record.charges) do charged[charge[2]] = charge[4] end
if q.signed and (record.audience ~= q.audience or q.audience == '') then return 'foreign' end
-- The first word says which outcome's amounts were counted, what follows what it gave back. The word ends with + if its
-- facts found no room, so that they are tried again.
local state, raised, refunded, facts, failed = 'done', q.raised, q.refunded, q.facts, q.failed
local counted = string.match(past, '^%S*')
if record.shared and q.takes_back then
  state = 'shared'
elseif q.amounts ~= '' and counted == q.amounts .. '+' then
  raised, refunded = {}, {}
elseif q.amounts ~= '' and past ~= '' then
  state = counted == q.amounts and 'repeated' or 'counted'
end
if state ~= 'done' then raised, refunded, facts, failed = {}, {}, {}, false end
for name, amount in pairs(refunded) do
  if amount > (charged[name] or 0) then return 'too_much' end
end
-- Each of the facts is a name with an element. A call that holds it already doesn't note it again, and a backend notes
-- under names that the grant lists only.
local held, noted, known = {}, {}, {}
if failed or #facts > 0 then held = held_facts(q.root, q.decision) end
for _, row in ipairs(held) do known[fact_field(row)] = true end
for _, fact in ipairs(facts) do
  local link = (record.backend or {})[fact[1]]
  local row = {link or '', fact[1], fact[2], '1'}
  if link and not known[fact_field(row)] then noted[#noted + 1] = row end
end
local word = q.amounts
if facts_full(q.root, noted) then state, word, noted = 'facts_full', q.amounts .. '+', {} end
if not has_room(q.workloads[1], q.labels, tonumber(task[2])) then return 'full' end

-- Every check passed; write.
local spent = key('spent', q.root)
local before, left, room = {}, {}, {}
for _, charge in ipairs(record.charges) do
  local id, name, limit = charge[1], charge[2], charge[3]
  before[id] = tonumber(redis.call('HGET', spent, id) or '0')
  left[id] = math.max(0, before[id] - (refunded[name] or 0))
  -- A raise is no more than every budget of the name has left: a narrower one protects the wider ones.
  room[name] = math.max(0, math.min(room[name] or raised[name] or 0, limit - left[id]))
end
for _, charge in ipairs(record.charges) do
  local id, name, limit = charge[1], charge[2], charge[3]
  local after = left[id] + room[name]
  if after ~= before[id] then
    redis.call('HSET', spent, id, whole(after))
    ends(spent, task[1])
    if before[id] == 0 then describe(q.root, id, name, limit, task[1]) end
  end
end
if q.amounts ~= '' and (state == 'done' or state == 'facts_full') then
  redis.call('HSET', decisions, q.decision, number .. '\n' .. word .. ' ' .. q.refunds .. '\n' .. text)
end
local about = {
  root = q.root, since = tonumber(task[2]), expires = tonumber(task[3]), until_ms = task[1], epoch = bump(),
}
if failed and #held > 0 then
  take_back_facts(q.root, held, about.epoch)
  hold_facts(q.root, q.decision, {}, task[1])
elseif #noted > 0 then
  local _, more = note_facts(q.root, noted, task[1], about.epoch)
  for _, row in ipairs(more) do held[#held + 1] = row end
  hold_facts(q.root, q.decision, held, task[1])
end
-- What the credential can read until it expires counts as read then.
local at = math.max(q.now, record.usable_until or 0)
add_wide(q.workloads, q.labels, at, about, {})
-- Reported labels: as many as the holder may add, and one for all others and for everyone else.
local holder = q.workloads[1]
local own, kept, room = holder and own_labels(holder, about.since) or {}, {}, q.most_reported
for label in pairs(own) do
  if is_reported(label) then room = room - 1 end
end
local collapse = false
for _, label in ipairs(q.reported) do
  if own[label] then
    kept[#kept + 1] = label
  elseif room > 0 then
    kept[#kept + 1] = label
    room = room - 1
  else
    collapse = true
  end
end
if collapse then kept[#kept + 1] = q.collapsed end
if #kept > 0 then
  put('', kept, at, about)
  for _, owner in ipairs(members_of(about, q.workloads)) do
    for _, label in ipairs(owner == holder and kept or {q.collapsed}) do
      give(owner, label, at, owner == holder, true, about)
    end
  end
end
change(q.root)
return state
