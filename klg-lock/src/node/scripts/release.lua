-- Release: compares and deletes, key by key. It only reads and deletes, so that it works on a
-- server whose memory is full.
--
-- GETEX without an option is GET by another name, but counts as a write: the key is not entered
-- into the tracking table only to be struck out again a moment later.
--
-- KEYS   lock 1 .. lock n
-- ARGV   1 holder value
-- reply  0 where all keys carried the value,
--        or {index from 0, holder value or nil, remaining ms or -1} of the first that carries another,
--        else nil: a key was absent
local absent, refusal = false, nil
for i = 1, #KEYS do
  local holder = redis.pcall('GETEX', KEYS[i])
  if type(holder) == 'table' and not string.find(holder.err, 'WRONGTYPE', 1, true) then
    return holder
  elseif holder == ARGV[1] then
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
