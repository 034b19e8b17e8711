-- Release many: claims of one key each, released at the same time. It saves the server the overhead
-- of a script call each. As `release.lua`, it only reads and deletes.
--
-- KEYS   lock 1 .. lock n
-- ARGV   holder value 1 .. holder value n
-- reply  a list with, for each: 0 where it was done; an error;
--        nil: it is not this simple, ask by the script for one
local call = redis.pcall
local replies = {}
for i = 1, #KEYS do
  local reply = false
  if call('GETEX', KEYS[i]) == ARGV[i] then
    local deleted = call('DEL', KEYS[i])
    reply = type(deleted) == 'table' and deleted or 0
  end
  replies[i] = reply
end
return replies
