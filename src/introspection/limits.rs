//! Limits of asking issuers.

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Seconds in which tokens that are not active are counted.
pub const WINDOW: u64 = 10;
