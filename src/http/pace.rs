//! How fast endpoints answer, as all processes that share what they know of them have met it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::url::EndpointUrl;

/// An endpoint that has answered. All zero is free. Its numbers are written one by one, without a lock: of two
/// answers at the same time, one may not count.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Pace {
    /// The hash of its URL.
    url: AtomicU64,
    answers: AtomicU64,
    /// Times are in microseconds.
    last: AtomicU64,
    average: AtomicU64,
    slowest: AtomicU64,
}

/// How fast an endpoint has answered since OpenSIPS was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How often it has answered.
    pub answers: u64,
    /// How long it took the last time.
    pub last: Duration,
    /// How long it takes: each answer counts for a sixteenth, and what was known before for the rest.
    pub average: Duration,
    /// The longest that it has taken.
    pub slowest: Duration,
}

/// The most endpoints whose times are remembered. Which ones those are does not change: of more than these,
/// some have none.
pub const MOST_TIMED: usize = 4096;

/// In how many places an endpoint may be.
const WAYS: usize = 8;

/// What part of the average an answer is: one of so many.
const WEIGHT: u64 = 16;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Paces {
    places: &'static [Pace],
    hasher: RandomState,
}

impl Default for Paces {
    /// Remembers nothing.
    fn default() -> Self {
        Paces::new(&[])
    }
}

impl Paces {
    /// Remembers them in these places, which must be all zero; processes that are forked from now on share them.
    pub fn new(places: &'static [Pace]) -> Self {
        Paces {
            places,
            hasher: RandomState::new(),
        }
    }

    /// How fast a URL has answered, if it has.
    pub fn of(&self, url: &EndpointUrl) -> Option<Times> {
        let (name, mut places) = self.places_of(url);
        let pace = places.find(|pace| pace.url.load(Relaxed) == name)?;
        let time = |of: &AtomicU64| Duration::from_micros(of.load(Relaxed));
        let times = Times {
            answers: pace.answers.load(Relaxed),
            last: time(&pace.last),
            average: time(&pace.average),
            slowest: time(&pace.slowest),
        };
        (times.answers > 0).then_some(times)
    }

    /// A URL has answered after this time.
    pub(super) fn note(&self, url: &EndpointUrl, took: Duration) {
        let (name, mut places) = self.places_of(url);
        let found =
            places.find(
                |pace| match pace.url.compare_exchange(0, name, Relaxed, Relaxed) {
                    Ok(_) => true,
                    Err(other) => other == name,
                },
            );
        let Some(pace) = found else { return };
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let average = match pace.answers.fetch_add(1, Relaxed) {
            0 => took,
            _ => {
                let before = pace.average.load(Relaxed);
                before - before / WEIGHT + took / WEIGHT
            }
        };
        pace.average.store(average, Relaxed);
        pace.last.store(took, Relaxed);
        pace.slowest.fetch_max(took, Relaxed);
    }

    /// The name of a URL, and where it may be.
    fn places_of(&self, url: &EndpointUrl) -> (u64, impl Iterator<Item = &'static Pace> + use<>) {
        let name = self.hasher.hash_one(url.target()).max(1);
        let first = usize::try_from(name % self.places.len().max(1) as u64).unwrap_or(0);
        let places = self.places.iter().cycle().skip(first);
        (name, places.take(WAYS.min(self.places.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        text.parse().unwrap()
    }

    fn paces(places: usize) -> Paces {
        Paces::new(
            (0..places)
                .map(|_| Pace::default())
                .collect::<Vec<_>>()
                .leak(),
        )
    }

    #[test]
    fn what_has_answered_has_times() {
        let paces = paces(8);
        let (a, b) = (url("http://a.example/"), url("http://b.example/"));
        assert_eq!(paces.of(&a), None);
        paces.note(&a, Duration::from_millis(16));
        paces.note(&a, Duration::from_millis(32));
        assert_eq!(
            paces.of(&a),
            Some(Times {
                answers: 2,
                last: Duration::from_millis(32),
                average: Duration::from_millis(17),
                slowest: Duration::from_millis(32),
            })
        );
        assert_eq!(paces.of(&b), None);
    }

    #[test]
    fn what_has_no_place_has_no_times() {
        let paces = paces(1);
        paces.note(&url("http://a.example/"), Duration::from_millis(1));
        paces.note(&url("http://b.example/"), Duration::from_millis(1));
        assert_eq!(paces.of(&url("http://b.example/")), None);
        Paces::default().note(&url("http://a.example/"), Duration::from_millis(1));
    }
}
