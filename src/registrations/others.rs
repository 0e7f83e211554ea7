//! Registrations that others made: jambonz's registrar library writes `user:<user>@<realm>` and nothing into the
//! indexes, and counts by looking through all keys.
//!
//! They are taken up into the indexes at intervals, by one of those who share a Redis at a time, and in steps: first
//! all keys of Redis are looked through for users, then the index of all for those that are gone. So whoever counts
//! only looks into an index.

use std::time::Duration;

use ::redis::{Cmd, cmd};

use super::round::{Round, Turn};
use super::{ALL, Registrations, realm_key, realms_of, scripts};
use crate::redis::CacheError;

/// Whose turn it is, for as long as nobody else may begin.
const TURN: &str = "auth_web_adopt";

/// Keys that Redis looks at in one step, and so many that it finds at most: about half a millisecond of its time.
const STEP: u32 = 250;

/// The longest key that is taken for a user's, in bytes.
const LONGEST_KEY: usize = 1000;

/// How far the score of a user may be from the end of their key, in milliseconds, before it is written anew: clocks
/// differ, a question takes its time, and replicas are to be spared.
const TOLERANCE: u32 = 10_000;

impl Registrations<'_> {
    /// Begins a round, unless one has begun elsewhere or ended less than `interval` ago. Not for a Cluster, whose
    /// nodes would have to be looked through one by one.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn begin_round(&self, interval: Duration) -> Result<Turn, CacheError> {
        let begun: Option<String> = self.session.query(turn(interval).arg("NX"))?;
        if begun.is_some() {
            return Ok(Turn::Ours(Round::Keys(0)));
        }
        let left: i64 = self.session.query(cmd("PTTL").arg(TURN))?;
        Ok(Turn::Others(Duration::from_millis(
            u64::try_from(left).unwrap_or(0),
        )))
    }

    /// Does one step of a round: enters those registrations that the indexes don't have, each with the end that its
    /// key has, and takes out those without a key. Where it goes on; `None` once the round is done.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn adopt(
        &self,
        round: Round,
        interval: Duration,
        now: u64,
    ) -> Result<Option<Round>, CacheError> {
        let (next, users) = match round {
            Round::Keys(at) => {
                let mut scan = cmd("SCAN");
                scan.arg(at).arg("MATCH").arg("user:*");
                scan.arg("COUNT").arg(STEP);
                let (next, keys): (u64, Vec<Vec<u8>>) = self.session.query(&scan)?;
                let next = match next {
                    0 => Round::Index(0),
                    at => Round::Keys(at),
                };
                (Some(next), keys)
            }
            Round::Index(at) => {
                let mut scan = cmd("ZSCAN");
                scan.arg(ALL).arg(at).arg("COUNT").arg(STEP);
                // Members, each with its score.
                let (next, pairs): (u64, Vec<Vec<u8>>) = self.session.query(&scan)?;
                let next = (next != 0).then_some(Round::Index(next));
                (next, pairs.into_iter().step_by(2).collect())
            }
        };
        self.take_up(&users, now)?;
        // From the last step on, nobody begins for as long as that.
        self.session
            .query::<Option<String>>(turn(interval).arg("XX"))?;
        Ok(next)
    }

    fn take_up(&self, users: &[Vec<u8>], now: u64) -> Result<(), CacheError> {
        let mut adopt = scripts::ADOPT.key(ALL);
        let mut found = false;
        for user in users {
            if user.len() > LONGEST_KEY {
                continue;
            }
            let Some([own, above]) = indexes(user) else {
                continue;
            };
            adopt.key(user.as_slice()).key(own).key(above);
            found = true;
        }
        if !found {
            return Ok(());
        }
        adopt.arg(now).arg(TOLERANCE);
        let ((), _) = self.script(|connection| adopt.invoke(connection))?;
        Ok(())
    }
}

fn turn(interval: Duration) -> Cmd {
    let mut turn = cmd("SET");
    let lasts = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    turn.arg(TURN).arg(1).arg("PX").arg(lasts.max(1));
    turn
}

/// The index of the realm that a key is of, and that of the domain above, or again the former.
fn indexes(user: &[u8]) -> Option<[Vec<u8>; 2]> {
    let (realm, above) = realms_of(user).filter(|(realm, _)| !realm.is_empty())?;
    let own = realm_key(&realm);
    let above = above.map_or_else(|| own.clone(), |above| realm_key(&above));
    Some([own, above])
}
