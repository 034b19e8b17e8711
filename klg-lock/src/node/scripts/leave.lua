-- Leave: gives a place in a queue up, and tells the next one where it was the first.
--
-- KEYS   1 own place
-- ARGV   1 holder value (unused; all scripts have it there), 2 queue key
-- reply  0
local me, queue = KEYS[1], ARGV[2]
local was = redis.call('ZRANGE', queue, 0, 0)[1]
redis.call('ZREM', queue, me)
redis.call('DEL', me)
if was == me then
  local head = redis.call('ZRANGE', queue, 0, 0)[1]
  if head then
    redis.call('SET', head, '1', 'XX', 'KEEPTTL')
  end
end
return 0
