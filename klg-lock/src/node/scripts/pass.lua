-- Pass: releases one key, and gives it to the first of those who wait for it. Whatever becomes of the
-- second, the first is done.
--
-- No key is named as one: what a script reads is tracked under its KEYS, and nobody wants to be told.
--
-- ARGV   1 holder value
--        2 lock key, 3 fence key, 4 queue key
--        5 own place; empty: it has none any more, or never had
-- reply  as of release
local lock, queue, place = ARGV[2], ARGV[4], ARGV[5]
-- It must not be given to this value any more.
local carried = place ~= '' and redis.pcall('GETEX', place)
if type(carried) == 'string' and string.sub(carried, -#ARGV[1]) == ARGV[1] then
  if redis.pcall('SET', place, '1', 'KEEPTTL').err then
    redis.pcall('DEL', place)
  end
end
local holder = redis.pcall('GETEX', lock)
if not holder then
  return nil
elseif type(holder) == 'table' and not string.find(holder.err, 'WRONGTYPE', 1, true) then
  return holder
elseif holder ~= ARGV[1] then
  return {0, type(holder) == 'string' and holder, redis.call('PTTL', lock)}
end
free(queue, lock, ARGV[3])
return 0
