-- Epoch: the present epoch of a tag; a new one where there is none.
--
-- KEYS   tag
-- ARGV   a new epoch
--        how long the tag must outlive this moment, in ms
--        its TTL where that has to be set, in ms; much longer, since each change is news to many
-- reply  the epoch
local epoch = redis.pcall('GET', KEYS[1])
if type(epoch) ~= 'string' or #epoch ~= 16 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  return ARGV[1]
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return epoch
