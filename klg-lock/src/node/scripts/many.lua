-- Many: acquires and releases of one key each, that belong to different claims and were asked for
-- at the same time; carried out in order. It saves the server the overhead of a script call each.
--
-- Each is carried out by itself: an error of one is its own reply. What takes more than the plain
-- path (a key that is held, a counter that is not there) is left to the script of its own.
--
-- KEYS   an acquire: lock, fence; a release: lock
-- ARGV   an acquire: holder value, TTL in milliseconds; a release: holder value, ''
-- reply  a list with, for each: the fencing number, or 0 for a release that was done; an error;
--        nil: ask again alone
local call = redis.pcall
local replies = {}
local key = 1

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function acquire(lock, fence, value, ttl)
  local set = call('SET', lock, value, 'NX', 'PX', ttl)
  if not set or failed(set) then
    return set
  end
  local number = call('INCRBY', fence, 1)
  if type(number) == 'number' and number > 1 and number < 9007199254740992 then
    return number
  end
  call('DEL', lock)
  if number == 1 then
    call('DEL', fence)
  end
  return false
end

local function release(lock, value)
  if call('GETEX', lock) ~= value then
    return false
  end
  local deleted = call('DEL', lock)
  return failed(deleted) and deleted or 0
end

for i = 1, #ARGV / 2 do
  local value, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  if ttl == '' then
    replies[i] = release(KEYS[key], value)
    key = key + 1
  else
    replies[i] = acquire(KEYS[key], KEYS[key + 1], value, ttl)
    key = key + 2
  end
end
return replies
