-- Shared by queue, stand, leave, pass and call: the order of those who wait for one resource.
--
-- It is a sorted set of places. A place is a key that its waiter keeps alive. It carries `1`, or what
-- the lock can be given to the waiter by while it sleeps:
--   {life of the grant in ms} {fencing numbers to reserve} {question} {length of the channel}
--   {channel}{value}

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
  local carried = place and redis.call('GET', place)
  if carried then
    redis.call('SET', place, carried, 'KEEPTTL')
  end
end
