-- Shared by leave and pass: what becomes of a lock that is free.

-- Gives a lock to the first waiter who can be given it and hears of it; whether there was one. Where
-- the first can only ask, it is told to. If nobody got it, the key is left as it may be.
local function pass(queue, lock, fence)
  while true do
    local next = redis.call('ZPOPMIN', queue)
    local place, score = next[1], next[2]
    if not place then
      return false
    end
    local carried = redis.pcall('GETEX', place)
    if carried then
      local life, reserve, question, length, rest
      if type(carried) == 'string' then
        life, reserve, question, length, rest = string.match(carried, '^(%d+) (%d+) (%d+) (%d+) ()')
      end
      local last = life and count(fence, tonumber(reserve))
      local heard = nil
      if last then
        local channel = string.sub(carried, rest, rest + length - 1)
        local value = string.sub(carried, rest + length)
        local told = 'given ' .. string.format('%.0f', last) .. ' ' .. question .. ' ' .. #place .. ' ' .. place .. value
        if not redis.pcall('SET', lock, value, 'PX', life).err then
          -- Who listens at a replica, because it was the master before, must not hear of it: only
          -- those are counted who listen here.
          redis.set_repl(redis.REPL_NONE)
          heard = redis.pcall('PUBLISH', channel, told)
          redis.set_repl(redis.REPL_ALL)
        end
      end
      if type(heard) ~= 'number' then
        redis.call('ZADD', queue, score, place)
        redis.call('PEXPIRE', queue, 10000)
        call(place)
        return false
      end
      redis.call('DEL', place)
      if heard > 0 then
        return true
      end
      -- Its connection is gone, and its place with it.
    end
  end
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
