-- Raise: lifts the fencing counters to at least a number, only while every key carries the
-- holder value. A raise on any other node proves nothing and must not be counted.
--
-- KEYS   lock 1 .. lock n, fence 1 .. fence n
-- ARGV   1 holder value
--        2 the number that the counters must have reached
-- reply  the smallest counter now stored,
--        or nil where a key is absent,
--        or {index from 0, holder value or nil, remaining ms or -1} of the key that refuses
local absent, refusal = look()
if refusal then
  return refusal
end
if absent then
  return nil
end
local stored, fault = raise(tonumber(ARGV[2]))
return fault or stored
