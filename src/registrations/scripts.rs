//! What is done inside Redis: Lua of Redis 6 and later. All keys are in KEYS, all values in ARGV.
//!
//! Keys of another type than ours make a script fail before it changes anything, except for that of
//! the user: whatever that is, it is replaced.

use std::sync::LazyLock;

use ::redis::Script;

/// What the scripts share.
macro_rules! with_functions {
    ($text:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                r"
-- The entry of a user, and how long it lasts in milliseconds: -1 for ever, -2 if there is none.
local function known(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'table' and not string.find(raw.err, 'WRONGTYPE', 1, true) then
    error(raw.err)
  end
  if type(raw) ~= 'string' then return false, -2 end
  return raw, redis.call('PTTL', key)
end

local function decoded(raw)
  local is_read, entry = pcall(cjson.decode, raw)
  if is_read and type(entry) == 'table' then return entry end
end

local function prune(index, now)
  return redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
end

local function has_room(index, member, limit)
  limit = tonumber(limit)
  return limit < 0 or limit > 0 and (redis.call('ZSCORE', index, member)
    or redis.call('ZCARD', index) < limit)
end

local function enter(index, member, score)
  redis.call('ZADD', index, score, member)
end

-- The time in microseconds: of two changes of a key the later one has the higher.
local function order()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
",
                $text
            ))
        })
    };
}

/// KEYS: user [, index of the realm, index of all]. ARGV: now, limit (-1 for none), end, duration,
/// entry. Whether it is saved, its order, and what was there before.
pub static SAVE: LazyLock<Script> = with_functions!(
    r"
local raw, left = known(KEYS[1])
for at = 2, #KEYS do redis.call('ZCARD', KEYS[at]) end
for at = 2, #KEYS do prune(KEYS[at], ARGV[1]) end
if KEYS[2] and not has_room(KEYS[2], KEYS[1], ARGV[2]) then return {0, 0, -2, ''} end
redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[4])
for at = 2, #KEYS do enter(KEYS[at], KEYS[1], ARGV[3]) end
return {1, order(), left, raw or ''}
"
);

/// KEYS: user [, index of the realm, index of all]. ARGV: whether any contact, contact. Whether it is
/// removed, its order, and what was there before.
pub static REMOVE: LazyLock<Script> = with_functions!(
    r"
local raw, left = known(KEYS[1])
local entry = raw and decoded(raw)
if entry and ARGV[1] == '0' and entry.contact ~= ARGV[2] then return {0, 0, -2, ''} end
for at = 2, #KEYS do redis.call('ZCARD', KEYS[at]) end
for at = 2, #KEYS do redis.call('ZREM', KEYS[at], KEYS[1]) end
redis.call('DEL', KEYS[1])
return {1, order(), left, raw or ''}
"
);

/// KEYS: user [, index of the realm, index of all]. ARGV: what should be there ('nothing', or 'entry'
/// with its contact and end, '' for any), the entry to put back, how long it lasts (-1 for ever, -2 if
/// there is none), its score ('' for none), now. Whether it is done.
pub static RESTORE: LazyLock<Script> = with_functions!(
    r"
local raw = known(KEYS[1])
local before = ARGV[5] ~= '-2' and ARGV[4]
if raw ~= before then
  if ARGV[1] == 'nothing' then
    if raw then return 0 end
  else
    local entry = raw and decoded(raw)
    if not entry or entry.contact ~= ARGV[2]
      or ARGV[3] ~= '' and entry.expiryTime ~= tonumber(ARGV[3]) then
      return 0
    end
  end
end
for at = 2, #KEYS do redis.call('ZCARD', KEYS[at]) end
if not before then
  redis.call('DEL', KEYS[1])
elseif ARGV[5] == '-1' then
  redis.call('SET', KEYS[1], before)
else
  redis.call('SET', KEYS[1], before, 'PX', ARGV[5])
end
for at = 2, #KEYS do
  if before and ARGV[6] ~= '' then
    enter(KEYS[at], KEYS[1], ARGV[6])
  else
    redis.call('ZREM', KEYS[at], KEYS[1])
  end
end
return 1
"
);

/// KEYS: index of the realm. ARGV: user, now, limit (-1 for none), end. Whether there is room, and the
/// score before, '' if there was none.
pub static RESERVE: LazyLock<Script> = with_functions!(
    r"
prune(KEYS[1], ARGV[2])
if not has_room(KEYS[1], ARGV[1], ARGV[3]) then return {0, ''} end
local place = redis.call('ZSCORE', KEYS[1], ARGV[1])
enter(KEYS[1], ARGV[1], ARGV[4])
return {1, place or ''}
"
);

/// KEYS: index of the realm. ARGV: user, now, the score that was entered, the score before or ''.
pub static GIVE_BACK: LazyLock<Script> = with_functions!(
    r"
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '') ~= tonumber(ARGV[3]) then return end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  enter(KEYS[1], ARGV[1], ARGV[4])
end
"
);

/// KEYS: index. ARGV: user, now, score.
pub static ENTER: LazyLock<Script> = with_functions!(
    r"
prune(KEYS[1], ARGV[2])
enter(KEYS[1], ARGV[1], ARGV[3])
"
);

/// KEYS: index of the realm. ARGV: now. How many have not ended.
pub static COUNT: LazyLock<Script> = with_functions!(
    r"
prune(KEYS[1], ARGV[1])
return redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf')
"
);

/// KEYS: index of all; and of each user the key, the index of its realm, and that of the domain above, or the former
/// again. ARGV: now, how many milliseconds a score may differ. Enters those that have a registration, each with the
/// end of its key, where it is entered already or else with its own realm; and takes out those that have none. What
/// is no index is left alone.
pub static ADOPT: LazyLock<Script> = with_functions!(
    r"
local function score(index, user)
  local score = redis.pcall('ZSCORE', index, user)
  if type(score) == 'table' then return nil, false end
  return tonumber(score or ''), true
end
for at = 2, #KEYS, 3 do
  local user, own, above = KEYS[at], KEYS[at + 1], KEYS[at + 2]
  local left = redis.call('PTTL', user)
  if left == -2 then
    for _, index in ipairs({KEYS[1], own, above}) do redis.pcall('ZREM', index, user) end
  elseif left > 0 then
    local last = ARGV[1] + left
    local place = own
    if above ~= own and score(above, user) then place = above end
    for _, index in ipairs({KEYS[1], place}) do
      local known, is_index = score(index, user)
      if is_index and not (known and math.abs(known - last) <= tonumber(ARGV[2])) then
        enter(index, user, last)
      end
    end
  end
end
"
);

/// KEYS: index. ARGV: now, users. How many of these had ended and are taken out.
pub static FORGET: LazyLock<Script> = with_functions!(
    r"
local taken = 0
for at = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if score and tonumber(score) <= tonumber(ARGV[1]) then
    taken = taken + redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
return taken
"
);
