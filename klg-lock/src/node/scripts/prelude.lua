-- Shared by all scripts but release and inspect: how the keys stand, and the fencing counters.
--
-- KEYS   lock 1 .. lock n, fence 1 .. fence n
-- ARGV   1 holder value
local n = #KEYS / 2
-- Whether lock i carries the value; false: it is absent.
local own = {}

-- The reply that tells who holds lock i: its index from 0, the value (nil where it is no string),
-- the remaining milliseconds (-1 where it never expires).
local function held(i, holder)
  return {i - 1, type(holder) == 'string' and holder, redis.call('PTTL', KEYS[i])}
end

-- Whether a reply of pcall is an error that says nothing of the key: a missing right, say.
local function failed(reply)
  return type(reply) == 'table' and not string.find(reply.err, 'WRONGTYPE', 1, true)
end

-- Fills `own`; returns whether a key is absent, and the reply of the first that is somebody else's,
-- or that could not be read.
local function look()
  local absent = false
  for i = 1, n do
    local holder = redis.pcall('GET', KEYS[i])
    own[i] = holder == ARGV[1]
    if not holder then
      absent = true
    elseif failed(holder) then
      return absent, holder
    elseif not own[i] then
      return absent, held(i, holder)
    end
  end
  return absent, nil
end

-- Puts the value under all keys; never shortens what is left of a key's life.
local function hold(ttl)
  for i = 1, n do
    if not own[i] then
      redis.call('SET', KEYS[i], ARGV[1], 'PX', ttl)
    else
      local remaining = redis.call('PTTL', KEYS[i])
      if remaining >= 0 and remaining < tonumber(ttl) then
        redis.call('PEXPIRE', KEYS[i], ttl)
      end
    end
  end
end

-- The counter of resource i, or nil; second, an error reply where it is no counter.
local function counter(i)
  local stored = redis.pcall('GET', KEYS[n + i])
  if not stored then
    return nil, nil
  elseif failed(stored) then
    return nil, stored
  end
  local number = type(stored) == 'string' and tonumber(stored)
  if not number or number ~= math.floor(number) or number < 0 or number >= 9007199254740992 then
    return nil, redis.error_reply('ERR fencing counter: ' .. KEYS[n + i] .. ' is not a number below 2^53; delete that key, and check the clock of this server')
  end
  return number, nil
end

-- Whether a counter has to begin at the node's time: it is absent, or so small that something
-- counted from nothing after it was lost.
local function lost(number)
  return not number or number < 1000000000000000
end

-- Stores a counter, to be forgotten only once this server's time has passed it by a day.
local function store(i, number)
  local time = redis.call('TIME')
  local past = math.max(time[1] * 1000, math.ceil(number / 1000))
  redis.call('SET', KEYS[n + i], string.format('%.0f', number), 'PXAT', past + 86400000)
end

-- Reserves `count` numbers for all resources together; returns the last, or nil and an error reply.
local function reserve(count)
  local following = 0
  for i = 1, n do
    local number, fault = counter(i)
    if fault then
      return nil, fault
    end
    if number then
      following = math.max(following, number + 1)
    end
    if lost(number) then
      local time = redis.call('TIME')
      following = math.max(following, time[1] * 1000000 + time[2])
    end
  end
  -- In this order: beyond 2^53 the sum would be rounded, and seem to fit.
  local last = following + (count - 1)
  if last >= 9007199254740992 then
    return nil, redis.error_reply('ERR fencing counter: ' .. KEYS[n + 1] .. ' has reached 2^53; delete that key, and check the clock of this server')
  end
  for i = 1, n do
    store(i, last)
  end
  return last, nil
end

-- Raises all counters to at least `floor` and prolongs them; returns the smallest that is then
-- stored, or nil and an error reply. A floor of 0 leaves absent counters absent.
local function raise(floor)
  local raised = {}
  local smallest = nil
  for i = 1, n do
    local number, fault = counter(i)
    if fault then
      return nil, fault
    end
    raised[i] = math.max(number or 0, floor)
    smallest = math.min(smallest or raised[i], raised[i])
  end
  for i = 1, n do
    if raised[i] > 0 then
      store(i, raised[i])
    end
  end
  return smallest, nil
end
