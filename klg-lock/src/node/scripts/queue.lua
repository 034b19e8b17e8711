-- Queue: acquires one key in the order in which waiters asked, across processes.
--
-- Only what is read under KEYS is tracked, so a waiter further back names its place alone, and the
-- first names the lock key too: a release then wakes one waiter, however many there are.
--
-- KEYS   1 own place, 2 lock key (only from the first of the queue)
-- ARGV   1 holder value
--        2 TTL in milliseconds
--        3 how many fencing numbers to reserve, at least 1
--        4 lock key, 5 fence key, 6 queue key
--        7 for how long the place lives without being asked for, in milliseconds
--        8 what the place carries (see line), if the lock may be given to the waiter
--        9 with it: the beginning of the channels of processes, by which a holder is told
-- reply  the end of the reserved range,
--        or {how many places are ahead, holder value or nil, remaining ms (-1: not known, -2: absent)}
local me, lock, fence, queue = KEYS[1], ARGV[4], ARGV[5], ARGV[6]
local head, moved = first(queue, me)
-- `GETEX` does not enter the key into the tracking table, as every other read would.
local holder = redis.pcall('GETEX', lock)
if type(holder) == 'table' and not string.find(holder.err, 'WRONGTYPE', 1, true) then
  return holder
end
local own = holder == ARGV[1]
if own or (not holder and (not head or head == me)) then
  local last, fault = count(fence, tonumber(ARGV[3]))
  if not last then
    return fault or redis.error_reply('ERR fencing counter: ' .. fence .. ' is not a number below 2^53; delete that key, and check the clock of this server')
  end
  if not own then
    redis.call('SET', lock, ARGV[1], 'PX', ARGV[2])
  elseif redis.call('PTTL', lock) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', lock, ARGV[2])
  end
  redis.call('ZREM', queue, me)
  call((first(queue, me)))
  vacate(me)
  return last
end
local new = enter(queue, me, ARGV[7], ARGV[8])
if moved and head ~= me then
  call(head)
end
-- Tracked by this read: its own place, and the lock key where that is named.
local ahead = redis.call('ZRANK', queue, me)
if new and ahead == 0 and ARGV[9] and type(holder) == 'string' then
  -- The holder may have come when nobody waited. From now on its release passes the lock on.
  local process = string.match(holder, '^%x+ (%S+) ')
  if process then
    redis.pcall('PUBLISH', ARGV[9] .. process, 'wanted ' .. lock)
  end
end
return {ahead, type(holder) == 'string' and holder, KEYS[2] and redis.call('PTTL', KEYS[2]) or -1}
