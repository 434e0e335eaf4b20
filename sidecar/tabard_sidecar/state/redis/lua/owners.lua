-- An owner is a person together with a workload, or with a branch of one. Hash owner:<id>: label -> "at expires own wide";
-- hash ownermeta:<id>: version of its labels, the latest time since which one of its tasks sees them, and when it expires.

-- Return the newest version of some owners' labels.
local function owners_version(owners)
  local newest = 0
  for _, owner in ipairs(owners) do
    newest = math.max(newest, tonumber(redis.call('HGET', key('ownermeta', owner), 'version') or '0'))
  end
  return newest
end

local function read_label(text)
  local at, ends, own, wide = string.match(text, '^(%S+) (%S+) (%d) (%d)$')
  return tonumber(at), tonumber(ends), own == '1', wide == '1'
end
