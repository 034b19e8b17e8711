-- Inspect: who holds a key. It writes nothing.
--
-- KEYS   1 lock
-- reply  nil where it is absent,
--        or {0, holder value or nil, remaining ms or -1}
local holder = redis.pcall('GET', KEYS[1])
if not holder then
  return nil
end
if type(holder) == 'table' and not string.find(holder.err, 'WRONGTYPE', 1, true) then
  return holder
end
return {0, type(holder) == 'string' and holder, redis.call('PTTL', KEYS[1])}
