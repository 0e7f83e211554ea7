//! Endpoints that fail repeatedly are left alone for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// The state of an endpoint that has failed. Working endpoints are not remembered.
#[derive(Debug, Clone, Copy)]
struct Failing {
    /// Failures in a row.
    failures: u32,
    last: Instant,
    /// No request is let through before this time.
    closed_until: Option<Instant>,
}

/// The most failing endpoints that are remembered. Anyone able to make more of them fail at the
/// same time has other means.
const MOST_FAILING: usize = 10_000;

/// One circuit breaker per URL.
#[derive(Debug)]
pub(super) struct Breakers {
    config: BreakerConfig,
    failing: Mutex<HashMap<String, Failing>>,
}

impl Breakers {
    pub(super) fn new(config: BreakerConfig) -> Self {
        Breakers {
            config,
            failing: Mutex::default(),
        }
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<String, Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of failures if [`enter`](Self::enter) would refuse. Changes nothing.
    pub(super) fn refuses(&self, url: &str, now: Instant) -> Option<u32> {
        let failing = self.failing();
        let state = failing.get(url)?;
        state
            .closed_until
            .filter(|until| now < *until)
            .map(|_| state.failures)
    }

    /// Asks for permission to query `url`. A caller that enters must report. An endpoint on trial
    /// admits one.
    ///
    /// # Errors
    /// Fails with the number of failures in a row if the endpoint is to be left alone.
    pub(super) fn enter(&self, url: &str, now: Instant) -> Result<(), u32> {
        let mut failing = self.failing();
        let Some(state) = failing.get_mut(url) else {
            return Ok(());
        };
        match state.closed_until {
            Some(until) if now < until => Err(state.failures),
            Some(_) => {
                // This is the trial; for all others the endpoint stays closed meanwhile.
                state.closed_until = now.checked_add(self.config.trial);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// `url` has answered.
    pub(super) fn success(&self, url: &str) {
        self.failing().remove(url);
    }

    /// `url` has failed.
    pub(super) fn failure(&self, url: &str, now: Instant) {
        if self.config.failures == 0 {
            return;
        }
        let mut failing = self.failing();
        if failing.len() >= MOST_FAILING && !failing.contains_key(url) {
            let oldest = failing.iter().min_by_key(|(_, state)| state.last);
            if let Some(oldest) = oldest.map(|(url, _)| url.clone()) {
                failing.remove(&oldest);
            }
        }
        let state = failing.entry(url.to_owned()).or_insert(Failing {
            failures: 0,
            last: now,
            closed_until: None,
        });
        state.failures = state.failures.saturating_add(1);
        state.last = now;
        if state.failures >= self.config.failures {
            state.closed_until = now.checked_add(self.config.time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://a/";

    fn breakers(failures: u32) -> Breakers {
        Breakers::new(BreakerConfig {
            failures,
            time: Duration::from_secs(30),
            trial: Duration::from_secs(5),
        })
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
        breakers.success(URL);
        for _ in 0..3 {
            assert_eq!(breakers.enter(URL, start), Ok(()), "not in a row until now");
            breakers.failure(URL, start);
        }
        assert_eq!(breakers.enter(URL, at(29)), Err(3));
        assert_eq!(breakers.refuses(URL, at(29)), Some(3));
        assert_eq!(
            breakers.enter("http://b/", at(29)),
            Ok(()),
            "another endpoint"
        );
        assert_eq!(breakers.refuses(URL, at(30)), None);
        assert_eq!(breakers.enter(URL, at(30)), Ok(()), "the trial");
        assert_eq!(breakers.enter(URL, at(31)), Err(3), "only one");
        breakers.failure(URL, at(31));
        assert_eq!(breakers.enter(URL, at(60)), Err(4));
        assert_eq!(breakers.enter(URL, at(61)), Ok(()), "the next trial");
        breakers.success(URL);
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
    fn it_can_be_switched_off() {
        let breakers = breakers(0);
        let now = Instant::now();
        for _ in 0..100 {
            breakers.failure(URL, now);
        }
        assert_eq!(breakers.enter(URL, now), Ok(()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let breakers = breakers(1);
        let start = Instant::now();
        for number in 0..MOST_FAILING + 5 {
            let now = start + Duration::from_nanos(number as u64);
            breakers.failure(&number.to_string(), now);
        }
        assert_eq!(breakers.failing().len(), MOST_FAILING);
        assert_eq!(
            breakers.refuses("0", start),
            None,
            "the oldest is forgotten"
        );
    }
}
