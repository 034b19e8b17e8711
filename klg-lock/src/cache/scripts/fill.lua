-- Fill: stores what a load returned, if nobody has touched the key since the load began.
--
-- KEYS   entry
-- ARGV   token of the load, entry, its TTL in ms
-- reply  1: stored; 0: evicted, replaced or taken over meanwhile
if redis.pcall('GETRANGE', KEYS[1], 20, 35) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
