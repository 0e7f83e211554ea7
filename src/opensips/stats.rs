//! Statistics: counters that the processes share, shown by the core's `get_statistics`.

use super::shared;

/// One statistic. The order is that of `src/shim/statistics.h`.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Statistic {
    /// Tokens that got in.
    JwtAccepted,
    /// Tokens that did not.
    JwtRejected,
    /// Questions to the store of profiles.
    JwtStoreQueries,
    /// Those that it did not answer.
    JwtStoreFailures,
    /// Tokens that were judged by a profile out of the cache although it was old, because the
    /// store failed (`cache_grace`).
    JwtServedStale,
    /// Keys of a URL that could not be fetched when a token needed them.
    JwksFailures,
    /// Requests that an endpoint admitted.
    HttpAdmitted,
    /// Requests that an endpoint denied, or whose realm has none.
    HttpDenied,
    /// Requests of sources that are banned.
    HttpBanned,
    /// Requests whose nonce is none of ours, stale or replayed.
    HttpBadNonces,
    /// Requests that no endpoint answered as it should.
    HttpFailures,
    /// Of these, the ones that were not asked because `http_max_inflight` was reached.
    HttpOverloads,
}

/// Counts one.
pub fn count(statistic: Statistic) {
    shared::add(statistic as usize, 1);
}

/// The value of statistic number `index`.
pub fn value(index: usize) -> u64 {
    shared::get(index)
}
