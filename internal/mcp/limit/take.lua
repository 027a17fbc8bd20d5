-- Takes one call from each bucket of KEYS, or from none. ARGV holds two numbers for each: the time in which one call is filled
-- in, and the time in which the empty bucket fills, in microseconds. A key holds the moment when its bucket will be full, and
-- ends then. Returns 1 or 0 for allowed or refused, and for each bucket how far it is from full.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full, allowed = {}, 1
for i = 1, #KEYS do
  full[i] = math.max(now, tonumber(redis.call('GET', KEYS[i]) or now) or now)
  if full[i] + ARGV[2 * i - 1] - now > tonumber(ARGV[2 * i]) then
    allowed = 0
  end
end
local answer = {allowed}
for i = 1, #KEYS do
  if allowed == 1 then
    full[i] = full[i] + ARGV[2 * i - 1]
    redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
  answer[i + 1] = full[i] - now
end
return answer
