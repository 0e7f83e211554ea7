//! How many tokens that nobody issued are asked for, in memory that all processes share.
//!
//! What is counted is answers that say that a token is not active, by source address and in all, in windows
//! of [`WINDOW`] seconds. As long as a count is at its limit, nobody is asked for tokens that are not
//! remembered. Good tokens are not counted, so that many devices may be behind one address. What is in progress
//! is not counted either: that is bounded by `http_max_inflight_endpoint`.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_lc_rs::hmac;

use super::error::IntrospectionError;
use super::limits::WINDOW;

/// How many counts there are: one of all sources, and the others of sources. Two sources may share one; which
/// do so nobody outside can tell.
pub const PLACES: usize = 1 << 16;

/// A count: the number of its window, and how many there were in it.
#[derive(Debug, Default)]
pub struct Place(AtomicU64);

impl Place {
    fn count(&self, window: u32) -> u32 {
        let (of, count) = unpack(self.0.load(Relaxed));
        if of == window { count } else { 0 }
    }

    fn add(&self, window: u32) {
        let one_more = |value| {
            let (of, count) = unpack(value);
            let count = if of == window { count } else { 0 };
            Some(pack(window, count.saturating_add(1)))
        };
        // It never says no.
        let _ = self.0.fetch_update(Relaxed, Relaxed, one_more);
    }
}

fn pack(window: u32, count: u32) -> u64 {
    u64::from(window) << 32 | u64::from(count)
}

fn unpack(value: u64) -> (u32, u32) {
    let count = value & u64::from(u32::MAX);
    let narrow = |part| u32::try_from(part).unwrap_or(u32::MAX);
    (narrow(value >> 32), narrow(count))
}

/// See the [module](self).
pub struct Flood {
    key: hmac::Key,
    places: &'static [Place],
    source_limit: u32,
    limit: u32,
}

impl Flood {
    /// With places that are all zero, and the key that says which source has which. `source_limit` and
    /// `limit` are the most answers in a window, of one source and of all, after which nobody is asked.
    pub fn new(key: &[u8; 32], places: &'static [Place], source_limit: u32, limit: u32) -> Self {
        Flood {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            places,
            source_limit,
            limit,
        }
    }

    /// Whether an issuer may be asked for a token that came from this address, at `now`, a time that never
    /// goes back.
    ///
    /// # Errors
    /// Fails with the limit that is reached.
    pub fn check(&self, source: &str, now: Duration) -> Result<(), IntrospectionError> {
        let window = window(now);
        let is_full =
            |place: Option<&Place>, limit| place.is_some_and(|it| it.count(window) >= limit);
        if is_full(self.places.first(), self.limit) {
            return Err(IntrospectionError::Limit);
        }
        match is_full(self.of(source), self.source_limit) {
            true => Err(IntrospectionError::SourceLimit),
            false => Ok(()),
        }
    }

    /// Counts a token that is not active.
    pub fn count(&self, source: &str, now: Duration) {
        let window = window(now);
        for place in self.places.first().into_iter().chain(self.of(source)) {
            place.add(window);
        }
    }

    fn of(&self, source: &str) -> Option<&'static Place> {
        let others = self.places.get(1..)?;
        let network = network(source);
        let tag = hmac::sign(&self.key, network.as_bytes());
        let start = tag.as_ref().first_chunk::<8>()?;
        let place = u64::from_be_bytes(*start) % u64::try_from(others.len().max(1)).ok()?;
        others.get(usize::try_from(place).ok()?)
    }
}

/// What counts as one source: an address of IPv4, and a network of 64 bits of IPv6, of which a single machine
/// has all addresses.
fn network(source: &str) -> String {
    let bare = source.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Err(_) => source.to_owned(),
    }
}

/// Windows begin with 1: 0 is what was never used.
fn window(now: Duration) -> u32 {
    u32::try_from(now.as_secs() / WINDOW + 1).unwrap_or(u32::MAX)
}

impl fmt::Debug for Flood {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Flood")
            .field("source_limit", &self.source_limit)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(source_limit: u32, limit: u32) -> Flood {
        let places = (0..PLACES).map(|_| Place::default()).collect::<Vec<_>>();
        Flood::new(&[7; 32], places.leak(), source_limit, limit)
    }

    #[test]
    fn each_source_has_its_own_limit_until_the_window_ends() {
        let flood = flood(2, 100);
        let at = Duration::from_secs;
        for _ in 0..2 {
            assert_eq!(flood.check("192.0.2.1", at(3)), Ok(()));
            flood.count("192.0.2.1", at(3));
        }
        let full = Err(IntrospectionError::SourceLimit);
        assert_eq!(flood.check("192.0.2.1", at(9)), full);
        assert_eq!(flood.check("192.0.2.2", at(9)), Ok(()));
        assert_eq!(flood.check("192.0.2.1", at(10)), Ok(()));
    }

    #[test]
    fn all_sources_have_one() {
        let flood = flood(100, 3);
        let now = Duration::ZERO;
        for source in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert_eq!(flood.check(source, now), Ok(()));
            flood.count(source, now);
        }
        assert_eq!(
            flood.check("192.0.2.9", now),
            Err(IntrospectionError::Limit)
        );
    }

    #[test]
    fn a_network_is_one_source() {
        assert_eq!(network("2001:db8:1:2::3"), network("[2001:db8:1:2:9::1]"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:1:3::3"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
