//! The clock on the wall, for what is compared with times that others have written down.

use std::time::SystemTime;

/// UNIX time in seconds; 0 where the clock stands before 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
