//! Statistics, over all processes. Counters are the core's, which shows, resets and exports them; gauges
//! are functions of ours.
//!
//! To count is an atomic operation on shared memory, and no call of the core: threads of ours may.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// A counter: a row of AW_STATISTICS in `src/shim/exports.h`.
pub use super::ffi::aw_statistic as Statistic;

/// A state: a row of AW_GAUGES in `src/shim/exports.h`.
pub use super::ffi::aw_gauge as State;

use super::{ffi, shared};
use crate::meters::{Gauge, Timer};

/// Counts one.
pub fn count(statistic: Statistic) {
    add(statistic as u32, 1);
}

/// Counts several.
pub fn count_all(statistic: Statistic, n: usize) {
    if n > 0 {
        add(statistic as u32, n as u64);
    }
}

/// Counts one of as many statistics as a function has negative return codes, of which `first` is that of -1.
/// Other codes are not counted.
pub fn count_code(first: Statistic, codes: u32, code: i32) {
    let at = code.unsigned_abs();
    if code < 0 && at <= codes {
        add(first as u32 + at - 1, 1);
    }
}

/// Adds to the statistic with this number.
fn add(statistic: u32, n: u64) {
    for name in [0, 1] {
        // SAFETY: reads a pointer that the core sets once, before the fork.
        let counter = unsafe { ffi::aw_counter(name, statistic) };
        if !counter.is_null() {
            // SAFETY: aligned, in shared memory of the core, which is not given back while any other process
            // runs; all access is atomic.
            let counter = unsafe { AtomicU64::from_ptr(counter) };
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }
}

/// Response times: a row AW_HISTOGRAM of `src/shim/exports.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Of endpoints, each URL that was asked.
    Http,
    /// Of the database.
    Db,
    /// Of identity providers.
    Jwks,
    /// Of the CacheDB.
    Cachedb,
}

/// The bounds of a histogram in milliseconds: those of AW_HISTOGRAM. The last statistic has none.
const BOUNDS: [u64; 11] = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

// What a histogram consists of follows its first bucket.
const _: () = {
    let bounds = BOUNDS.len() as u32;
    assert!(Statistic::HttpTimeLe1 as u32 + bounds == Statistic::HttpTimeLeInf as u32);
    assert!(Statistic::HttpTimeLeInf as u32 + 1 == Statistic::HttpTimeCount as u32);
    assert!(Statistic::HttpTimeLeInf as u32 + 2 == Statistic::HttpTimeSumUs as u32);
};

/// Of the bounds, the first that a response time does not exceed; as many as there are if it exceeds all.
fn bucket(time: Duration) -> usize {
    let within = |bound: &u64| time <= Duration::from_millis(*bound);
    BOUNDS.iter().position(within).unwrap_or(BOUNDS.len())
}

/// Counts a response time.
pub fn observe(times: Times, time: Duration) {
    let first = match times {
        Times::Http => Statistic::HttpTimeLe1,
        Times::Db => Statistic::DbTimeLe1,
        Times::Jwks => Statistic::JwksTimeLe1,
        Times::Cachedb => Statistic::CachedbTimeLe1,
    } as u32;
    let after = BOUNDS.len();
    // Cumulative, as Prometheus has it. It reads one by one: the larger first, so that none seems to
    // exceed a larger one.
    for at in (bucket(time)..=after + 1).rev() {
        add(first + u32::try_from(at).unwrap_or(u32::MAX / 2), 1);
    }
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    add(first + after as u32 + 2, microseconds);
}

/// Counts the response times of endpoints.
pub const HTTP_TIMER: Timer = Timer(|time| observe(Times::Http, time));
/// Counts those of the database.
pub const DB_TIMER: Timer = Timer(|time| observe(Times::Db, time));
/// Counts those of identity providers.
pub const JWKS_TIMER: Timer = Timer(|time| observe(Times::Jwks, time));
/// Counts those of the CacheDB.
pub const CACHEDB_TIMER: Timer = Timer(|time| observe(Times::Cachedb, time));

/// Calls that wait for an endpoint.
pub const HTTP_IN_FLIGHT: Gauge = Gauge(|change| change_of(State::HttpInFlight, change));
/// Connections to endpoints.
pub const HTTP_CONNECTIONS: Gauge = Gauge(|change| change_of(State::HttpConnections, change));
/// Connections of the native driver.
pub const DB_CONNECTIONS: Gauge = Gauge(|change| change_of(State::DbConnections, change));
/// Connections to Redis.
pub const CACHEDB_CONNECTIONS: Gauge = Gauge(|change| change_of(State::CachedbConnections, change));
/// Threads of pools.
pub const THREADS: Gauge = Gauge(|change| change_of(State::Threads, change));
/// Remembered tokens.
pub const TOKENS_CACHED: Gauge = Gauge(|change| change_of(State::TokensCached, change));
/// Remembered profiles.
pub const PROFILES_CACHED: Gauge = Gauge(|change| change_of(State::ProfilesCached, change));

fn change_of(state: State, change: i64) {
    shared::page().gauge(state).change(change);
}

/// Sets a state that is looked at, and not counted.
pub fn set_state(state: State, number: u64) {
    shared::page().gauge(state).set(number);
}

/// The number of a state that processes count, or that one has looked at.
pub fn state(state: State) -> u64 {
    // What a process takes away may be seen before what another has added.
    let number = shared::page().gauge(state).get().cast_signed();
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_for_the_bounds_that_it_does_not_exceed() {
        let bound = |us| {
            let at = bucket(Duration::from_micros(us));
            BOUNDS.get(at).copied()
        };
        assert_eq!(bound(0), Some(1));
        assert_eq!(bound(1000), Some(1));
        assert_eq!(bound(1001), Some(5));
        assert_eq!(bound(5_000_000), Some(5000));
        assert_eq!(bound(5_000_001), None);
    }
}
