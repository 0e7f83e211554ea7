//! Registrations that others made: jambonz's registrar library writes `user:<user>@<realm>` and nothing
//! into the index of the realm, and counts by looking through all keys.

use std::time::{Duration, Instant};

use ::redis::cmd;

use super::{Registrations, realm_key, scripts};
use crate::redis::CacheError;

/// Where a search that is under way, or was made just now, is noted, and where it goes on.
const SEARCH: &[u8] = b"auth_web_search_";
const CURSOR: &[u8] = b"auth_web_cursor_";

/// Keys that Redis looks at in one step: a fraction of a millisecond.
const STEP: u32 = 1000;

/// For how long one search may go on. What it has not found by then, the next one does.
const LONGEST: Duration = Duration::from_millis(100);

/// How long a cursor is kept, in milliseconds.
const KEPT: u32 = 60_000;

/// A search is followed by a pause that many times as long, so that Redis has time for other work.
const PAUSE: u32 = 20;

/// The least pause in milliseconds.
const LEAST_PAUSE: u128 = 20;

impl Registrations<'_> {
    /// Enters registrations of others into the index of their realm, and takes out those that they have
    /// removed. Not in a Cluster, whose nodes would have to be searched one by one.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub(super) fn adopt(&self, realm: &[u8], now: u64) -> Result<(), CacheError> {
        if self.is_split {
            return Ok(());
        }
        let [search, cursor] = [SEARCH, CURSOR].map(|name| [name, realm].concat());
        let note = |pause: u128, condition: &str| {
            let mut note = cmd("SET");
            note.arg(&search).arg(1).arg("PX");
            note.arg(u64::try_from(pause).unwrap_or(u64::MAX));
            if !condition.is_empty() {
                note.arg(condition);
            }
            self.session.query::<Option<String>>(&note)
        };
        if note(2 * LONGEST.as_millis(), "NX")?.is_none() {
            return Ok(());
        }
        let started = Instant::now();
        let pattern = pattern(realm);
        let mut at: Option<u64> = self.session.query(cmd("GET").arg(&cursor))?;
        let mut found: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(at.unwrap_or(0)).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.session.query(&scan)?;
            found.extend(keys);
            at = Some(next);
            if next == 0 || started.elapsed() > LONGEST {
                break;
            }
        }
        let mut keep = cmd("SET");
        keep.arg(&cursor).arg(at.unwrap_or(0)).arg("PX").arg(KEPT);
        self.session.query::<()>(&keep)?;
        let index = realm_key(realm);
        let mut entered = cmd("ZRANGE");
        entered.arg(&index).arg(0).arg(-1);
        found.extend(self.session.query::<Vec<Vec<u8>>>(&entered)?);
        found.sort_unstable();
        found.dedup();
        let mut adopt = scripts::ADOPT.key(index);
        for user in &found {
            adopt.key(user);
        }
        adopt.arg(now);
        let ((), _) = self.script(|connection| adopt.invoke(connection))?;
        let pause = (started.elapsed() * PAUSE).as_millis();
        note(pause.max(LEAST_PAUSE), "")?;
        Ok(())
    }
}

/// The keys of a realm, for SCAN.
fn pattern(realm: &[u8]) -> Vec<u8> {
    let mut pattern = b"user:*@".to_vec();
    for byte in realm {
        if b"*?[]^\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}
