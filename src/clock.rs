//! The wall clock, for comparison with times set by others; and times as numbers.

use std::time::{Duration, SystemTime};

/// The time since 1970, with its fraction of a second; zero if the clock is set before that.
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// A time in nanoseconds, as an atomic holds it; after 584 years it stands still.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
