-- Acquire, first part: the rule, one resource that is free. Everything else falls through to
-- `acquire.lua`; both are one script, with `prelude.lua` between them.
--
-- No key is read here, only written: a read would enter the key into the server's tracking table
-- for nothing.
if #KEYS == 2 and redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local counter = redis.pcall('INCRBY', KEYS[2], ARGV[3] or 1)
  if type(counter) == 'number' and counter < 9007199254740992 then
    local reserve = tonumber(ARGV[3] or 1)
    if counter - reserve >= 1000000000000000 then
      if ARGV[4] then
        local time = redis.call('TIME')
        redis.call('PEXPIREAT', KEYS[2], math.max(time[1] * 1000, math.ceil(counter / 1000)) + 86400000)
      end
      return counter
    end
    -- The counter was lost: it starts at the node's time.
    local time = redis.call('TIME')
    counter = math.max(counter, time[1] * 1000000 + time[2] + reserve - 1)
    redis.call('SET', KEYS[2], string.format('%.0f', counter), 'PXAT', math.ceil(counter / 1000) + 86400000)
    return counter
  end
  redis.call('DEL', KEYS[1])
  if type(counter) == 'table' and string.find(counter.err, 'NOPERM', 1, true) then
    return counter
  end
  return redis.error_reply('ERR fencing counter: ' .. KEYS[2] .. ' is not a number below 2^53; delete that key, and check the clock of this server')
end
