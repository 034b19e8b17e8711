-- Call: has the first of those who wait ask, so that it watches the lock key from then on. Its holder
-- was given the lock without a question, and nobody was told that it is the first now.
--
-- KEYS   none
-- ARGV   1 holder value (unused; all scripts have it there), 2 queue key
-- reply  0
call((first(ARGV[2])))
return 0
