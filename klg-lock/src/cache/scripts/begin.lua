-- Begin: asks for the right to load what a key is to hold.
--
-- KEYS   entry
-- ARGV   token of this load
--        lease in ms: for how long the token is good unless renewed
--        stamp of the value that was read and is to be replaced, or ''
--        'cold': there is nothing to serve; 'beside': the value read is served meanwhile
--        placeholder that carries the token
-- reply  1: granted beside the value; 2: granted, and there is no value any more;
--        {pttl, bytes or nil}: what stands there instead, to be judged anew
local key, token, lease, seen, mode = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local head = redis.pcall('GETRANGE', key, 0, 75)
local pttl = redis.call('PTTL', key)
if type(head) == 'string' and #head == 76 and string.sub(head, 1, 2) == '\193\1' and pttl > 0 then
  local floor = struct.unpack('>I8', head, 37)
  local extra = struct.unpack('>I8', head, 45)
  local there = string.byte(head, 3) % 2 == 1 and pttl > extra
  if string.sub(head, 21, 36) ~= string.rep('\0', 16) and pttl > floor then
    return {pttl, redis.call('GET', key)}
  end
  if there and string.sub(head, 5, 20) ~= seen then
    return {pttl, redis.call('GET', key)}
  end
  if there and mode == 'beside' then
    -- The key stays for as long as the token; by how much that is longer is written down.
    if pttl < lease then
      extra = extra + lease - pttl
      redis.call('PEXPIRE', key, ARGV[2])
      pttl = lease
    end
    redis.call('SETRANGE', key, 20, token .. struct.pack('>I8I8', pttl - lease, extra))
    return 1
  end
end
redis.call('SET', key, ARGV[5], 'PX', ARGV[2])
return 2
