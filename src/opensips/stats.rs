//! Statistics: counters that the processes share, shown by the core's `get_statistics`.

/// One statistic: a row of `src/shim/exports.h`.
pub use super::ffi::aw_statistic as Statistic;

use super::shared;

/// Counts one.
pub fn count(statistic: Statistic) {
    shared::page().statistic(statistic).add(1);
}

/// The value of a statistic.
pub fn value(statistic: Statistic) -> u64 {
    shared::page().statistic(statistic).get()
}
