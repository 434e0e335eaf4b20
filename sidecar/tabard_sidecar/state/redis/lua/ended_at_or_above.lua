local seen, waiting = {[q.link] = true}, {q.link}
while #waiting > 0 do
  if first_ended(waiting) then return 1 end
  local above = {}
  for _, link in ipairs(waiting) do
    for _, parent in ipairs(redis.call('SMEMBERS', key('parents', link))) do
      if not seen[parent] then
        seen[parent] = true
        above[#above + 1] = parent
      end
    end
  end
  waiting = above
end
return 0
