//! Which change of an address of record is the newest that one machine has heard of.
//!
//! Redis decides in which order changes are made, but its answers reach several processes, which act on
//! them in any order. Whoever acts on an older one last must notice.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sip::AddressOfRecord;

/// How many addresses of record are distinguished.
const SLOTS: usize = 16_384;

/// Microseconds by which a change may be older than the newest. One that is older still comes from a
/// server with another clock, to which Redis has failed over.
const MOST_BEHIND: u64 = 10_000_000;

/// The newest changes, in memory that processes may share: zeroes are an empty one.
///
/// Two addresses of record may have the same slot. Of two changes at nearly the same time, one of each, the
/// older may then seem to be superseded: this machine does not learn of it, and asks Redis instead.
#[repr(transparent)]
pub struct Newest([AtomicU64; SLOTS]);

impl fmt::Debug for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newest").finish_non_exhaustive()
    }
}

impl Default for Newest {
    fn default() -> Self {
        Newest::new()
    }
}

impl Newest {
    /// No change yet.
    pub const fn new() -> Self {
        Newest([const { AtomicU64::new(0) }; SLOTS])
    }

    /// Whether no later change of this address of record is known, and if so, that this one is the newest.
    /// `order` is the time of the change by the clock of Redis, UNIX time in microseconds. The same change
    /// may be asked about again.
    pub fn is_newest(&self, aor: &AddressOfRecord, order: u64) -> bool {
        // With fixed keys: all processes must find the same slot.
        let mut hasher = DefaultHasher::new();
        hasher.write(&aor.whole());
        let at = hasher.finish() % SLOTS as u64;
        let slot = usize::try_from(at).ok().and_then(|at| self.0.get(at));
        slot.is_none_or(|slot| {
            let newer = |newest: u64| {
                let behind = newest.saturating_sub(order);
                (behind == 0 || behind > MOST_BEHIND).then_some(order)
            };
            slot.fetch_update(Ordering::AcqRel, Ordering::Acquire, newer)
                .is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000;

    fn aor(text: &str) -> AddressOfRecord {
        AddressOfRecord::parse(text).unwrap()
    }

    #[test]
    fn an_older_change_is_not_the_newest() {
        let newest = Newest::new();
        let john = aor("john@a.example");
        assert!(newest.is_newest(&john, NOW));
        assert!(newest.is_newest(&john, NOW), "the same one");
        assert!(!newest.is_newest(&john, NOW - 1));
        assert!(newest.is_newest(&john, NOW + 1));
        assert!(!newest.is_newest(&john, NOW));
        assert!(newest.is_newest(&aor("mary@a.example"), NOW), "another");
        assert!(!newest.is_newest(&aor("john@A.example"), NOW), "the same");
    }

    #[test]
    fn another_clock_is_followed() {
        let newest = Newest::new();
        let john = aor("john@a.example");
        assert!(newest.is_newest(&john, NOW));
        assert!(!newest.is_newest(&john, NOW - MOST_BEHIND));
        let behind = NOW - MOST_BEHIND - 1;
        assert!(newest.is_newest(&john, behind));
        assert!(!newest.is_newest(&john, behind - 1), "its time counts now");
        assert!(newest.is_newest(&john, behind + 1));
        assert!(newest.is_newest(&john, u64::MAX));
        assert!(newest.is_newest(&john, 0));
    }

    #[test]
    fn of_many_at_once_the_last_by_order_is_the_last_to_be_newest() {
        let newest = Newest::new();
        let john = aor("john@a.example");
        let work = |start: u64| {
            let all = (start..1000).step_by(4);
            all.filter(|at| newest.is_newest(&john, NOW + at)).max()
        };
        let last = std::thread::scope(|scope| {
            let threads = [0, 1, 2, 3].map(|start| scope.spawn(move || work(start)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(last.into_iter().max(), Some(Some(999)));
        assert!(!newest.is_newest(&john, NOW + 998));
    }
}
