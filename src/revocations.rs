//! Revocations in Redis, by which all machines know what one of them revokes.
//!
//! | key | type | what |
//! |---|---|---|
//! | `{auth_web_revocations}:changes` | sorted set | revocations, each a JSON object, scored by when it was written: UNIX time in microseconds by the clock of Redis |
//! | `{auth_web_revocations}:ends` | sorted set | the same, scored by the UNIX second in which they end |
//!
//! Whoever writes takes out what has ended. Whoever reads asks for what is new, and a little more: a replica
//! that takes the place of its master may have lost the last changes, and its clock may be behind.

use std::sync::LazyLock;

use ::redis::{Script, cmd};
use serde_json::{Map, Value};

use crate::jwt::revocations::{ALWAYS, Kind, Revocation};
use crate::redis::{CacheError, Session};

const CHANGES: &str = "{auth_web_revocations}:changes";
const ENDS: &str = "{auth_web_revocations}:ends";

/// How far back whoever reads asks once more, in microseconds.
const OVERLAP: u64 = 60_000_000;

/// Most changes in one answer.
const PAGE: usize = 1000;

/// KEYS: changes, ends. ARGV: the revocation, its end, now.
static TELL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3], 'LIMIT', 0, 1000)
for _, revocation in ipairs(ended) do
  redis.call('ZREM', KEYS[1], revocation)
  redis.call('ZREM', KEYS[2], revocation)
end
local time = redis.call('TIME')
local order = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
if last and last >= order then order = last + 1 end
redis.call('ZADD', KEYS[1], string.format('%.0f', order), ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1
",
    )
});

/// What others have revoked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// All of it, what has ended included.
    pub revocations: Vec<Revocation>,
    /// When the last of it was written.
    pub order: u64,
    /// How much can't be read.
    pub faults: usize,
}

/// Tells all machines of a revocation. `now` is in UNIX seconds.
///
/// # Errors
/// [`CacheError`]; it may have been told nevertheless, if the answer alone was lost.
pub fn tell(session: &Session<'_>, revocation: &Revocation, now: i64) -> Result<(), CacheError> {
    let end = match revocation.until {
        ALWAYS => "+inf".to_owned(),
        until => until.to_string(),
    };
    let mut script = TELL.key(CHANGES);
    script.key(ENDS).arg(written(revocation)).arg(end).arg(now);
    session
        .run(|connection| script.invoke::<i64>(connection))
        .map(drop)
}

/// What was revoked since `order`; all for 0.
///
/// # Errors
/// [`CacheError`].
pub fn hear(session: &Session<'_>, order: u64) -> Result<News, CacheError> {
    let mut news = News {
        order,
        ..News::default()
    };
    let mut since = order.saturating_sub(OVERLAP);
    loop {
        let mut command = cmd("ZRANGEBYSCORE");
        command.arg(CHANGES).arg(since).arg("+inf");
        command.arg("WITHSCORES").arg("LIMIT").arg(0).arg(PAGE);
        let page: Vec<(Vec<u8>, f64)> = session.query(&command)?;
        let is_last = page.len() < PAGE;
        let before = since;
        for (text, score) in page {
            match read(&text) {
                Some(revocation) => news.revocations.push(revocation),
                None => news.faults += 1,
            }
            // Microseconds are whole, and below 2^53 until the year 2255.
            since = since.max(score as u64);
        }
        news.order = news.order.max(since);
        if is_last || since == before {
            return Ok(news);
        }
    }
}

fn written(revocation: &Revocation) -> String {
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    add("type", revocation.kind.name().into());
    add("value", revocation.value.as_str().into());
    if let Some(issuer) = &revocation.issuer {
        add("iss", issuer.as_str().into());
    }
    for (name, time) in [("before", revocation.before), ("until", revocation.until)] {
        if time != ALWAYS {
            add(name, time.into());
        }
    }
    Value::Object(members).to_string()
}

fn read(text: &[u8]) -> Option<Revocation> {
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
    Revocation::new(kind, value, issuer, time("before")?, time("until")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let new = |kind, value, issuer, before, until| {
            Revocation::new(kind, value, issuer, before, until).unwrap()
        };
        for revocation in [
            new(Kind::Jti, "x", None, None, None),
            new(Kind::Sub, "a\"\r\n\u{e9}", Some("urn:a"), Some(7), Some(9)),
            new(Kind::Kid, "7", Some("i"), None, Some(1)),
        ] {
            assert_eq!(read(written(&revocation).as_bytes()), Some(revocation));
        }
        for other in [
            "",
            "{}",
            "[]",
            r#"{"type":"jti"}"#,
            r#"{"type":"x","value":"x"}"#,
            r#"{"type":"jti","value":7}"#,
            r#"{"type":"jti","value":""}"#,
            r#"{"type":"jti","value":"x","iss":7}"#,
            r#"{"type":"jti","value":"x","until":"7"}"#,
            r#"{"type":"jti","value":"x","before":7}"#,
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }
}
