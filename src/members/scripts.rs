//! What is done inside Redis: Lua of Redis 6 and later. All keys are in KEYS, and in one slot; all values in ARGV.
//!
//! A key of another type than ours makes a script fail before it changes anything.

use std::sync::LazyLock;

use ::redis::Script;

/// What the scripts share.
macro_rules! with_functions {
    ($text:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                r"
-- UNIX time in milliseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function note(member, time)
  redis.call('ZADD', KEYS[2], string.format('%.0f', time), member)
end
",
                $text
            ))
        })
    };
}

/// KEYS: set, when its members were seen. ARGV: member, most members. Whether it is new, -1 if there is no room, and
/// how many there are.
pub static ENTER: LazyLock<Script> = with_functions!(
    r"
local is_new = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0
local count = redis.call('SCARD', KEYS[1])
if is_new and count >= tonumber(ARGV[2]) then return {-1, count} end
note(ARGV[1], now())
redis.call('SADD', KEYS[1], ARGV[1])
return {is_new and 1 or 0, redis.call('SCARD', KEYS[1])}
"
);

/// KEYS: set, when its members were seen. ARGV: member. Whether it was there, and how many are left.
pub static LEAVE: LazyLock<Script> = with_functions!(
    r"
redis.call('SCARD', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return {redis.call('SREM', KEYS[1], ARGV[1]), redis.call('SCARD', KEYS[1])}
"
);

/// KEYS: set, when its members were seen, whether anybody looks. ARGV: how long a member stays, and for how long it
/// counts that somebody has looked, both in milliseconds. How many are left, how many of them were unknown, and those
/// that were taken out.
pub static EXPIRE: LazyLock<Script> = with_functions!(
    r"
local now, seen, here = now(), {}, {}
local known = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for at = 1, #known, 2 do seen[known[at]] = tonumber(known[at + 1]) end
local members = redis.call('SMEMBERS', KEYS[1])
local is_watched = redis.call('EXISTS', KEYS[3]) == 1
redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
local found, ended = 0, {}
for _, member in ipairs(members) do
  here[member] = true
  local last = seen[member]
  if not last then found = found + 1 end
  -- One that was seen later than now was by the clock of another server.
  if not last or last > now or not is_watched then
    note(member, now)
  elseif now - last > tonumber(ARGV[1]) then
    redis.call('SREM', KEYS[1], member)
    redis.call('ZREM', KEYS[2], member)
    table.insert(ended, member)
  end
end
for member in pairs(seen) do
  if not here[member] then redis.call('ZREM', KEYS[2], member) end
end
return {redis.call('SCARD', KEYS[1]), found, ended}
"
);
