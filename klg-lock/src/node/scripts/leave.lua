-- Leave: gives a place in a queue up, and sees to the next one alive where it was the first.
--
-- KEYS   1 own place
-- ARGV   1 holder value (unused; all scripts have it there), 2 queue key
--        3 lock key, 4 fence key (only where the lock may be passed on)
-- reply  0
local me, queue, lock = KEYS[1], ARGV[2], ARGV[3]
local head, moved = first(queue, me)
redis.call('ZREM', queue, me)
if head == me and lock and redis.call('EXISTS', lock) == 0 then
  free(queue, lock, ARGV[4])
elseif head == me then
  call((first(queue, me)))
elseif moved then
  call(head)
end
vacate(me)
return 0
