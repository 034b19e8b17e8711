-- Shared by queue, leave and pass: the fencing numbers of one resource.

-- Reserves fencing numbers for one resource; returns the last, or nil where it does not count, and
-- the error where that is for want of a right.
--
-- It lives for a day from when it was last prolonged, which is often enough after so many numbers:
-- the server's time has passed it by then.
local function count(fence, reserve)
  local last = redis.pcall('INCRBY', fence, reserve)
  if type(last) == 'table' and string.find(last.err, 'NOPERM', 1, true) then
    return nil, last
  elseif type(last) ~= 'number' or last >= 9007199254740992 then
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
