//! What other machines revoke, by way of Redis (`revocations_cachedb`): heard of by whichever process has a
//! token to judge when that is due, on a thread, into the list that all processes share.
//!
//! A second after it was last heard of it is asked for again, in the background. Where there were no tokens for
//! so long that something may have been missed, a token waits for it.
//!
//! One thread of the machine hears at a time; others wait until it has. It asks for one page at a time, each of
//! which has `cachedb_timeout`, and whatever ends it, the next one goes on where it was.

use std::ffi::CStr;
use std::thread;
use std::time::{Duration, Instant};

use super::cache::Native;
use crate::clock;
use crate::jwt::revocations::list::{List, ListError, Turn};
use crate::log;
use crate::module::Module;
use crate::opensips::shared;
use crate::pool::{NoNotify, Notify, Pool, Ticket};
use crate::redis::CacheError;
use crate::revocations;

/// Name in log lines.
const NAME: &CStr = c"revocations";

/// After which time Redis is asked again, and for how long nobody else does.
const AGAIN: Duration = Duration::from_secs(1);

/// How long one thread goes on at most; then the next one does.
const LONGEST: Duration = Duration::from_secs(60);

/// How often whoever waits for another looks.
const TICK: Duration = Duration::from_millis(5);

/// How often the log says the same of Redis.
const MINUTE: Duration = Duration::from_secs(60);

/// How often the log says that there is no room.
const HOUR: Duration = Duration::from_secs(3600);

/// For how long a token need not wait for that.
const FRESH: Duration = Duration::from_secs(5);

/// What is heard of may have no room.
pub type Heard = Result<Result<(), ListError>, CacheError>;

/// See the [module](self).
#[derive(Debug)]
pub struct Hearing {
    module: &'static Module,
    list: &'static List,
    /// In progress on a thread, for nobody in particular.
    pending: Option<Ticket<Heard>>,
    told: Option<(Instant, String)>,
}

impl Hearing {
    /// `None` unless revocations are shared.
    pub fn new(module: &'static Module) -> Option<Self> {
        let is_wanted = module.config.tokens.revocations_cachedb;
        is_wanted.then(|| Hearing {
            module,
            list: &module.revocations.told,
            pending: None,
            told: None,
        })
    }

    /// Whether what is known counts. If it is due, it is asked for in the background.
    pub fn is_fresh(&mut self, native: Option<&Native>, threads: &Pool) -> bool {
        if let Some(ticket) = self.pending.take() {
            match ticket.try_take() {
                Ok(heard) => {
                    if let Some(error) = failure(&heard) {
                        self.report(&error);
                    }
                }
                Err(ticket) => self.pending = Some(ticket),
            }
        }
        let age = self.age();
        let is_due = age.is_none_or(|age| age >= AGAIN);
        if is_due && self.pending.is_none() && self.may_ask() {
            match ask(self.module, native, threads, LONGEST, NoNotify) {
                Ok(ticket) => self.pending = Some(ticket),
                Err(error) => self.report(&error.to_string()),
            }
        }
        age.is_some_and(|age| age < FRESH)
    }

    /// Whether what is known serves if Redis can't be asked.
    pub fn serves(&self) -> bool {
        let grace = self.module.config.tokens.cache_grace;
        !self.module.config.cache.required
            || self
                .age()
                .is_some_and(|age| age < FRESH.saturating_add(grace))
    }

    /// Logs that Redis could not be asked, at most once a minute for the same reason.
    pub fn report(&mut self, error: &str) {
        let is_known = |(told, what): &(Instant, String)| what == error && told.elapsed() < MINUTE;
        if !self.told.as_ref().is_some_and(is_known) {
            self.told = Some((Instant::now(), error.to_owned()));
            log!(Warning, NAME, "of other machines: {error}");
        }
    }

    fn may_ask(&self) -> bool {
        let patience = clock::nanoseconds(AGAIN);
        self.list.may_ask(nanoseconds(self.module), patience)
    }

    /// `None` before anything was heard.
    fn age(&self) -> Option<Duration> {
        let time = self.list.heard();
        let age = nanoseconds(self.module).saturating_sub(time);
        (time != 0).then(|| Duration::from_nanos(age))
    }
}

fn nanoseconds(module: &Module) -> u64 {
    clock::nanoseconds(module.start.elapsed()).max(1)
}

/// What went wrong.
pub fn failure(heard: &Heard) -> Option<String> {
    match heard {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Asks Redis on a thread. The ticket is complete after `patience` at the latest; what is heard later is heard
/// nevertheless.
///
/// # Errors
/// Fails if nothing was started.
pub fn ask(
    module: &'static Module,
    native: Option<&Native>,
    threads: &Pool,
    patience: Duration,
    notify: impl Notify + 'static,
) -> Result<Ticket<Heard>, CacheError> {
    let native = native.ok_or_else(|| CacheError::Busy("cachedb_url is not set".into()))?;
    native.admit(threads)?;
    let until = Instant::now() + patience;
    native.submit_aside(threads, until, notify, move |native| {
        wait(module, native, until)
    })
}

/// Hears others, or waits until another thread has.
fn wait(module: &Module, native: &Native, until: Instant) -> Heard {
    let list = &module.revocations.told;
    let begun = nanoseconds(module);
    loop {
        if let Some(mut turn) = list.take_turn(nanoseconds(module), lease(native)) {
            let heard = hear(module, native, &mut turn);
            list.end_turn(turn);
            return heard;
        }
        if list.heard() >= begun {
            return Ok(Ok(()));
        }
        if Instant::now() >= until {
            return Err(native.timed_out());
        }
        thread::sleep(TICK);
    }
}

/// How long a turn lasts unless it is prolonged: so long does nobody else hear if its process is killed.
fn lease(native: &Native) -> u64 {
    let lease = native.timeout().saturating_mul(2) + AGAIN;
    clock::nanoseconds(lease)
}

/// Has all processes know what other machines have revoked.
fn hear(module: &Module, native: &Native, turn: &mut Turn) -> Heard {
    let list = &module.revocations.told;
    let tokens = &module.config.tokens;
    let leeway = i64::try_from(tokens.rules.leeway).unwrap_or(i64::MAX);
    let last = Instant::now() + LONGEST;
    loop {
        let begun = nanoseconds(module);
        if !list.prolong(turn, begun, lease(native)) || Instant::now() >= last {
            return Ok(Err(ListError::Busy));
        }
        let place = list.place();
        let news = native.ask_aside(|session| revocations::hear(session, place, leeway))?;
        report_faults(news.faults);
        let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
        if let Err(error) = list.hear(turn, &news.revocations, news.place, now) {
            report_full(module, error);
            return Ok(Err(error));
        }
        if news.is_all {
            list.is_heard(begun);
            return Ok(Ok(()));
        }
    }
}

/// Logs how many of a page are left out, once for all processes.
fn report_faults(faults: usize) {
    if faults > 0 && shared::page().told.is_new(("revocations in Redis", faults)) {
        log!(
            Error,
            NAME,
            "left out: {faults} in Redis that can't be read"
        );
    }
}

/// Says what is to be done where there is no room for what others revoke: once an hour, for all processes.
fn report_full(module: &Module, error: ListError) {
    let ListError::Full(most) = error else {
        return;
    };
    let hour = module.start.elapsed().as_secs() / HOUR.as_secs();
    if shared::page().told.is_new(("no room for others", hour)) {
        let what_follows = match module.config.cache.required {
            true => "good tokens are refused (-6) after cache_grace",
            false => "tokens that they revoke are admitted (cachedb_required is 0)",
        };
        log!(
            Error,
            NAME,
            "of other machines: no room for all of them: {most} count, which is revocations_max; \
             {what_follows} until it is as high as on the machine with the highest, and OpenSIPS restarted"
        );
    }
}
