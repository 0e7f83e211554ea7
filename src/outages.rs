//! What does not work now, as all processes see it: so that each outage begins and ends once for all.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::clock;

/// Something that has failed. All zero is free.
///
/// Its numbers are written one by one, without a lock: what two processes find at the same moment may be told
/// twice.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Place {
    /// The hash of its name.
    subject: AtomicU64,
    /// Since when it fails, in nanoseconds since [`Outages::new`]; 0 if it works.
    since: AtomicU64,
    /// When it failed last.
    last: AtomicU64,
}

/// The most that is remembered to fail at the same time.
pub const MOST_FAILING: usize = 512;

/// In how many places something may be. If others that fail are in all of them, it takes the place of the one
/// that has failed for the longest time.
const WAYS: usize = 8;

/// See the [module](self).
#[derive(Debug)]
pub struct Outages {
    places: &'static [Place],
    hasher: RandomState,
    start: Instant,
}

impl Outages {
    /// Remembers them in these places, which must be all zero; processes that are forked from now on share what
    /// they know.
    pub fn new(places: &'static [Place]) -> Self {
        Outages {
            places,
            hasher: RandomState::new(),
            start: Instant::now(),
        }
    }

    fn time(&self, at: Instant) -> u64 {
        clock::nanoseconds(at.saturating_duration_since(self.start)).max(1)
    }

    fn places(&self, subject: impl Hash) -> (u64, impl Iterator<Item = &'static Place>) {
        let name = self.hasher.hash_one(subject).max(1);
        let first = usize::try_from(name % self.places.len().max(1) as u64).unwrap_or(0);
        let places = self.places.iter().cycle().skip(first);
        (name, places.take(WAYS.min(self.places.len())))
    }

    fn find(&self, subject: impl Hash) -> Option<&'static Place> {
        let (name, mut places) = self.places(subject);
        places.find(|place| place.subject.load(Relaxed) == name)
    }

    /// Something has failed. Whether its outage begins with that.
    pub fn failed(&self, subject: impl Hash, now: Instant) -> bool {
        let time = self.time(now);
        let (name, places) = self.places(&subject);
        let place = match self.find(&subject) {
            Some(place) => place,
            None => {
                // What works again needs no place.
                let free = |place: &&Place| place.since.load(Relaxed) == 0;
                let oldest = |place: &&Place| place.since.load(Relaxed);
                let places: Vec<_> = places.collect();
                let taken = places.iter().copied().find(free);
                let taken = taken.or_else(|| places.iter().copied().min_by_key(oldest));
                let Some(place) = taken else {
                    return true;
                };
                place.since.store(0, Relaxed);
                place.subject.store(name, Relaxed);
                place
            }
        };
        place.last.fetch_max(time, Relaxed);
        let begun = place.since.compare_exchange(0, time, Relaxed, Relaxed);
        begun.is_ok()
    }

    /// It has worked for somebody who began at `asked`. For how long it had not, if its outage ends with that.
    pub fn works(&self, subject: impl Hash, asked: Instant, now: Instant) -> Option<Duration> {
        let place = self.find(subject)?;
        let since = place.since.load(Relaxed);
        // Of two who asked at the same time, one may fail and tell it first.
        if since == 0 || self.time(asked) < place.last.load(Relaxed) {
            return None;
        }
        let ended = place.since.compare_exchange(since, 0, Relaxed, Relaxed);
        ended
            .ok()
            .map(|since| Duration::from_nanos(self.time(now).saturating_sub(since)))
    }

    /// Whether it fails now.
    pub fn is_failing(&self, subject: impl Hash) -> bool {
        let place = self.find(subject);
        place.is_some_and(|place| place.since.load(Relaxed) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Outages {
        let mut places = Vec::new();
        places.resize_with(count, Place::default);
        Outages::new(places.leak())
    }

    #[test]
    fn an_outage_begins_and_ends_once() {
        let outages = of(16);
        let at = |ms| outages.start + Duration::from_millis(ms);
        let works = |asked, now| outages.works("db", at(asked), at(now));
        assert_eq!(works(0, 1), None);
        assert!(outages.failed("db", at(10)));
        assert!(!outages.failed("db", at(20)));
        assert!(outages.is_failing("db") && !outages.is_failing("other"));
        assert_eq!(works(15, 30), None, "it failed since this was asked");
        assert_eq!(works(25, 40), Some(Duration::from_millis(30)));
        assert_eq!(works(25, 40), None);
        assert!(!outages.is_failing("db"));
        assert!(outages.failed("db", at(50)), "another one");
    }

    #[test]
    fn the_memory_is_bounded() {
        let outages = of(WAYS);
        let at = |ms| outages.start + Duration::from_millis(ms);
        for number in 0..WAYS as u64 + 2 {
            assert!(outages.failed(number, at(number + 1)));
        }
        assert!(!outages.is_failing(0_u64) && !outages.is_failing(1_u64));
        assert!((2..WAYS as u64 + 2).all(|number| outages.is_failing(number)));
        assert!(outages.works(5_u64, at(100), at(100)).is_some());
        assert!(outages.failed("new", at(101)), "in its place");
        assert!(outages.is_failing(6_u64) && !outages.is_failing(5_u64));
        assert!(of(0).failed("x", at(1)), "told each time");
    }
}
