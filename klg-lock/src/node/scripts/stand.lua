-- Stand: takes or keeps a place in the order of those who wait, and does nothing else. Where several
-- nodes vote, one of them keeps the order, so that a release wakes one waiter and not all of them.
--
-- KEYS   1 own place
-- ARGV   1 holder value (unused; all scripts have it there), 2 queue key
--        3 for how long the place lives without being asked for, in milliseconds
-- reply  {how many places are ahead, nil, -1}
local me, queue = KEYS[1], ARGV[2]
local head, moved = first(queue, me)
enter(queue, me, ARGV[3])
if moved and head ~= me then
  call(head)
end
-- Tracked by this read.
return {redis.call('ZRANK', queue, me), false, -1}
