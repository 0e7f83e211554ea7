//! What any process fetched, in memory that all processes share: one request serves a whole machine,
//! and a provider that fails is asked by one process at a time.
//!
//! A [`Place`] belongs to one URL for good. A process that wants to ask takes its [`Lease`]; others
//! wait until it is returned, runs out, or its holder is dead. There is no lock: the holder writes
//! the answer, a digest of all that it wrote, and last the version. What was read while it was
//! being written, or was left by a process that was killed halfway, or by two that each believed
//! they held the lease, does not have that digest, and counts as nothing. The digest is keyed, so
//! that no URL can be made to share the place of another.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fetch::{FetchError, Fetched, MAX_DOCUMENT};
use crate::clock;
use crate::keyed::{Keyed, Name};
use crate::memory::AtomicU64;

/// How often a process that waits for another checks.
const LOOK: Duration = Duration::from_millis(5);

/// The longest reason of a failure that others are told, in bytes.
const MAX_REASON: usize = 1000;

const WORDS: usize = MAX_DOCUMENT / 8;

/// The last answer of one URL. All zero is free. Memory that no answer needed is never touched.
#[repr(C)]
pub struct Place<const N: usize = WORDS> {
    /// Which URL; 0 as long as it is nobody's.
    url: AtomicU64,
    /// The lease that asks now; 0 for none.
    lease: AtomicU64,
    /// When that runs out. All times are in nanoseconds since [`SharedFetches::start`].
    until: AtomicU64,
    /// How many answers there have been.
    version: AtomicU64,
    /// What is known of the answer.
    facts: [AtomicU64; FACTS],
    digest: [AtomicU64; 4],
    body: [AtomicU64; N],
}

impl<const N: usize> Place<N> {
    /// How many answers there have been. Changes once an answer is complete.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// Asked when, after how many reloads, fresh (or to be left alone) for how long, of what kind, how many
/// bytes.
const FACTS: usize = 5;

/// It does not say how long it is fresh.
const NOT_SAID: u64 = u64::MAX;

/// An answer, whichever process got it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    /// When its request began.
    pub(super) asked: Instant,
    /// The number of reloads at that time.
    pub(super) reload: u64,
    pub(super) answer: Result<Fetched, FetchError>,
}

/// What waiting for the lease came to.
pub(super) enum Turn<'a, const N: usize = WORDS> {
    /// This process is to ask.
    Ours(Lease<'a, N>),
    /// Another process has asked meanwhile.
    Told,
    /// The deadline has passed.
    Late,
}

/// The places of all URLs.
pub struct SharedFetches<const N: usize = WORDS> {
    places: &'static [Place<N>],
    key: Keyed,
    start: Instant,
    is_alive: fn(u64) -> bool,
}

impl SharedFetches {
    /// Shares nothing: each process fetches for itself.
    pub fn none() -> Self {
        SharedFetches::new(&[0; 32], &[], |_| false)
    }
}

impl<const N: usize> SharedFetches<N> {
    /// Shares these places, which must be all zero, with the processes that are forked from now on.
    /// `key` is random; `is_alive` tells whether a process of that number is running.
    pub fn new(key: &[u8; 32], places: &'static [Place<N>], is_alive: fn(u64) -> bool) -> Self {
        SharedFetches {
            places,
            key: Keyed::new(key),
            start: Instant::now(),
            is_alive,
        }
    }

    /// Whether there are places at all.
    pub(super) fn is_sharing(&self) -> bool {
        !self.places.is_empty()
    }

    /// The place of a URL; `None` if all are taken by others.
    pub(super) fn place(&self, url: &str) -> Option<&'static Place<N>> {
        let [name, ..] = self.digest(url, &[], &[]);
        let name = name.max(1);
        let first = usize::try_from(name % self.places.len().max(1) as u64).unwrap_or(0);
        let mut places = self.places.iter().cycle().skip(first);
        places.by_ref().take(self.places.len()).find(|place| {
            match place
                .url
                .compare_exchange(0, name, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => true,
                Err(other) => other == name,
            }
        })
    }

    /// The answer, if there is one, and all of it is there.
    pub(super) fn news(&self, place: &Place<N>, url: &str) -> Option<News> {
        let facts = place.facts.each_ref().map(|n| n.load(Ordering::Relaxed));
        let [asked, reload, max_age, kind, length] = facts;
        let length = usize::try_from(length)
            .ok()
            .filter(|n| *n <= MAX_DOCUMENT.min(8 * N))?;
        let mut body = Vec::with_capacity(length.next_multiple_of(8));
        for word in &place.body[..length.div_ceil(8)] {
            body.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        body.truncate(length);
        let digest = place.digest.each_ref().map(|n| n.load(Ordering::Relaxed));
        if digest != self.digest(url, &facts, &body) {
            return None;
        }
        let max_age = (max_age != NOT_SAID).then(|| Duration::from_nanos(max_age));
        Some(News {
            asked: self.start + Duration::from_nanos(asked),
            reload,
            answer: answer(kind, body, max_age),
        })
    }

    /// Waits for the lease, unless there is another version than the one `heard` of.
    pub(super) fn wait<'a>(
        &self,
        place: &'a Place<N>,
        heard: u64,
        deadline: Instant,
    ) -> Turn<'a, N> {
        loop {
            if place.version() != heard {
                return Turn::Told;
            }
            if let Some(lease) = self.lease(place, deadline) {
                // It may have been returned just now, with an answer.
                return match place.version() == heard {
                    true => Turn::Ours(lease),
                    false => Turn::Told,
                };
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Turn::Late;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn lease<'a>(&self, place: &'a Place<N>, until: Instant) -> Option<Lease<'a, N>> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mine = u64::from(std::process::id()) << 32 | u64::from(count);
        let holder = place.lease.load(Ordering::Acquire);
        if holder != 0
            && place.until.load(Ordering::Relaxed) > self.nanoseconds(Instant::now())
            && (self.is_alive)(holder >> 32)
        {
            return None;
        }
        // First, so that nobody takes it for one that has run out.
        let until = self.nanoseconds(until);
        place.until.store(until, Ordering::Relaxed);
        place
            .lease
            .compare_exchange(holder, mine, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(Lease { place, mine })
    }

    /// Tells all processes what came of a request that began at `asked`, after `reload` reloads;
    /// returns the version.
    pub(super) fn tell(
        &self,
        lease: &Lease<'_, N>,
        url: &str,
        asked: Instant,
        reload: u64,
        answer: &Result<Fetched, FetchError>,
    ) -> u64 {
        let place = lease.place;
        let max_age = match answer {
            Ok(fetched) => fetched.max_age,
            Err(FetchError::Later { time, .. }) => Some(*time),
            Err(_) => None,
        };
        let max_age = max_age.map_or(NOT_SAID, |age| {
            u64::try_from(age.as_nanos()).unwrap_or(NOT_SAID - 1)
        });
        let (kind, body) = parts(answer);
        let facts = [
            self.nanoseconds(asked),
            reload,
            max_age,
            kind,
            body.len() as u64,
        ];
        for (word, bytes) in place.body.iter().zip(body.chunks(8)) {
            let mut last = [0; 8];
            last[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(last), Ordering::Relaxed);
        }
        store(&place.facts, &facts);
        store(&place.digest, &self.digest(url, &facts, body));
        place.version.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn nanoseconds(&self, time: Instant) -> u64 {
        clock::nanoseconds(time.saturating_duration_since(self.start))
    }

    fn digest(&self, url: &str, facts: &[u64], body: &[u8]) -> Name {
        let facts: Vec<u8> = facts.iter().flat_map(|fact| fact.to_le_bytes()).collect();
        self.key.name([url.as_bytes(), &facts, body])
    }
}

fn store(places: &[AtomicU64], values: &[u64]) {
    for (place, value) in places.iter().zip(values) {
        place.store(*value, Ordering::Relaxed);
    }
}

/// An answer as a number and bytes.
fn parts(answer: &Result<Fetched, FetchError>) -> (u64, &[u8]) {
    match answer {
        Ok(fetched) => (0, &fetched.body),
        Err(FetchError::Redirect(status)) => (1 << 32 | u64::from(*status), &[]),
        Err(FetchError::Status(status)) => (2 << 32 | u64::from(*status), &[]),
        Err(FetchError::TooLong) => (3 << 32, &[]),
        Err(FetchError::Later { status, .. }) => (5 << 32 | u64::from(*status), &[]),
        Err(FetchError::Failed(reason)) => {
            let bytes = reason.as_bytes();
            (4 << 32, &bytes[..bytes.len().min(MAX_REASON)])
        }
        // Known before anybody is asked.
        Err(FetchError::Url(_)) => (4 << 32, b"it is not an acceptable URL"),
    }
}

/// The reverse of [`parts`].
fn answer(kind: u64, body: Vec<u8>, max_age: Option<Duration>) -> Result<Fetched, FetchError> {
    let status = u16::try_from(kind & u64::from(u32::MAX)).unwrap_or(0);
    Err(match kind >> 32 {
        0 => return Ok(Fetched { body, max_age }),
        1 => FetchError::Redirect(status),
        2 => FetchError::Status(status),
        3 => FetchError::TooLong,
        5 => FetchError::Later {
            status,
            time: max_age.unwrap_or_default(),
        },
        _ => FetchError::Failed(String::from_utf8_lossy(&body).into_owned()),
    })
}

/// The right to ask, until it is dropped.
pub(super) struct Lease<'a, const N: usize = WORDS> {
    place: &'a Place<N>,
    mine: u64,
}

impl<const N: usize> Drop for Lease<'_, N> {
    fn drop(&mut self) {
        // Unless it ran out, and another has it now.
        let _ =
            self.place
                .lease
                .compare_exchange(self.mine, 0, Ordering::Release, Ordering::Relaxed);
    }
}

impl<const N: usize> fmt::Debug for SharedFetches<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.len();
        formatter
            .debug_tuple("SharedFetches")
            .field(&places)
            .finish()
    }
}

#[cfg(test)]
pub(in crate::keys) mod tests;
