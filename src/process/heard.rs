//! What other machines revoke, by way of Redis (`revocations_cachedb`): heard of by whichever process has a
//! token to judge when that is due, on a thread, into the list that all processes share.
//!
//! A second after it was last heard of it is asked for again, in the background. Where there were no tokens for
//! so long that something may have been missed, a token waits for it.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::cache::Native;
use crate::clock;
use crate::jwt::revocations::list::{List, ListError};
use crate::log;
use crate::module::Module;
use crate::opensips::shared;
use crate::pool::{NoNotify, Notify, Pool, Ticket};
use crate::redis::{CacheError, Session};
use crate::revocations;

/// Name in log lines.
const NAME: &CStr = c"revocations";

/// After which time Redis is asked again, and for how long nobody else does.
const AGAIN: Duration = Duration::from_secs(1);

/// For how long a token need not wait for that.
const FRESH: Duration = Duration::from_secs(5);

/// How many could not be read; what is heard of may have no room.
pub type Heard = Result<Result<usize, ListError>, CacheError>;

/// See the [module](self).
#[derive(Debug)]
pub struct Hearing {
    module: &'static Module,
    list: &'static List,
    /// In progress on a thread, for nobody in particular.
    pending: Option<Ticket<Heard>>,
    told: Option<Instant>,
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
            match ask(self.module, native, threads, NoNotify) {
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

    /// Logs that Redis could not be asked, at most once a second.
    pub fn report(&mut self, error: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            self.told = Some(Instant::now());
            log!(Warning, NAME, "of other machines: {error}");
        }
    }

    fn may_ask(&self) -> bool {
        let patience = u64::try_from(AGAIN.as_nanos()).unwrap_or(u64::MAX);
        self.list.may_ask(nanoseconds(self.module), patience)
    }

    /// `None` before anything was heard.
    fn age(&self) -> Option<Duration> {
        let (time, _) = self.list.heard();
        let age = nanoseconds(self.module).saturating_sub(time);
        (time != 0).then(|| Duration::from_nanos(age))
    }
}

fn nanoseconds(module: &Module) -> u64 {
    u64::try_from(module.start.elapsed().as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Logs what is left out of an answer, once for all processes; what went wrong.
pub fn failure(heard: &Heard) -> Option<String> {
    match heard {
        Ok(Ok(0)) => None,
        Ok(Ok(faults)) => {
            if shared::page().told.is_new(("revocations in Redis", faults)) {
                log!(
                    Error,
                    NAME,
                    "left out: {faults} in Redis that can't be read"
                );
            }
            None
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Asks Redis on a thread.
///
/// # Errors
/// Fails if nothing was started.
pub fn ask(
    module: &'static Module,
    native: Option<&Native>,
    threads: &Pool,
    notify: impl Notify + 'static,
) -> Result<Ticket<Heard>, CacheError> {
    let native = native.ok_or_else(|| CacheError::Busy("cachedb_url is not set".into()))?;
    native.admit(threads)?;
    native.submit(threads, notify, move |session| hear(module, session))
}

/// Has all processes know what other machines have revoked.
fn hear(module: &Module, session: &Session<'_>) -> Heard {
    let list = &module.revocations.told;
    let begun = nanoseconds(module);
    let (_, order) = list.heard();
    let news = revocations::hear(session, order)?;
    let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    let heard = list.hear(&news.revocations, (begun, news.order), now);
    Ok(heard.map(|()| news.faults))
}
