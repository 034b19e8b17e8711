-- Leave: gives a place in a queue up, and tells the next one alive where it was the first.
--
-- KEYS   1 own place
-- ARGV   1 holder value (unused; all scripts have it there), 2 queue key
-- reply  0
local me, queue = KEYS[1], ARGV[2]
local head, moved = first(queue, me)
redis.call('ZREM', queue, me)
redis.call('DEL', me)
if head == me then
  call((first(queue, me)))
elseif moved then
  call(head)
end
return 0
