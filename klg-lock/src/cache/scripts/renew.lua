-- Renew: a load takes longer, its token stays good.
--
-- KEYS   entry
-- ARGV   token of the load, lease in ms
-- reply  1: renewed; 0: the token is gone
local key, lease = KEYS[1], tonumber(ARGV[2])
local head = redis.pcall('GETRANGE', key, 0, 75)
if type(head) ~= 'string' or string.sub(head, 21, 36) ~= ARGV[1] then
  return 0
end
local pttl = redis.call('PTTL', key)
local extra = struct.unpack('>I8', head, 45)
if pttl < lease then
  extra = extra + lease - pttl
  redis.call('PEXPIRE', key, ARGV[2])
  pttl = lease
end
redis.call('SETRANGE', key, 36, struct.pack('>I8I8', pttl - lease, extra))
return 1
