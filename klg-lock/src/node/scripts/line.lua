-- Shared by queue, stand, leave, pass and call: the order of those who wait for one resource.
--
-- It is a sorted set of places. A place is a key that its waiter keeps alive. It carries `1`, or what
-- the lock can be given to the waiter by while it sleeps:
--   {life of the grant in ms} {fencing numbers to reserve} {length of the channel} {channel}{value}

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

-- Reserves fencing numbers for one resource; returns the last, or nil where it does not count.
--
-- It lives for a day from when it was last prolonged, which is often enough after so many numbers:
-- the server's time has passed it by then.
local function count(fence, reserve)
  local last = redis.pcall('INCRBY', fence, reserve)
  if type(last) ~= 'number' or last >= 9007199254740992 then
    return nil
  end
  local before = last - reserve
  if before < 1000000000000000 then
    -- Lost, or counted from nothing after that: it starts at the node's time.
    local time = redis.call('TIME')
    last = math.max(last, time[1] * 1000000 + time[2] + reserve - 1)
    redis.call('SET', fence, string.format('%.0f', last), 'PXAT', math.ceil(last / 1000) + 86400000)
  elseif math.floor(last / 4096) > math.floor(before / 4096) then
    local past = math.max(redis.call('TIME')[1] * 1000, math.ceil(last / 1000))
    redis.call('PEXPIREAT', fence, past + 86400000)
  end
  return last
end

-- Puts a waiter back to where it stood, which also tells it to ask.
local function put_back(queue, place, score, carried)
  redis.call('ZADD', queue, score, place)
  redis.call('SET', place, carried, 'PX', 2500)
  redis.call('PEXPIRE', queue, 10000)
end

-- Gives a lock to the first waiter who can be given it and hears of it; whether there was one. Where
-- the first can only ask, it is told to. If nobody got it, the key is left as it may be.
local function pass(queue, lock, fence)
  local deaf = {}
  local given = false
  while #deaf < 8 do
    local next = redis.call('ZPOPMIN', queue)
    local place, score = next[1], next[2]
    local carried = place and redis.call('GETDEL', place)
    if not place then
      break
    elseif carried then
      local life, reserve, length, rest = string.match(carried, '^(%d+) (%d+) (%d+) ()')
      local last = life and count(fence, tonumber(reserve))
      if not last then
        put_back(queue, place, score, carried)
        break
      end
      local channel = string.sub(carried, rest, rest + length - 1)
      local value = string.sub(carried, rest + length)
      redis.call('SET', lock, value, 'PX', life)
      local heard = redis.pcall('PUBLISH', channel, 'given ' .. string.format('%.0f', last) .. ' ' .. #place .. ' ' .. place .. value)
      if type(heard) == 'number' and heard > 0 then
        given = true
        break
      end
      -- Its connection is gone, or nobody may publish. It keeps its place in case it comes back.
      deaf[#deaf + 1] = {place, score, carried}
    end
  end
  for _, it in ipairs(deaf) do
    put_back(queue, it[1], it[2], it[3])
  end
  return given
end

-- Frees a lock that is free or the caller's: gives it to the first who waits, or else deletes it.
-- Whatever becomes of the former, for want of rights or of memory, the latter is done.
local function free(queue, lock, fence)
  local done, given = pcall(pass, queue, lock, fence)
  if not (done and given) then
    redis.call('DEL', lock)
  end
  if not done then
    pcall(function() call((first(queue))) end)
  end
end
