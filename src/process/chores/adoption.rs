//! Takes registrations that others have made up into the indexes in Redis (`registration_adopt_interval`), in small
//! steps, and knows how many there are.

use std::ffi::CStr;
use std::time::Duration;

use super::super::{Process, with};
use super::chore::Chore;
use crate::clock;
use crate::log;
use crate::module::Module;
use crate::opensips::stats::{self, State};
use crate::redis::{CacheError, Session};
use crate::registrations::{Registrations, Round, Turn};

/// Name in log lines.
const NAME: &CStr = c"registrations";

/// Steps that are done one after the other, before Redis is left to others for a [`PAUSE`].
const STEPS: usize = 4;

/// The pause after them: with a thousand keys each time, twenty thousand a second at most.
const PAUSE: Duration = Duration::from_millis(50);

/// The time after which it begins anew where Redis has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub struct Adopt {
    interval: Duration,
    /// Where it goes on; `None` between rounds.
    round: Option<Round>,
    /// Why it failed last, if it did: said once.
    failure: Option<String>,
}

/// What came of some steps.
struct Stepped {
    round: Option<Round>,
    /// In what time there is more to do.
    again: Duration,
    /// How many registrations there are, at the beginning of a round.
    number: Option<u64>,
}

impl Adopt {
    /// As often as that.
    pub fn new(interval: Duration) -> Self {
        Adopt {
            interval,
            round: None,
            failure: None,
        }
    }

    fn ask(&self, process: &Process) -> Result<Stepped, CacheError> {
        let (round, interval) = (self.round, self.interval);
        process.ask_redis(move |session| step(session, round, interval))
    }
}

fn step(
    session: &Session<'_>,
    round: Option<Round>,
    interval: Duration,
) -> Result<Stepped, CacheError> {
    let registrations = Registrations::new(session);
    let now = || u64::try_from(clock::now().as_millis()).unwrap_or(u64::MAX);
    let mut number = None;
    let mut at = match round {
        Some(at) => at,
        None => {
            number = Some(registrations.count_all(now())?);
            match registrations.begin_round(interval)? {
                Turn::Ours(at) => at,
                Turn::Others(left) => {
                    return Ok(Stepped {
                        round: None,
                        again: left.min(interval),
                        number,
                    });
                }
            }
        }
    };
    for _ in 0..STEPS {
        match registrations.adopt(at, interval, now())? {
            Some(next) => at = next,
            None => {
                return Ok(Stepped {
                    round: None,
                    again: interval,
                    number: Some(registrations.count_all(now())?),
                });
            }
        }
    }
    Ok(Stepped {
        round: Some(at),
        again: PAUSE,
        number,
    })
}

impl Chore for Adopt {
    fn run(&mut self, module: &'static Module) -> Duration {
        match with(module, |process| self.ask(process)) {
            Ok(stepped) => {
                if let Some(number) = stepped.number {
                    stats::set_state(State::RegistrationsActive, number);
                }
                self.round = stepped.round;
                self.failure = None;
                stepped.again
            }
            Err(error) => {
                let error = error.to_string();
                if self.failure.as_ref() != Some(&error) {
                    log!(Warning, NAME, "those of others are not taken up: {error}");
                    self.failure = Some(error);
                }
                // Where it was may mean nothing to the server that answers next.
                self.round = None;
                self.interval.min(AFTER_FAILURE)
            }
        }
    }
}
