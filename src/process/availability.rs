//! Whether a server answers, as this process last saw it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::redis::CacheError;
use crate::store::StoreError;

/// A server that did not answer in time is probed by one question at a time in the background. All
/// others fail at once instead of waiting for it one by one, until it has answered.
#[derive(Debug)]
pub struct Availability<E>(Mutex<State<E>>);

#[derive(Debug)]
struct State<E> {
    /// When it last gave an answer.
    answered: Option<Instant>,
    out_of_service: Option<OutOfService<E>>,
}

/// It hangs.
#[derive(Debug)]
struct OutOfService<E> {
    /// The error that showed it.
    error: E,
    /// When the next probe may be sent: not before the time of the last one is over.
    next_probe: Instant,
}

/// Whether a question may be asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<E> {
    /// It may.
    Ask,
    /// It fails with this error, and is asked in the background as the next probe.
    Probe(E),
    /// It fails with this error.
    Refuse(E),
}

/// What an error says of the server.
pub trait Outage: Clone {
    /// It did not answer in time.
    fn is_silence(&self) -> bool;
    /// It was not asked at all.
    fn is_not_asked(&self) -> bool;
}

impl Outage for StoreError {
    fn is_silence(&self) -> bool {
        matches!(self, StoreError::TimedOut(_))
    }

    fn is_not_asked(&self) -> bool {
        matches!(self, StoreError::Busy(_))
    }
}

impl Outage for CacheError {
    fn is_silence(&self) -> bool {
        matches!(self, CacheError::TimedOut(_))
    }

    fn is_not_asked(&self) -> bool {
        matches!(self, CacheError::Busy(_))
    }
}

impl<E> Default for Availability<E> {
    fn default() -> Self {
        Availability(Mutex::new(State {
            answered: None,
            out_of_service: None,
        }))
    }
}

impl<E: Outage> Availability<E> {
    /// Whether a question that may take as long as `timeout` may be asked now.
    pub fn admit(&self, now: Instant, timeout: Duration) -> Admission<E> {
        match &mut self.lock().out_of_service {
            None => Admission::Ask,
            Some(out) if now < out.next_probe => Admission::Refuse(out.error.clone()),
            // Nobody has asked for so long that it may well be back: this one finds out.
            Some(out) if now >= out.next_probe + timeout => {
                out.next_probe = now + timeout;
                Admission::Ask
            }
            Some(out) => {
                out.next_probe = now + timeout;
                Admission::Probe(out.error.clone())
            }
        }
    }

    /// Notes how a question that had until `deadline` ended.
    pub fn note(&self, error: Option<&E>, deadline: Instant, now: Instant) {
        let mut state = self.lock();
        match error {
            Some(error) if error.is_silence() => {
                // A thread may report this long after the deadline, when others have had an answer.
                if state.answered.is_none_or(|answered| answered < deadline) {
                    state.out_of_service.get_or_insert_with(|| OutOfService {
                        error: error.clone(),
                        next_probe: now,
                    });
                }
            }
            Some(error) if error.is_not_asked() => {}
            // Errors, too: a refused question is not kept waiting.
            _ => {
                *state = State {
                    answered: Some(now),
                    out_of_service: None,
                };
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<E>> {
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
    fn hanging(start: Instant) -> Availability<StoreError> {
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
    fn after_a_pause_whoever_comes_first_asks() {
        let start = Instant::now();
        let availability = hanging(start);
        let admit = |seconds| availability.admit(start + Duration::from_secs(seconds), TIMEOUT);
        assert_eq!(admit(0), Admission::Probe(hangs()));
        assert_eq!(admit(4), Admission::Ask);
        assert_eq!(admit(4), Admission::Refuse(hangs()));
        assert_eq!(admit(6), Admission::Probe(hangs()));
    }

    #[test]
    fn whatever_it_answers_it_is_asked_again() {
        let start = Instant::now();
        let refused = StoreError::Refused {
            why: crate::store::Refusal::Other,
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
