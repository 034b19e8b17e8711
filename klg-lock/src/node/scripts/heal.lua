-- Heal: gives back what the quorum holds, and raises the fencing counters to at least that.
--
-- KEYS   lock 1 .. lock n, fence 1 .. fence n
-- ARGV   1 holder value
--        2 TTL in milliseconds
--        3 the number that the counters must have reached
-- reply  the smallest counter now stored,
--        or {index from 0, holder value or nil, remaining ms or -1} of the key that refuses
local _, refusal = look()
if refusal then
  return refusal
end
local stored, fault = raise(tonumber(ARGV[3]))
if fault then
  return fault
end
hold(ARGV[2])
return stored
