//! Whether the database answers, as this process last saw it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// A database that did not answer in time is probed by one query at a time in the background. All
/// others fail at once instead of waiting for it one by one, until it has answered.
#[derive(Debug, Default)]
pub struct Availability(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When it last gave an answer.
    answered: Option<Instant>,
    out_of_service: Option<OutOfService>,
}

/// It hangs.
#[derive(Debug)]
struct OutOfService {
    /// The error that showed it.
    error: StoreError,
    /// When the next probe may be sent: not before the time of the last one is over.
    next_probe: Instant,
}

/// Whether a question may be asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Ask,
    /// It fails with this error, and is asked in the background as the next probe.
    Probe(StoreError),
    /// It fails with this error.
    Refuse(StoreError),
}

impl Availability {
    /// Whether a question that may take as long as `timeout` may be asked now.
    pub fn admit(&self, now: Instant, timeout: Duration) -> Admission {
        match &mut self.lock().out_of_service {
            None => Admission::Ask,
            Some(out) if now < out.next_probe => Admission::Refuse(out.error.clone()),
            Some(out) => {
                out.next_probe = now + timeout;
                Admission::Probe(out.error.clone())
            }
        }
    }

    /// Notes how a question ended that had until `deadline`.
    pub fn note(&self, error: Option<&StoreError>, deadline: Instant, now: Instant) {
        let mut state = self.lock();
        match error {
            Some(error @ StoreError::TimedOut(_)) => {
                // A thread may report this long after the deadline, when others have had an answer.
                if state.answered.is_none_or(|answered| answered < deadline) {
                    state.out_of_service.get_or_insert_with(|| OutOfService {
                        error: error.clone(),
                        next_probe: now,
                    });
                }
            }
            // It was not asked.
            Some(StoreError::Busy(_)) => {}
            // Errors, too: a refused question is not kept waiting.
            _ => {
                *state = State {
                    answered: Some(now),
                    out_of_service: None,
                };
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn hangs() -> StoreError {
        StoreError::TimedOut(2000)
    }

    /// One that did not answer until `start`.
    fn hanging(start: Instant) -> Availability {
        let availability = Availability::default();
        assert_eq!(availability.admit(start, TIMEOUT), Admission::Ask);
        availability.note(Some(&hangs()), start, start);
        availability
    }

    #[test]
    fn while_it_hangs_one_probe_at_a_time_asks() {
        let start = Instant::now();
        let availability = hanging(start);
        let admit = |seconds| availability.admit(start + Duration::from_secs(seconds), TIMEOUT);
        assert_eq!(admit(0), Admission::Probe(hangs()));
        assert_eq!(admit(0), Admission::Refuse(hangs()));
        assert_eq!(admit(1), Admission::Refuse(hangs()));
        availability.note(Some(&hangs()), start + TIMEOUT, start + TIMEOUT);
        assert_eq!(admit(2), Admission::Probe(hangs()));
        assert_eq!(admit(2), Admission::Refuse(hangs()));
    }

    #[test]
    fn whatever_it_answers_it_is_asked_again() {
        let start = Instant::now();
        let refused = StoreError::Refused {
            table: "t".into(),
            cause: "c".into(),
        };
        let unreachable = StoreError::Unreachable("x".into());
        for error in [None, Some(&refused), Some(&unreachable)] {
            let availability = hanging(start);
            availability.note(error, start + TIMEOUT, start);
            assert_eq!(availability.admit(start, TIMEOUT), Admission::Ask);
        }
        let availability = hanging(start);
        let busy = StoreError::Busy("all connections are in use".into());
        availability.note(Some(&busy), start + TIMEOUT, start);
        assert_ne!(availability.admit(start, TIMEOUT), Admission::Ask);
    }

    #[test]
    fn what_comes_late_does_not_undo_that_it_is_back() {
        let start = Instant::now();
        let (back, late) = (start + TIMEOUT, start + 2 * TIMEOUT);
        let availability = hanging(start);
        availability.note(None, back, back);
        availability.note(Some(&hangs()), start, late);
        assert_eq!(availability.admit(late, TIMEOUT), Admission::Ask);
        // What had a later deadline is another matter.
        availability.note(Some(&hangs()), late, late);
        assert_ne!(availability.admit(late, TIMEOUT), Admission::Ask);
    }
}
