//! Sources that an endpoint wants blocked for a while.

use super::Ban;
use crate::counters::{Claim, Counters};

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It may.
    Open,
    /// Its source is banned.
    Banned,
    /// Its claim was made before.
    Replay,
}

/// The bans, by source address, in the CacheDB, so that a ban by one process applies to all.
#[derive(Debug, Clone, Copy)]
pub struct Bans<C> {
    counters: C,
}

impl<C: Counters> Bans<C> {
    /// The bans kept in `counters`.
    pub fn new(counters: C) -> Self {
        Bans { counters }
    }

    /// Bans `address`, replacing an earlier ban.
    ///
    /// # Errors
    /// Fails with the errors of the counters.
    pub fn ban(&self, address: &str, ban: Ban) -> Result<(), C::Error> {
        let ttl = match ban {
            // 0 would mean forever.
            Ban::Seconds(seconds) => seconds.max(1),
            Ban::Forever => 0,
        };
        self.counters.set(&key(address), 1, ttl)
    }

    /// Ends the ban of `address`, if there is one.
    ///
    /// # Errors
    /// Fails with the errors of the counters.
    pub fn lift(&self, address: &str) -> Result<(), C::Error> {
        // Counters can't be removed: this is forgotten in a second.
        self.counters.set(&key(address), 0, 1)
    }

    /// Whether a request from `address` may be asked about, and the claim that goes with it is made for
    /// the first time.
    ///
    /// # Errors
    /// Fails with the errors of the counters.
    pub fn enter(&self, address: &str, claim: Option<&Claim>) -> Result<Entry, C::Error> {
        let Some(claim) = claim else {
            return Ok(match self.is_banned(address)? {
                true => Entry::Banned,
                false => Entry::Open,
            });
        };
        Ok(match self.counters.get_and_claim(&key(address), claim)? {
            (Some(banned), _) if banned > 0 => Entry::Banned,
            (_, true) => Entry::Open,
            (_, false) => Entry::Replay,
        })
    }

    /// Whether `address` is banned now.
    ///
    /// # Errors
    /// Fails with the errors of the counters.
    fn is_banned(&self, address: &str) -> Result<bool, C::Error> {
        Ok(self
            .counters
            .get_counter(&key(address))?
            .is_some_and(|banned| banned > 0))
    }
}

/// What the names of all bans begin with.
pub const PREFIX: &str = "auth_web_ban_";

fn key(address: &str) -> String {
    format!("{PREFIX}{address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::tests::Memory;

    #[test]
    fn a_ban_ends_by_itself_or_never() {
        let memory = Memory::default();
        let bans = Bans::new(&memory);
        let banned = |address| bans.is_banned(address).expect("it never fails");
        assert!(!banned("192.0.2.1"));
        bans.ban("192.0.2.1", Ban::Seconds(10))
            .expect("it never fails");
        bans.ban("192.0.2.7", Ban::Forever).expect("it never fails");
        bans.lift("192.0.2.7").expect("it never fails");
        assert!(!banned("192.0.2.7"));
        bans.ban("2001:db8::1", Ban::Forever)
            .expect("it never fails");
        assert!(banned("192.0.2.1") && banned("2001:db8::1") && !banned("192.0.2.2"));
        memory.pass(9);
        assert!(banned("192.0.2.1"));
        memory.pass(1);
        assert!(!banned("192.0.2.1"));
        memory.pass(1_000_000_000);
        assert!(banned("2001:db8::1"));
    }
}
