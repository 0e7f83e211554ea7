//! The wall clock, for comparison with times set by others.

use std::time::SystemTime;

/// UNIX time in seconds; 0 if the clock is set before 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
