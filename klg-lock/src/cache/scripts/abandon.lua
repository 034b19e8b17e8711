-- Abandon: a load came to nothing; the next one may begin at once.
--
-- KEYS   entry
-- ARGV   token of the load
-- reply  1: given back; 0: the token was gone
local key = KEYS[1]
local head = redis.pcall('GETRANGE', key, 0, 75)
if type(head) ~= 'string' or string.sub(head, 21, 36) ~= ARGV[1] then
  return 0
end
if string.byte(head, 3) % 2 == 1 and redis.call('PTTL', key) > struct.unpack('>I8', head, 45) then
  redis.call('SETRANGE', key, 20, string.rep('\0', 24))
else
  redis.call('DEL', key)
end
return 1
