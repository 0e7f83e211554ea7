//! Revocations in Redis, by which all machines know what one of them revokes.
//!
//! | key | type | what |
//! |---|---|---|
//! | `{auth_web_revocations}:changes` | sorted set | revocations, each a JSON object, scored by its number |
//! | `{auth_web_revocations}:ends` | sorted set | the same, scored by the UNIX second in which the last of their tokens expires |
//! | `{auth_web_revocations}:tags` | hash | `last`, the highest number that was given; and of each of the last 1000 numbers a random text |
//!
//! Numbers only rise, whatever is taken out. Whoever reads goes on behind the last one that he knows, as long as
//! that number still has the tag that it had: then nothing has come before it since. Otherwise Redis was
//! emptied, or a replica took the place of its master that had not got all of it, or there were very many; then
//! all is read again. No clock decides what is read.
//!
//! What is told is when tokens expire. For how long they are valid after that (`leeway`) is up to each machine,
//! so nothing is taken out before the longest `leeway` there may be has passed.

use std::sync::LazyLock;

use ::redis::Script;
use aws_lc_rs::rand;
use serde_json::{Map, Value};

use crate::jwt::revocations::list::Place;
use crate::jwt::revocations::{ALWAYS, Kind, Revocation};
use crate::redis::{CacheError, Session};

const CHANGES: &str = "{auth_web_revocations}:changes";
const ENDS: &str = "{auth_web_revocations}:ends";
const TAGS: &str = "{auth_web_revocations}:tags";

/// Most changes in one answer.
pub const PAGE: usize = 1000;

/// The longest `leeway`, and by how much clocks may differ, in seconds.
const LONGEST_LEEWAY: i64 = 86_400;
const SKEW: i64 = 60;

/// KEYS: changes, ends, tags. ARGV: the revocation, its end, up to which end they are taken out, from which
/// end they count, how many may count, the tag.
static TELL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3], 'LIMIT', 0, 1000)
for _, revocation in ipairs(ended) do
  redis.call('ZREM', KEYS[1], revocation)
  redis.call('ZREM', KEYS[2], revocation)
end
if not redis.call('ZSCORE', KEYS[1], ARGV[1])
  and redis.call('ZCOUNT', KEYS[2], ARGV[4], '+inf') >= tonumber(ARGV[5]) then
  return 0
end
local number = redis.call('HINCRBY', KEYS[3], 'last', 1)
if number == 1 then
  local highest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  if highest then
    number = redis.call('HINCRBY', KEYS[3], 'last', string.format('%.0f', tonumber(highest)))
  end
end
redis.call('HSET', KEYS[3], string.format('%.0f', number), ARGV[6])
redis.call('HDEL', KEYS[3], string.format('%.0f', number - 1000))
redis.call('ZADD', KEYS[1], string.format('%.0f', number), ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1
",
    )
});

/// KEYS: changes, tags. ARGV: behind which number, the number that is known and its tag, most changes.
static HEAR: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local since = ARGV[1]
local goes_on = 1
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then
  since = '-inf'
  goes_on = 0
end
local last = redis.call('HGET', KEYS[2], 'last') or '0'
local tag = redis.call('HGET', KEYS[2], last) or ''
local page = redis.call(
  'ZRANGEBYSCORE', KEYS[1], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
return {goes_on, last, tag, page}
",
    )
});

/// Whether all machines were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// They were.
    Yes,
    /// There is no room in Redis.
    Full,
}

/// Some of what others have revoked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Each with its number, in that order; what has ended included.
    pub revocations: Vec<(u64, Revocation)>,
    /// Where whoever has taken all of that goes on.
    pub place: Place,
    /// Whether that is all.
    pub is_all: bool,
    /// How much can't be read.
    pub faults: usize,
}

/// Tells all machines of a revocation, if fewer than `most` count. `now` is in UNIX seconds, `leeway` that of
/// this machine, in seconds.
///
/// # Errors
/// Fails with [`CacheError`]; it may have been told nevertheless, if the answer alone was lost.
pub fn tell(
    session: &Session<'_>,
    revocation: &Revocation,
    (now, leeway): (i64, i64),
    most: usize,
) -> Result<Told, CacheError> {
    let expires = expires(revocation, leeway);
    let end = expires.map_or_else(|| "+inf".to_owned(), |end| end.to_string());
    let mut random = [0; 8];
    rand::fill(&mut random)
        .map_err(|_| CacheError::Busy("the system gives no random bytes".into()))?;
    // 0 is none.
    let tag = u64::from_ne_bytes(random).max(1);
    let mut script = TELL.key(CHANGES);
    script.key(ENDS).key(TAGS);
    script.arg(written(revocation, expires)).arg(end);
    script.arg(now.saturating_sub(LONGEST_LEEWAY + SKEW));
    script.arg(now.saturating_sub(leeway.saturating_add(SKEW)));
    script.arg(most).arg(shown(tag));
    let told: i64 = session.run(|connection| script.invoke(connection))?;
    Ok(match told {
        0 => Told::Full,
        _ => Told::Yes,
    })
}

/// What was revoked since `place`, [`PAGE`] changes at most. `leeway` is that of this machine, in seconds.
///
/// # Errors
/// Fails with [`CacheError`].
pub fn hear(session: &Session<'_>, place: Place, leeway: i64) -> Result<News, CacheError> {
    let mut script = HEAR.key(CHANGES);
    script.key(TAGS);
    script.arg(place.at).arg(place.known).arg(shown(place.tag));
    script.arg(PAGE);
    type Answer = (i64, u64, String, Vec<(Vec<u8>, f64)>);
    let (goes_on, known, tag, page): Answer =
        session.run(|connection| script.invoke(connection))?;
    let mut news = News {
        is_all: page.len() < PAGE,
        ..News::default()
    };
    let mut at = if goes_on == 0 { 0 } else { place.at };
    for (text, score) in page {
        // Numbers are whole, and far below 2^53.
        at = at.max(score as u64);
        match read(&text, leeway) {
            Some(revocation) => news.revocations.push((at, revocation)),
            None => news.faults += 1,
        }
    }
    news.place = Place {
        at: if news.is_all { at.max(known) } else { at },
        known,
        tag: u64::from_str_radix(&tag, 16).unwrap_or(0),
    };
    Ok(news)
}

fn shown(tag: u64) -> String {
    format!("{tag:016x}")
}

/// When the last of its tokens expires: it is forgotten in the second after it is not valid any more.
fn expires(revocation: &Revocation, leeway: i64) -> Option<i64> {
    let until = revocation.until;
    (until != ALWAYS).then(|| until.saturating_sub(leeway.saturating_add(1)))
}

fn written(revocation: &Revocation, expires: Option<i64>) -> String {
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    add("type", revocation.kind.name().into());
    add("value", revocation.value.as_str().into());
    if let Some(issuer) = &revocation.issuer {
        add("iss", issuer.as_str().into());
    }
    if revocation.before != ALWAYS {
        add("before", revocation.before.into());
    }
    if let Some(expires) = expires {
        add("exp", expires.into());
    }
    Value::Object(members).to_string()
}

fn read(text: &[u8], leeway: i64) -> Option<Revocation> {
    let members: Value = serde_json::from_slice(text).ok()?;
    let time = |name: &str| match &members[name] {
        Value::Null => Some(None),
        value => value.as_i64().map(Some),
    };
    let issuer = match &members["iss"] {
        Value::Null => None,
        value => Some(value.as_str()?),
    };
    let kind = Kind::parse(members["type"].as_str()?)?;
    let value = members["value"].as_str()?;
    let until = time("exp")?.map(|end| end.saturating_add(leeway).saturating_add(1));
    Revocation::new(kind, value, issuer, time("before")?, until).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let new = |kind, value, issuer, before, until| {
            Revocation::new(kind, value, issuer, before, until).unwrap()
        };
        let written = |revocation: &Revocation| written(revocation, expires(revocation, 30));
        for revocation in [
            new(Kind::Jti, "x", None, None, None),
            new(Kind::Sub, "a\"\r\n\u{e9}", Some("urn:a"), Some(7), Some(99)),
            new(Kind::Kid, "7", Some("i"), None, Some(31)),
        ] {
            assert_eq!(read(written(&revocation).as_bytes(), 30), Some(revocation));
        }
        // Each machine has its own leeway.
        let ending = |until| new(Kind::Jti, "x", None, None, Some(until));
        assert_eq!(
            read(written(&ending(1031)).as_bytes(), 300),
            Some(ending(1301))
        );
        for other in [
            "",
            "{}",
            "[]",
            r#"{"type":"jti"}"#,
            r#"{"type":"x","value":"x"}"#,
            r#"{"type":"jti","value":7}"#,
            r#"{"type":"jti","value":""}"#,
            r#"{"type":"jti","value":"x","iss":7}"#,
            r#"{"type":"jti","value":"x","exp":"7"}"#,
            r#"{"type":"jti","value":"x","before":7}"#,
        ] {
            assert_eq!(read(other.as_bytes(), 0), None, "{other}");
        }
    }
}
