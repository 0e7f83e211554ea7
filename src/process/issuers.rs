//! The issuers of a table, as a process has them at hand.
//!
//! With the native driver the table is read on a thread. A token whose issuer is listed waits for that if
//! what is known of it is too old; one of any other waits for nothing but the first reading after
//! `jwt_reload`.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{self, Query};
use super::issuer_cache::{IssuerCache, Lookup, Since};
use crate::log;
use crate::module::Module;
use crate::opensips::shared;
use crate::opensips::stats::{self, Statistic};
use crate::pool::{NoNotify, Ticket};
use crate::store::Answer;
use crate::store::issuers::{Issuer, Issuers, Rows};
use crate::store::shared::{Aged, Wanted};

/// Name in log lines.
const NAME: &CStr = c"issuers";

/// How often those who do not wait have the table read again.
const PAUSE: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub struct IssuerList {
    module: &'static Module,
    cache: IssuerCache,
    /// What was read last, for those who never wait.
    newest: Arc<Issuers>,
    /// When one of them last had it read again.
    refreshed: Option<Instant>,
    /// In progress on a thread, for nobody in particular.
    pending: Option<(Since, Ticket<Answer<Aged<Rows>>>)>,
}

/// Now, and after how many reloads.
pub fn now() -> Since {
    Since {
        generation: shared::page().generation.get(),
        time: Instant::now(),
    }
}

/// Which answers count for whoever wants to know now.
pub fn wanted(module: &Module, now: Since) -> Wanted {
    let database = module.config.database.as_ref();
    let ttl = database.map_or(Duration::ZERO, |database| database.cache.ttl);
    Wanted::within(ttl, now.generation)
}

/// Logs what is wrong with rows, once for all processes.
pub fn report(issuers: &Issuers) {
    for fault in &issuers.faults {
        if shared::page().told.is_new(fault) {
            log!(Error, NAME, "left out: {fault}");
        }
    }
}

impl IssuerList {
    /// With what was read at start; `None` without a table.
    pub fn new(module: &'static Module) -> Option<Self> {
        let cache = &module.config.database.as_ref()?.cache;
        let (time, issuers) = module.first_issuers.clone()?;
        let since = Since {
            generation: 0,
            time,
        };
        Some(IssuerList {
            module,
            newest: issuers.clone(),
            refreshed: None,
            cache: IssuerCache::new(cache.ttl, cache.grace, Some((since, issuers))),
            pending: None,
        })
    }

    /// Whether an issuer still counts, and need not be asked for.
    pub fn has(&self, issuer: &Arc<Issuer>) -> bool {
        let fresh = self.cache.fresh(now());
        fresh.is_some_and(|issuers| issuers.has(issuer))
    }

    /// Whether what counts is known, and this `iss` is that of no issuer.
    pub fn lacks(&self, iss: Option<&str>) -> bool {
        let fresh = self.cache.fresh(now());
        fresh.is_some_and(|issuers| iss.is_none_or(|iss| issuers.get(iss).is_none()))
    }

    /// See [`IssuerCache::lookup`].
    pub fn lookup(&mut self) -> Lookup {
        if let Some((since, ticket)) = self.pending.take() {
            let taken = ticket.try_take();
            let is_asked =
                |answer: &Answer<Aged<_>>| answer.as_ref().map_or(true, |it| it.is_asked);
            if taken.as_ref().is_ok_and(is_asked) {
                stats::count(Statistic::JwtStoreQueries);
            }
            match taken {
                Ok(Ok(rows)) => drop(self.store(since, rows)),
                Ok(Err(error)) => self.report_failure(&error.to_string()),
                Err(ticket) => self.pending = Some((since, ticket)),
            }
        }
        self.cache.lookup(now(), shared::page().dropped.get())
    }

    /// Takes what was wanted at `since`, and may have been asked for before; the issuers that count by then.
    pub fn store(&mut self, since: Since, rows: Aged<Rows>) -> Arc<Issuers> {
        let Aged {
            value, since: time, ..
        } = rows;
        let (since, rows) = (Since { time, ..since }, value);
        let tokens = &self.module.config.tokens.issuers;
        let before = self.cache.newest().cloned().unwrap_or_default();
        let issuers = tokens.with_rows(rows, &before);
        report(&issuers);
        self.newest = self.cache.store(since, Arc::new(issuers));
        self.newest.clone()
    }

    /// Whether what was read last was read since the last reload.
    pub fn is_current(&self) -> bool {
        self.cache.is_of(now().generation)
    }

    /// Whether somebody who does not wait should have the table read again: at most once a second, also while
    /// nothing that is known counts.
    pub fn should_refresh(&mut self) -> bool {
        if matches!(self.lookup(), Lookup::Fresh(_)) {
            return false;
        }
        let now = Instant::now();
        let age = |at: Instant| now.saturating_duration_since(at);
        let is_due = self.refreshed.is_none_or(|at| age(at) >= PAUSE);
        if is_due {
            self.refreshed = Some(now);
        }
        is_due
    }

    /// What was read last, however old.
    pub fn newest(&self) -> Arc<Issuers> {
        self.newest.clone()
    }

    /// Reads the table for nobody in particular.
    pub fn refresh(&mut self, query: Query<Aged<Rows>>) {
        if self.pending.is_none() {
            // Before it is asked: a reload in between makes the answer outdated.
            let since = now();
            match query.start(NoNotify) {
                Ok(ticket) => self.pending = Some((since, ticket)),
                Err(error) => self.report_failure(&error.to_string()),
            }
        }
    }

    fn report_failure(&self, error: &str) {
        database::cache_serves(&self.module.config, NAME, &error);
    }
}
