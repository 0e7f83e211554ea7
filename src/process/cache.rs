//! The CacheDB of `cachedb_url`, as one process asks it: bans, used nonce counts, registrations.
//!
//! Which driver serves is decided here. Redis is asked natively, on threads, and there is an answer
//! `cachedb_timeout` later at the latest; while it hangs, nobody waits for it: see
//! [`availability`](super::availability). Every other engine is OpenSIPS's own, is asked in the
//! process's own thread, and takes as long as it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::cmd;

use super::availability::{Admission, Availability};
use super::notices::{self, Subject};
use crate::config::cache as config;
use crate::counters::{Claim, Counters};
use crate::http::{self, BAN_PREFIX, Ban, Bans, Entry};
use crate::opensips::stats::{self, Statistic};
use crate::opensips::{cachedb, shared};
use crate::pool::{Lost, NoNotify, Notify, Pool, Ticket};
use crate::redis::{CacheError, Redis, Session};

/// Why a claim could not be made in time, see [`shared::exclusively`].
const NOT_FREE: &str =
    "another process has been using the CacheDB engine of cachedb_url for too long";

/// See the [module](self).
pub struct Cache {
    driver: Driver,
    required: bool,
}

enum Driver {
    Native(Native),
    Core {
        engine: cachedb::Engine,
        url: Arc<zeroize::Zeroizing<String>>,
        connection: Option<cachedb::Connection>,
    },
}

/// Redis, asked natively.
#[derive(Clone)]
pub struct Native {
    redis: Redis,
    availability: Arc<Availability<CacheError>>,
}

/// Sources that are banned, each with the seconds that are left, unless it is for ever.
pub type BanList = Vec<(String, Option<u64>)>;

fn ordered<C: Counters>(bans: &Bans<C>, source: &str, ban: Option<Ban>) -> Result<(), C::Error> {
    match ban {
        Some(ban) => bans.ban(source, ban),
        None => bans.lift(source),
    }
}

/// How many names Redis looks at in one step.
const STEP: usize = 1000;

fn banned(session: &Session<'_>, most: usize) -> Result<BanList, CacheError> {
    let mut bans = BTreeMap::new();
    let mut at: u64 = 0;
    loop {
        let mut scan = cmd("SCAN");
        let pattern = format!("{BAN_PREFIX}*");
        scan.arg(at)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(STEP);
        let (next, names): (u64, Vec<String>) = session.query(&scan)?;
        for name in names {
            let left: i64 = session.query(cmd("TTL").arg(&name))?;
            let address = name.strip_prefix(BAN_PREFIX).unwrap_or_default();
            // -2: it has just ended.
            if left != -2 {
                bans.insert(address.to_owned(), u64::try_from(left).ok());
            }
        }
        at = next;
        if at == 0 || bans.len() >= most {
            return Ok(bans.into_iter().collect());
        }
    }
}

/// Notes how a question ended that was asked at `asked`.
fn note(asked: Instant, error: Option<&dyn ToString>) {
    if error.is_some() {
        stats::count(Statistic::CachedbFailures);
    }
    notices::note(&Subject::Cachedb, asked, error);
}

/// Counts a question, and how long it takes.
fn counted<T>(ask: impl FnOnce() -> T) -> T {
    stats::count(Statistic::CachedbQueries);
    stats::CACHEDB_TIMER.time(ask)
}

impl Cache {
    /// Connects to nothing yet, and later on `connecting`. `None` where `cachedb_url` is not set.
    pub fn new(
        config: &config::Cache,
        engine: Option<cachedb::Engine>,
        connecting: &Arc<Pool>,
    ) -> Option<Self> {
        let driver = match (&config.driver, engine) {
            (config::Driver::Native(settings), _) => Driver::Native(Native {
                redis: Redis::new(
                    settings,
                    config.timeout,
                    connecting.clone(),
                    stats::CACHEDB_CONNECTIONS,
                ),
                availability: Arc::default(),
            }),
            (config::Driver::Core(url), Some(engine)) => Driver::Core {
                engine,
                url: url.clone(),
                connection: None,
            },
            (config::Driver::Core(_) | config::Driver::None, _) => return None,
        };
        Some(Cache {
            driver,
            required: config.required,
        })
    }

    /// Redis, where that is asked natively.
    pub fn native(&self) -> Option<&Native> {
        match &self.driver {
            Driver::Native(native) => Some(native),
            Driver::Core { .. } => None,
        }
    }

    /// Whether a source is banned, by the engine of the core; with Redis the [`Gate`] looks.
    ///
    /// # Errors
    /// Fails if the engine does, or Redis hangs, and `cachedb_required` is 1.
    pub fn check_ban(&mut self, source: &str) -> Result<Entry, String> {
        match self.by_core(false, |counters| Bans::new(counters).enter(source, None)) {
            Some(entry) => unless_required(entry, self.required),
            None => Ok(Entry::Open),
        }
    }

    /// What a request has to pass: at once by the engine of the core, later with Redis.
    pub fn gate(&mut self, source: &str, claim: Option<Claim>, threads: &Pool) -> Passing {
        if let Driver::Native(native) = &self.driver {
            return match native.admit(threads) {
                Ok(()) => Passing::Later(Gate {
                    native: native.clone(),
                    source: source.to_owned(),
                    claim,
                    required: self.required,
                }),
                Err(error) => Passing::Now(unless_required(Err(error.to_string()), self.required)),
            };
        }
        let Some(claim) = claim else {
            return Passing::Now(Ok(Entry::Open));
        };
        let claimed = self.by_core(true, |counters| counters.claim(&claim));
        let entry = claimed.unwrap_or(Ok(true)).map(|is_first| match is_first {
            true => Entry::Open,
            false => Entry::Replay,
        });
        Passing::Now(unless_required(entry, self.required))
    }

    /// Bans a source by the engine of the core; with Redis the [`Gate`] does.
    pub fn ban(&mut self, source: &str, ban: Ban) -> Option<Result<(), String>> {
        self.by_core(false, |counters| Bans::new(counters).ban(source, ban))
    }

    /// Bans a source, or ends its ban: for a process that may wait, for `cachedb_timeout` with Redis.
    ///
    /// # Errors
    /// Fails with the error of Redis, or of the engine.
    pub fn order(&mut self, source: &str, ban: Option<Ban>, threads: &Pool) -> Result<(), String> {
        if let Driver::Native(native) = &self.driver {
            native.admit(threads).map_err(|error| error.to_string())?;
            let source = source.to_owned();
            let work = move |session: &Session<'_>| ordered(&Bans::new(session), &source, ban);
            let started = native.submit(threads, NoNotify, work);
            let done = started.and_then(Ticket::wait);
            return done.map_err(|error| error.to_string());
        }
        let done = self.by_core(false, |counters| ordered(&Bans::new(counters), source, ban));
        done.unwrap_or(Ok(()))
    }

    /// The sources that are banned, and for how many seconds, unless for ever; at most `most`. `None` where nobody can
    /// tell: an engine of OpenSIPS, and a cluster. For a process that may wait, for `cachedb_timeout`.
    pub fn list(&self, most: usize, threads: &Pool) -> Option<Result<BanList, String>> {
        let native = self.native()?;
        if native.redis.is_cluster() {
            return None;
        }
        let list = || {
            native.admit(threads)?;
            let work = move |session: &Session<'_>| banned(session, most);
            native.submit(threads, NoNotify, work)?.wait()
        };
        Some(list().map_err(|error| error.to_string()))
    }

    /// `is_claim`: the engine in memory looks and adds in two steps; between them, another process could use
    /// up the same nonce count.
    fn by_core<T>(
        &mut self,
        is_claim: bool,
        work: impl FnOnce(&cachedb::Connection) -> Result<T, cachedb::CacheDbError>,
    ) -> Option<Result<T, String>> {
        let Driver::Core {
            engine,
            url,
            connection,
        } = &mut self.driver
        else {
            return None;
        };
        if connection.is_none() {
            *connection = engine.open(url);
        }
        let asked = Instant::now();
        let done = counted(|| match connection {
            None => Err(cachedb::CacheDbError.to_string()),
            Some(connection) if is_claim && url.starts_with("local:") => {
                let claimed = shared::exclusively(|| work(connection));
                claimed.map_or_else(
                    || Err(NOT_FREE.to_owned()),
                    |done| done.map_err(|error| error.to_string()),
                )
            }
            Some(connection) => work(connection).map_err(|error| error.to_string()),
        });
        note(asked, done.as_ref().err().map(|error| error as _));
        Some(done)
    }
}

impl Native {
    /// Whether it may be asked now.
    ///
    /// # Errors
    /// Fails while Redis hangs; it is asked by a probe in the background then.
    pub fn admit(&self, threads: &Pool) -> Result<(), CacheError> {
        match self
            .availability
            .admit(Instant::now(), self.redis.timeout())
        {
            Admission::Ask => Ok(()),
            Admission::Refuse(error) => {
                stats::count(Statistic::CachedbFailures);
                Err(error)
            }
            Admission::Probe(error) => {
                stats::count(Statistic::CachedbFailures);
                drop(self.submit(threads, NoNotify, |session| session.ping()));
                Err(error)
            }
        }
    }

    /// Asks in the calling thread, which waits for `cachedb_timeout` at most, and no longer than
    /// until `deadline`.
    ///
    /// # Errors
    /// Fails with the error of Redis or of the work.
    pub fn ask<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session<'_>) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let session = self.redis.session(deadline);
        let asked = Instant::now();
        let done = counted(|| work(&session));
        self.note(done.as_ref().err(), session.until(), asked);
        done
    }

    /// Starts to ask on a thread of `threads`. `notify` is told when the ticket is complete,
    /// `cachedb_timeout` later at the latest.
    ///
    /// # Errors
    /// Fails if nothing was started.
    pub fn submit<T: Send + 'static>(
        &self,
        threads: &Pool,
        notify: impl Notify + 'static,
        work: impl FnOnce(&Session<'_>) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<Ticket<Result<T, CacheError>>, CacheError> {
        let timeout = self.redis.timeout();
        let deadline = Instant::now() + timeout;
        let (asked, lost_by) = (self.clone(), self.clone());
        let lost = move |lost| match lost {
            Lost::TimedOut => {
                let error = lost_by.redis.timed_out();
                lost_by.note(Some(&error), deadline, deadline);
                Err(error)
            }
            Lost::Panicked => Err(CacheError::Unreachable(
                "internal error in its driver".into(),
            )),
        };
        threads
            .submit(deadline, lost, move || asked.ask(deadline, work), notify)
            .map_err(|full| CacheError::Busy(full.to_string()))
    }

    /// As [`submit`](Self::submit), for work that asks several things one after the other, each by
    /// [`ask_aside`](Self::ask_aside). The ticket is complete at `deadline` at the latest; the work goes on.
    ///
    /// # Errors
    /// Fails if nothing was started.
    pub fn submit_aside<T: Send + 'static>(
        &self,
        threads: &Pool,
        deadline: Instant,
        notify: impl Notify + 'static,
        work: impl FnOnce(&Native) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<Ticket<Result<T, CacheError>>, CacheError> {
        let (asked, lost_by) = (self.clone(), self.clone());
        let lost = move |lost| match lost {
            Lost::TimedOut => Err(lost_by.timed_out()),
            Lost::Panicked => Err(CacheError::Unreachable(
                "internal error in its driver".into(),
            )),
        };
        threads
            .submit(deadline, lost, move || work(&asked), notify)
            .map_err(|full| CacheError::Busy(full.to_string()))
    }

    /// Asks in the calling thread, which waits for `cachedb_timeout` at most. A long answer that comes late
    /// says nothing of short ones: nobody else takes it for an outage.
    ///
    /// # Errors
    /// Fails with the error of Redis or of the work.
    pub fn ask_aside<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let deadline = Instant::now() + self.timeout();
        let done = counted(|| work(&self.redis.session(deadline)));
        if done.is_err() {
            stats::count(Statistic::CachedbFailures);
        }
        done
    }

    /// The time-out of a question.
    pub fn timeout(&self) -> Duration {
        self.redis.timeout()
    }

    /// The error that the time is over.
    pub fn timed_out(&self) -> CacheError {
        self.redis.timed_out()
    }

    fn note(&self, error: Option<&CacheError>, deadline: Instant, asked: Instant) {
        let is_outage = |error: &&CacheError| !error.is_of_key();
        self.availability
            .note(error.filter(is_outage), deadline, Instant::now());
        match error {
            Some(CacheError::Busy(_)) => {}
            Some(error) if error.is_of_key() => stats::count(Statistic::CachedbFailures),
            error => note(asked, error.map(|error| error as _)),
        }
    }
}

/// Whether a request passes.
pub enum Passing {
    /// The answer is known.
    Now(Result<Entry, String>),
    /// It is asked for on the thread that goes on with the request.
    Later(Gate),
}

/// The bans and the claim of one request, asked about on the thread that asks its endpoint.
pub struct Gate {
    native: Native,
    source: String,
    claim: Option<Claim>,
    required: bool,
}

impl Gate {
    /// Asks on a thread of its own, for a request that is refused in any case.
    ///
    /// # Errors
    /// Fails with what came of it if nothing was started.
    pub fn start<N: Notify + 'static>(
        self,
        threads: &Pool,
        notify: N,
    ) -> Result<Ticket<Result<Entry, String>>, Result<Entry, String>> {
        let timeout = self.native.redis.timeout();
        let deadline = Instant::now() + timeout;
        let (native, required) = (self.native.clone(), self.required);
        let lost = move |_| {
            let error = native.redis.timed_out();
            native.note(Some(&error), deadline, deadline);
            unless_required(Err(error.to_string()), required)
        };
        let job = move || http::Gate::enter(&self, deadline);
        threads.submit(deadline, lost, job, notify).map_err(|full| {
            unless_required(
                Err(CacheError::Busy(full.to_string()).to_string()),
                required,
            )
        })
    }
}

fn unless_required(entry: Result<Entry, String>, required: bool) -> Result<Entry, String> {
    match (entry, required) {
        (Err(_), false) => Ok(Entry::Open),
        (entry, _) => entry,
    }
}

impl http::Gate for Gate {
    fn enter(&self, until: Instant) -> Result<Entry, String> {
        let enter =
            |session: &Session<'_>| Bans::new(session).enter(&self.source, self.claim.as_ref());
        let entry = self.native.ask(until, enter);
        unless_required(entry.map_err(|error| error.to_string()), self.required)
    }

    fn ban(&self, ban: Ban, until: Instant) -> Result<(), String> {
        let ban = |session: &Session<'_>| Bans::new(session).ban(&self.source, ban);
        self.native
            .ask(until, ban)
            .map_err(|error| error.to_string())
    }
}
