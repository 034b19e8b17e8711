-- Acquire: grants all keys to a holder value, or none, and reserves fencing numbers.
-- A key that carries the value already is granted again: a repeat after a lost reply.
--
-- KEYS   lock 1 .. lock n, fence 1 .. fence n
-- ARGV   1 holder value
--        2 TTL in milliseconds
--        3 how many fencing numbers to reserve; absent: 1
--        4 present: prolong the life of the fence key; absent: that was done lately
-- reply  the end of the reserved range,
--        or {index from 0, holder value or nil, remaining ms or -1} of the key that refuses
local _, refusal = look()
if refusal then
  return refusal
end
local last, fault = reserve(tonumber(ARGV[3] or 1))
if fault then
  return fault
end
hold(ARGV[2])
return last
