local pending, count = {}, 0
for _, id in ipairs(pending_in(q.group)) do
  pending[id], count = true, count + 1
end
if count == 0 or count ~= #q.verdicts then return {} end
for _, verdict in ipairs(q.verdicts) do
  local id = verdict[1]
  if not pending[id] then return {} end
  pending[id] = nil
end
if uses(q.token) > 0 then return 'token_used' end
spend_token()
local out = {}
for index, verdict in ipairs(q.verdicts) do
  decide(unpack(verdict))
  out[index] = approval(verdict[1])
end
bump()
return out
