//! The wall clock, for comparison with times set by others.

use std::time::{Duration, SystemTime};

/// The time since 1970, with its fraction of a second; zero if the clock is set before that.
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
