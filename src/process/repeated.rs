//! Failures that every request would report alike while a server is away. Logging blocks a worker,
//! so each is one line a second.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

/// How long a failure is not reported again.
const PAUSE: Duration = Duration::from_secs(1);

/// Most failures that are remembered.
const SIZE: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// See the [module](self). Remembers hashes.
#[derive(Debug)]
pub struct Repeated {
    reported: LruCache<u64, Instant>,
    hasher: RandomState,
}

impl Default for Repeated {
    fn default() -> Self {
        Repeated {
            reported: LruCache::new(SIZE),
            hasher: RandomState::new(),
        }
    }
}

impl Repeated {
    /// Whether this failure is to be reported at `now`; if so, it is not again for a second.
    pub fn is_due(&mut self, failure: impl Hash, now: Instant) -> bool {
        let failure = self.hasher.hash_one(failure);
        let last = self.reported.get(&failure);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(*last) >= PAUSE);
        if is_due {
            self.reported.put(failure, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_reported_once_a_second() {
        let (mut repeated, start) = (Repeated::default(), Instant::now());
        let mut is_due =
            |failure: &str, ms| repeated.is_due(failure, start + Duration::from_millis(ms));
        assert!(is_due("hangs", 0));
        assert!(!is_due("hangs", 999));
        assert!(is_due("refuses", 999));
        assert!(is_due("hangs", 1000));
        assert!(!is_due("hangs", 1999));
    }
}
