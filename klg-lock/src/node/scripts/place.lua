-- Shared by queue, stand and leave: a waiter's own place in the order (see line).

-- Takes a place at the end, or keeps the one it has alive; returns whether it is a new one.
local function enter(queue, me, life, carried)
  local newest = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
  local new = redis.call('ZADD', queue, 'NX', (newest or 0) + 1, me)
  redis.call('SET', me, carried or '1', 'PX', life)
  redis.call('PEXPIRE', queue, 4 * tonumber(life))
  return new == 1
end

-- Gives the key of a place up. What a script has read is tracked under it until it changes, so that
-- a change has to come, and last.
local function vacate(me)
  if redis.call('DEL', me) == 0 then
    redis.call('SET', me, '1', 'PX', 1)
    redis.call('DEL', me)
  end
end
