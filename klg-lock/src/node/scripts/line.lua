-- Shared by queue, stand and leave: the order of those who wait for one resource.
--
-- It is a sorted set of places; a place is a key that its waiter keeps alive, and by whose change it
-- is told that it has become the first.

-- The first place whose waiter is alive, or `me`; the dead before it are removed.
local function first(queue, me)
  local dead = false
  while true do
    local place = redis.call('ZRANGE', queue, 0, 0)[1]
    if not place or place == me or redis.call('EXISTS', place) == 1 then
      return place, dead
    end
    redis.call('ZREM', queue, place)
    dead = true
  end
end

-- Tells a waiter to ask.
local function call(place)
  if place then
    redis.call('SET', place, '1', 'XX', 'KEEPTTL')
  end
end

-- Takes a place at the end, or keeps the one it has alive.
local function enter(queue, me, life)
  if not redis.call('ZSCORE', queue, me) then
    local newest = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
    redis.call('ZADD', queue, string.format('%.0f', (tonumber(newest or '0') + 1)), me)
  end
  redis.call('SET', me, '1', 'PX', life)
  if redis.call('PTTL', queue) < 2 * tonumber(life) then
    redis.call('PEXPIRE', queue, 4 * tonumber(life))
  end
end
