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
  local counter = tonumber(redis.call('GET', fence) or '')
  local reserve = tonumber(ARGV[3])
  local time = redis.call('TIME')
  local following = (counter or 0) + 1
  if following <= 1000000000000000 then
    -- Lost, or counted from nothing after that: it starts at the node's time.
    following = math.max(following, time[1] * 1000000 + time[2])
  end
  local last = following + (reserve - 1)
  if last ~= math.floor(last) or last >= 9007199254740992 then
    return redis.error_reply('ERR fencing counter: ' .. fence .. ' has reached 2^53; delete that key, and check the clock of this server')
  end
  local past = math.max(time[1] * 1000, math.ceil(last / 1000))
  redis.call('SET', fence, string.format('%.0f', last), 'PXAT', past + 86400000)
  if not own then
    redis.call('SET', lock, ARGV[1], 'PX', ARGV[2])
  elseif redis.call('PTTL', lock) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', lock, ARGV[2])
  end
  redis.call('ZREM', queue, me)
  redis.call('DEL', me)
  call((first(queue, me)))
  return last
end
enter(queue, me, ARGV[7])
if moved and head ~= me then
  call(head)
end
-- Tracked from here on: its own place, and the lock key where that is named.
redis.call('GET', me)
return {redis.call('ZRANK', queue, me), type(holder) == 'string' and holder, KEYS[2] and redis.call('PTTL', KEYS[2]) or -1}
