//! How many requests to one endpoint all processes have in progress together.
//!
//! Each process counts for itself, in a [`Count`] that it takes for as long as it has any, and says there whose
//! count it is: nothing is left of a process that was killed once others look whether it is still there.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

use crate::clock;

/// How many processes may have requests to one endpoint in progress. Those of any others do not count.
const PROCESSES: usize = 127;

/// Of how many endpoints the requests are counted at a time. Those to any others do not count.
pub const MOST_COUNTED: usize = 1024;

/// In how many places an endpoint may be.
const WAYS: usize = 8;

/// How often it is looked whether the processes are still there that have requests to one endpoint in progress.
const LOOK: Duration = Duration::from_millis(100);

/// The requests to one endpoint. All zero is free.
#[derive(Debug)]
#[repr(C)]
pub struct Place {
    /// The hash of its name.
    name: AtomicU64,
    /// When it was last looked whose counts these are, in nanoseconds since [`Inflight::start`].
    looked: AtomicU64,
    counts: [Count; PROCESSES],
}

/// A number of requests, and of the process that has them in progress in the upper half. 0 is free.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Count(AtomicU64);

/// The requests to all endpoints.
#[derive(Clone)]
pub struct Inflight {
    places: &'static [Place],
    most: usize,
    hasher: RandomState,
    is_alive: fn(u64) -> bool,
    /// The number of the calling process.
    me: fn() -> u32,
    start: Instant,
}

impl Inflight {
    /// At most `most` for each endpoint, counted in these places, which must be all zero, for the processes that
    /// are forked from now on. `is_alive` tells whether a process of that number is running.
    pub fn new(places: &'static [Place], most: usize, is_alive: fn(u64) -> bool) -> Self {
        Inflight {
            places,
            most,
            hasher: RandomState::new(),
            is_alive,
            me: std::process::id,
            start: Instant::now(),
        }
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// The place of an endpoint; `None` if there is no room.
    pub(super) fn place(&self, name: &str) -> Option<&'static Place> {
        let name = self.hasher.hash_one(name).max(1);
        let sets = self.places.len() / WAYS;
        let first = usize::try_from(name % sets.max(1) as u64).ok()? * WAYS;
        let ways = self.places.get(first..first + WAYS)?;
        let is_taken = |place: &&Place| place.name.load(Relaxed) == name;
        ways.iter().find(is_taken).or_else(|| {
            // What is counted there for another that has just begun is counted here, until it ends.
            let take = |place: &&Place| {
                let old = place.name.load(Relaxed);
                let exchange = || place.name.compare_exchange(old, name, Relaxed, Relaxed);
                place.total() == 0 && exchange().is_ok()
            };
            ways.iter().find(take)
        })
    }

    /// Notes how many requests the calling process has; none frees the count.
    pub(super) fn set(&self, count: &Count, requests: usize) {
        count.0.store(self.word(requests), SeqCst);
    }

    fn word(&self, requests: usize) -> u64 {
        match u32::try_from(requests).unwrap_or(u32::MAX) {
            0 => 0,
            count => u64::from((self.me)()) << 32 | u64::from(count),
        }
    }

    /// A count of the calling process in a place, with one request; `None` if there is no room.
    pub(super) fn count(&self, place: &'static Place) -> Option<&'static Count> {
        let one = self.word(1);
        let mut counts = place.counts.iter();
        counts.find(|count| count.0.compare_exchange(0, one, SeqCst, Relaxed).is_ok())
    }

    /// Whether there are no more than there may be. `is_own` tells whether a count with the number of the
    /// calling process is of that process: another may have had its number before.
    pub(super) fn is_within(
        &self,
        place: &Place,
        now: Instant,
        is_own: impl Fn(&Count) -> bool,
    ) -> bool {
        if place.total() <= self.most {
            return true;
        }
        let now = clock::nanoseconds(now.saturating_duration_since(self.start));
        let looked = place.looked.load(Relaxed);
        let is_due = looked == 0 || now.saturating_sub(looked) >= clock::nanoseconds(LOOK);
        if !is_due {
            return false;
        }
        place.looked.store(now.max(1), Relaxed);
        let me = u64::from((self.me)());
        for count in &place.counts {
            let word = count.0.load(SeqCst);
            let pid = word >> 32;
            let is_left = match pid {
                0 => false,
                pid if pid == me => !is_own(count),
                pid => !(self.is_alive)(pid),
            };
            if is_left {
                let _ = count.0.compare_exchange(word, 0, SeqCst, Relaxed);
            }
        }
        place.total() <= self.most
    }
}

impl Place {
    fn total(&self) -> usize {
        let counts = self.counts.iter().map(|count| count.0.load(SeqCst) as u32);
        counts.fold(0, |sum, count| sum.saturating_add(count as usize))
    }
}

impl fmt::Debug for Inflight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Inflight").field(&self.most).finish()
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Places of this process alone.
    pub(crate) fn places(count: usize) -> &'static [Place] {
        let place = || Place {
            name: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            counts: [const { Count(AtomicU64::new(0)) }; PROCESSES],
        };
        (0..count).map(|_| place()).collect::<Vec<_>>().leak()
    }

    impl Inflight {
        /// The same in another process.
        pub(crate) fn of_process(self, me: fn() -> u32) -> Self {
            Inflight { me, ..self }
        }

        /// This process has so many requests in progress, and never ends them.
        pub(crate) fn hold(&self, name: &str, requests: usize) {
            if let Some(count) = self.place(name).and_then(|place| self.count(place)) {
                self.set(count, requests);
            }
        }

        /// Whether there is room for so many.
        pub(crate) fn has_room(&self, name: &str, requests: usize) -> bool {
            let place = self.place(name).expect("a place");
            let Some(count) = self.count(place) else {
                return self.is_within(place, Instant::now(), |_| true);
            };
            self.set(count, requests);
            let is_within = self.is_within(place, Instant::now(), |_| true);
            self.set(count, 0);
            is_within
        }
    }

    impl Place {
        /// Another process has requests in progress.
        pub(crate) fn of_another(&self, pid: u32, count: u32) {
            let word = u64::from(pid) << 32 | u64::from(count);
            let mut counts = self.counts.iter();
            let taken = counts.find(|it| it.0.compare_exchange(0, word, SeqCst, SeqCst).is_ok());
            assert!(taken.is_some());
        }
    }
}
