//! Endpoints that fail repeatedly are left alone for a while, by all processes that share what they
//! know of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::url::EndpointUrl;
use crate::clock;

/// When an endpoint is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// After this many failures in a row; 0: never.
    pub failures: u32,
    /// For how long. After that, one request is let through as a trial.
    pub time: Duration,
    /// A trial that has not reported after this time counts as failed.
    pub trial: Duration,
}

/// An endpoint that has failed. All zero is free: working endpoints are not remembered.
///
/// Its numbers are written one by one, without a lock: what two processes do at the same time may
/// count as one failure, or let two requests through as a trial.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Circuit {
    /// The hash of its URL.
    url: AtomicU64,
    /// Failures in a row.
    failures: AtomicU64,
    /// When it failed last. Times are in nanoseconds since [`Circuits::start`].
    last: AtomicU64,
    /// No request is let through before this time; 0 if it is not left alone.
    open_until: AtomicU64,
    /// Until when it has asked to be left alone, whatever anybody else is answered; 0 if it has not.
    held_until: AtomicU64,
    /// What is said of it ([`Ordered`]).
    ordered: AtomicU64,
}

/// What somebody says of an endpoint, whatever it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ordered {
    /// Nothing.
    #[default]
    Auto,
    /// It is asked, however often it fails.
    Up,
    /// It is not asked.
    Down,
}

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitState {
    /// Failures in a row.
    pub failures: u32,
    /// Whether it has failed as often as it may.
    pub is_open: bool,
    /// For how long it is left alone because of that; zero once the next request is let through as a trial.
    pub left: Duration,
    /// For how long it is left alone because it has asked for that.
    pub held: Duration,
    /// What is said of it.
    pub ordered: Ordered,
}

/// The most failing endpoints that are remembered. Anyone able to make more of them fail at the
/// same time has other means.
pub const MOST_FAILING: usize = 8192;

/// In how many places an endpoint may be. If others are in all of them, it replaces the one whose last
/// failure is the longest ago.
const WAYS: usize = 8;

/// The endpoints that fail, as all processes see them.
#[derive(Debug, Clone)]
pub struct Circuits {
    circuits: &'static [Circuit],
    hasher: RandomState,
    start: Instant,
}

impl Circuits {
    /// Remembers them in these places, which must be all zero; processes that are forked from now on
    /// share what they know. With none, nothing is ever left alone.
    pub fn new(circuits: &'static [Circuit]) -> Self {
        Circuits {
            circuits,
            hasher: RandomState::new(),
            start: Instant::now(),
        }
    }

    /// What is known of a URL.
    pub fn state(&self, url: &EndpointUrl, now: Instant) -> CircuitState {
        let Some(circuit) = self.find(url.target()) else {
            return CircuitState::default();
        };
        let now = self.nanoseconds(now);
        let left =
            |until: &AtomicU64| Duration::from_nanos(until.load(Relaxed).saturating_sub(now));
        CircuitState {
            failures: circuit.failures(),
            is_open: circuit.open_until().is_some(),
            left: left(&circuit.open_until),
            held: left(&circuit.held_until),
            ordered: circuit.ordered(),
        }
    }

    /// Says of a URL whether it is asked, in all processes; whether there was room for that. Its failures are
    /// forgotten.
    pub fn order(&self, url: &EndpointUrl, ordered: Ordered) -> bool {
        let circuit = match ordered {
            Ordered::Auto => self.find(url.target()),
            Ordered::Up | Ordered::Down => self.find_or_add(url.target()),
        };
        let Some(circuit) = circuit else {
            return ordered == Ordered::Auto;
        };
        circuit.ordered.store(ordered as u64, Relaxed);
        circuit.clear();
        true
    }

    /// How many endpoints are left alone now.
    pub fn failing(&self, now: Instant) -> usize {
        let now = self.nanoseconds(now);
        let is_left_alone = |circuit: &&Circuit| {
            circuit.url.load(Relaxed) != 0
                && match circuit.ordered() {
                    Ordered::Up => false,
                    Ordered::Down => true,
                    Ordered::Auto => {
                        circuit.open_until.load(Relaxed) > now
                            || circuit.held_until.load(Relaxed) > now
                    }
                }
        };
        self.circuits.iter().filter(is_left_alone).count()
    }

    /// The name of a URL, and where it may be.
    fn places(&self, url: &str) -> (u64, impl Iterator<Item = &'static Circuit>) {
        let name = self.hasher.hash_one(url).max(1);
        let first = usize::try_from(name % self.circuits.len().max(1) as u64).unwrap_or(0);
        let places = self.circuits.iter().cycle().skip(first);
        (name, places.take(WAYS.min(self.circuits.len())))
    }

    fn find(&self, url: &str) -> Option<&'static Circuit> {
        let (name, mut places) = self.places(url);
        places.find(|circuit| circuit.url.load(Relaxed) == name)
    }

    fn find_or_add(&self, url: &str) -> Option<&'static Circuit> {
        let found = self.find(url);
        if found.is_some() {
            return found;
        }
        let (name, mut places) = self.places(url);
        let taken = places.find(|circuit| {
            match circuit.url.compare_exchange(0, name, Relaxed, Relaxed) {
                Ok(_) => {
                    // What was written too late for another endpoint.
                    circuit.failures.store(0, Relaxed);
                    circuit.open_until.store(0, Relaxed);
                    circuit.held_until.store(0, Relaxed);
                    circuit.ordered.store(0, Relaxed);
                    true
                }
                // Another process has just added it.
                Err(other) => other == name,
            }
        });
        if taken.is_some() {
            return taken;
        }
        let (name, places) = self.places(url);
        let places = places.filter(|circuit| circuit.ordered() == Ordered::Auto);
        let oldest = places.min_by_key(|circuit| circuit.last.load(Relaxed))?;
        oldest.clear();
        oldest.url.store(name, Relaxed);
        Some(oldest)
    }

    /// How many URLs are left alone now.
    pub fn left_alone(&self, now: Instant) -> usize {
        let now = self.nanoseconds(now);
        let until = |circuit: &&Circuit| {
            let until = [&circuit.open_until, &circuit.held_until].map(|time| time.load(Relaxed));
            circuit.url.load(Relaxed) != 0 && until.iter().any(|time| *time > now)
        };
        self.circuits.iter().filter(until).count()
    }

    fn nanoseconds(&self, time: Instant) -> u64 {
        clock::nanoseconds(time.saturating_duration_since(self.start)).max(1)
    }

    fn after(&self, now: Instant, time: Duration) -> u64 {
        let time = clock::nanoseconds(time);
        self.nanoseconds(now).saturating_add(time)
    }
}

impl Circuit {
    fn failures(&self) -> u32 {
        u32::try_from(self.failures.load(Relaxed)).unwrap_or(u32::MAX)
    }

    /// Until when it is left alone, if it is.
    fn open_until(&self) -> Option<u64> {
        let until = self.open_until.load(Relaxed);
        (until != 0).then_some(until)
    }

    fn clear(&self) {
        self.failures.store(0, Relaxed);
        self.open_until.store(0, Relaxed);
        self.held_until.store(0, Relaxed);
        if self.ordered() == Ordered::Auto {
            self.url.store(0, Relaxed);
        }
    }

    fn ordered(&self) -> Ordered {
        match self.ordered.load(Relaxed) {
            0 => Ordered::Auto,
            1 => Ordered::Up,
            _ => Ordered::Down,
        }
    }
}

/// One circuit breaker per URL.
#[derive(Debug)]
pub(super) struct Breakers {
    config: BreakerConfig,
    circuits: Circuits,
}

impl Breakers {
    pub(super) fn new(config: BreakerConfig, circuits: Circuits) -> Self {
        Breakers { config, circuits }
    }

    /// What is said of `url`.
    pub(super) fn ordered(&self, url: &str) -> Ordered {
        self.circuits
            .find(url)
            .map_or(Ordered::Auto, Circuit::ordered)
    }

    /// The number of failures if [`enter`](Self::enter) would refuse. Changes nothing.
    pub(super) fn refuses(&self, url: &str, now: Instant) -> Option<u32> {
        let circuit = self.circuits.find(url)?;
        let until = circuit.open_until()?;
        (self.circuits.nanoseconds(now) < until).then(|| circuit.failures())
    }

    /// Asks for permission to query `url`. A caller that enters must report. An endpoint on trial
    /// admits one.
    ///
    /// # Errors
    /// Fails with the number of failures in a row if the endpoint is to be left alone.
    pub(super) fn enter(&self, url: &str, now: Instant) -> Result<(), u32> {
        let Some(circuit) = self.circuits.find(url) else {
            return Ok(());
        };
        let Some(until) = circuit.open_until() else {
            return Ok(());
        };
        if self.circuits.nanoseconds(now) < until {
            return Err(circuit.failures());
        }
        // This is the trial; for all others the endpoint stays as it is meanwhile.
        let trial = self.circuits.after(now, self.config.trial);
        let place = &circuit.open_until;
        match place.compare_exchange(until, trial, Relaxed, Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(circuit.failures()),
        }
    }

    /// `url` has answered. Whether it was left alone after failures until now.
    pub(super) fn success(&self, url: &str) -> bool {
        let Some(circuit) = self.circuits.find(url) else {
            return false;
        };
        let was_left_alone = circuit.open_until.swap(0, Relaxed) != 0;
        if circuit.held_until.load(Relaxed) > self.circuits.nanoseconds(Instant::now()) {
            // Somebody who was asked earlier has been answered; it wants its peace nevertheless.
            circuit.failures.store(0, Relaxed);
        } else {
            circuit.clear();
        }
        was_left_alone
    }

    /// For how long `url` is still to be left alone because it has asked for that.
    pub(super) fn held(&self, url: &str, now: Instant) -> Option<Duration> {
        let circuit = self.circuits.find(url)?;
        let until = circuit.held_until.load(Relaxed);
        let left = until.checked_sub(self.circuits.nanoseconds(now))?;
        (left > 0).then(|| Duration::from_nanos(left))
    }

    /// `url` asks to be left alone for this time.
    pub(super) fn hold(&self, url: &str, now: Instant, time: Duration) {
        if let Some(circuit) = self.circuits.find_or_add(url) {
            circuit.last.store(self.circuits.nanoseconds(now), Relaxed);
            let until = self.circuits.after(now, time);
            circuit.held_until.fetch_max(until, Relaxed);
        }
    }

    /// `url` has failed. How often in a row, if it is left alone from now on.
    pub(super) fn failure(&self, url: &str, now: Instant) -> Option<u32> {
        if self.config.failures == 0 {
            return None;
        }
        let circuit = self.circuits.find_or_add(url)?;
        let failures = circuit.failures.fetch_add(1, Relaxed) + 1;
        circuit.last.store(self.circuits.nanoseconds(now), Relaxed);
        if failures >= self.config.failures.into() {
            let until = self.circuits.after(now, self.config.time);
            let before = circuit.open_until.swap(until, Relaxed);
            return (before == 0).then(|| circuit.failures());
        }
        None
    }
}

#[cfg(test)]
impl Circuits {
    /// Of one process.
    pub(super) fn own(count: usize) -> Self {
        let mut circuits = Vec::new();
        circuits.resize_with(count, Circuit::default);
        Circuits::new(circuits.leak())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://a/";

    fn of(failures: u32, circuits: &Circuits) -> Breakers {
        let config = BreakerConfig {
            failures,
            time: Duration::from_secs(30),
            trial: Duration::from_secs(5),
        };
        Breakers::new(config, circuits.clone())
    }

    fn breakers(failures: u32) -> Breakers {
        of(failures, &Circuits::own(64))
    }

    #[test]
    fn after_failures_in_a_row_it_is_left_alone_then_one_tries() {
        let breakers = breakers(3);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..2 {
            assert_eq!(breakers.enter(URL, start), Ok(()));
            breakers.failure(URL, start);
        }
        assert!(!breakers.success(URL), "it was not left alone");
        let mut told = None;
        for _ in 0..3 {
            assert_eq!(breakers.enter(URL, start), Ok(()), "not in a row until now");
            told = breakers.failure(URL, start);
        }
        assert_eq!(told, Some(3), "told once");
        assert_eq!(breakers.enter(URL, at(29)), Err(3));
        assert_eq!(breakers.refuses(URL, at(29)), Some(3));
        let left_alone = |seconds| breakers.circuits.left_alone(at(seconds));
        assert_eq!((left_alone(29), left_alone(30)), (1, 0));
        assert_eq!(
            breakers.enter("http://b/", at(29)),
            Ok(()),
            "another endpoint"
        );
        assert_eq!(breakers.refuses(URL, at(30)), None);
        assert_eq!(breakers.enter(URL, at(30)), Ok(()), "the trial");
        assert_eq!(breakers.enter(URL, at(31)), Err(3), "only one");
        assert_eq!(breakers.failure(URL, at(31)), None, "it still is");
        assert_eq!(breakers.enter(URL, at(60)), Err(4));
        assert_eq!(breakers.enter(URL, at(61)), Ok(()), "the next trial");
        assert!(breakers.success(URL) && !breakers.success(URL), "told once");
        assert_eq!(breakers.enter(URL, at(62)), Ok(()));
        assert_eq!(breakers.enter(URL, at(62)), Ok(()));
    }

    #[test]
    fn a_trial_that_never_reports_is_not_waited_for() {
        let breakers = breakers(1);
        let start = Instant::now();
        breakers.failure(URL, start);
        let later = start + Duration::from_secs(30);
        assert_eq!(breakers.enter(URL, later), Ok(()));
        assert_eq!(breakers.enter(URL, later + Duration::from_secs(4)), Err(1));
        assert_eq!(breakers.enter(URL, later + Duration::from_secs(5)), Ok(()));
    }

    #[test]
    fn what_is_said_of_it_stays_whatever_it_does() {
        let circuits = Circuits::own(WAYS);
        let breakers = of(1, &circuits);
        let url: EndpointUrl = URL.parse().unwrap();
        let now = Instant::now();
        assert!(circuits.order(&url, Ordered::Down));
        breakers.success(URL);
        // Others that fail do not take its place.
        for number in 0..10 * WAYS {
            breakers.failure(&format!("http://{number}/"), now);
        }
        assert_eq!(breakers.ordered(URL), Ordered::Down);
        assert!(circuits.order(&url, Ordered::Up));
        breakers.failure(URL, now);
        assert_eq!(circuits.state(&url, now).ordered, Ordered::Up);
        assert!(circuits.order(&url, Ordered::Auto));
        assert_eq!(circuits.state(&url, now), CircuitState::default());
    }

    #[test]
    fn it_can_be_switched_off() {
        let breakers = breakers(0);
        let now = Instant::now();
        for _ in 0..100 {
            breakers.failure(URL, now);
        }
        assert_eq!(breakers.enter(URL, now), Ok(()));
    }

    #[test]
    fn who_asks_for_it_is_left_alone_by_all_whatever_others_are_answered() {
        let circuits = Circuits::own(64);
        let (a, b) = (of(0, &circuits), of(3, &circuits));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let left = |seconds| b.held(URL, at(seconds)).map(|time| time.as_secs());
        assert_eq!(left(0), None);
        a.hold(URL, start, Duration::from_secs(30));
        assert_eq!(left(10), Some(20));
        b.success(URL);
        a.hold(URL, start, Duration::from_secs(5));
        assert_eq!(left(10), Some(20), "the longest counts");
        assert_eq!(left(30), None);
        assert_eq!(b.held("http://b/", start), None, "another endpoint");
        assert_eq!(b.enter(URL, at(10)), Ok(()), "that is another matter");
        let none = Breakers::new(b.config, Circuits::new(&[]));
        none.hold(URL, start, Duration::from_secs(30));
        assert_eq!(none.held(URL, start), None);
    }

    #[test]
    fn what_one_process_meets_all_know() {
        let circuits = Circuits::own(64);
        let (a, b) = (of(3, &circuits), of(3, &circuits));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        a.failure(URL, start);
        b.failure(URL, start);
        assert_eq!(a.enter(URL, start), Ok(()));
        a.failure(URL, start);
        assert_eq!(b.enter(URL, at(29)), Err(3), "the third, wherever");
        assert_eq!(b.enter(URL, at(30)), Ok(()), "the trial");
        assert_eq!(a.enter(URL, at(30)), Err(3), "one for all");
        b.success(URL);
        assert_eq!(a.enter(URL, at(31)), Ok(()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let circuits = Circuits::own(WAYS);
        let breakers = of(1, &circuits);
        let start = Instant::now();
        let failing = |number: u64| {
            let now = start + Duration::from_secs(1);
            breakers.refuses(&number.to_string(), now).is_some()
        };
        for number in 0..WAYS as u64 + 3 {
            breakers.failure(&number.to_string(), start + Duration::from_nanos(number));
        }
        assert!(
            (0..3).all(|number| !failing(number)),
            "the oldest are forgotten"
        );
        assert!((3..WAYS as u64 + 3).all(failing));
        let none = Breakers::new(breakers.config, Circuits::new(&[]));
        none.failure(URL, start);
        assert_eq!(none.enter(URL, start), Ok(()));
    }
}
