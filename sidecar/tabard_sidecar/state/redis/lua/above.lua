-- Tell whether a link, or one that it descends from, was ended.
local function ended_at_or_above(link)
  local seen, waiting = {[link] = true}, {link}
  while #waiting > 0 do
    if first_ended(waiting) then return true end
    local above = {}
    for _, one in ipairs(waiting) do
      for _, parent in ipairs(redis.call('SMEMBERS', key('parents', one))) do
        if not seen[parent] then
          seen[parent] = true
          above[#above + 1] = parent
        end
      end
    end
    waiting = above
  end
  return false
end
