-- Release: compares and deletes, key by key. It only reads and deletes, so that it works on a
-- server whose memory is full.
--
-- KEYS   lock 1 .. lock n
-- ARGV   1 holder value
-- reply  0 where all keys carried the value,
--        or {index from 0, holder value or nil, remaining ms or -1} of the first that carries another,
--        else nil: a key was absent
local absent, refusal = false, nil
for i = 1, #KEYS do
  local holder = redis.pcall('GET', KEYS[i])
  if holder == ARGV[1] then
    redis.call('DEL', KEYS[i])
  elseif not holder then
    absent = true
  elseif not refusal then
    refusal = {i - 1, type(holder) == 'string' and holder, redis.call('PTTL', KEYS[i])}
  end
end
if refusal then
  return refusal
end
if absent then
  return nil
end
return 0
