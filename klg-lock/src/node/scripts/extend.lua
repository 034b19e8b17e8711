-- Extend: prolongs all keys, only where every one of them still carries the holder value.
--
-- KEYS   lock 1 .. lock n, fence 1 .. fence n
-- ARGV   1 holder value
--        2 TTL in milliseconds
--        3 how many fencing numbers to reserve; 0: none, only prolong the counters
-- reply  the end of the reserved range, or the counter (0: it is gone) where none was asked for,
--        or nil where a key is absent,
--        or {index from 0, holder value or nil, remaining ms or -1} of the key that refuses
local absent, refusal = look()
if refusal then
  return refusal
end
if absent then
  return nil
end
local last, fault
if ARGV[3] == '0' then
  last, fault = raise(0)
else
  last, fault = reserve(tonumber(ARGV[3]))
end
if fault then
  return fault
end
hold(ARGV[2])
return last
