//! The table of revocations, which is read as a whole into memory that all processes share: by whichever
//! process has a token to judge when that is due, on a thread with the native driver.
//!
//! What was read is fresh for `cache_ttl`. When half of that is over, it is read again in the background. Where
//! there were no tokens for so long that it is not fresh any more, and after `jwt_reload`, a token waits for it.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::database::{self, Asked};
use crate::clock;
use crate::jwt::revocations::list::{List, Stamp};
use crate::log;
use crate::module::Module;
use crate::opensips::shared;
use crate::opensips::stats::{self, Statistic};
use crate::pool::{NoNotify, Ticket};
use crate::store::revocations::Rows;
use crate::store::{Answer, Source, StoreError};

/// Name in log lines.
const NAME: &CStr = c"revocations";

/// For how long after the table was asked for again nobody else asks, as long as what is known serves.
const PATIENCE: Duration = Duration::from_secs(1);

/// How old is what is known of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// It counts.
    Fresh,
    /// It counts, and is to be read again in the background.
    Due,
    /// It serves if the table can't be read.
    Stale,
    /// It does not count any more.
    Gone,
}

/// What a process knows of the table.
#[derive(Debug)]
pub struct RevocationRows {
    module: &'static Module,
    list: &'static List,
    /// Whether it can be read on a thread.
    has_threads: bool,
    ttl: Duration,
    grace: Duration,
    /// In progress on a thread, for nobody in particular.
    pending: Option<Ticket<Answer<Vec<String>>>>,
}

impl RevocationRows {
    /// `None` without a table.
    pub fn new(module: &'static Module) -> Option<Self> {
        let list = module.revocations.rows.as_ref()?;
        let database = module.config.database.as_ref()?;
        Some(RevocationRows {
            module,
            list,
            has_threads: module.core_driver.is_none(),
            ttl: database.cache.ttl,
            grace: database.cache.grace,
            pending: None,
        })
    }

    /// Whether what is known serves a token that finds it stale: because another asks for the table, or has
    /// just done so. If not, whoever asks this is to read it; the number is whether it serves nevertheless if
    /// that fails.
    pub fn serves(&self) -> Result<(), bool> {
        match self.age() {
            Age::Fresh | Age::Due => Ok(()),
            Age::Stale if !self.may_ask() => Ok(()),
            Age::Stale => Err(true),
            Age::Gone => Err(false),
        }
    }

    fn may_ask(&self) -> bool {
        let now = stamp(self.module).time;
        self.list.may_ask(now, nanoseconds(PATIENCE))
    }

    /// Whether what is known counts; and whether whoever asks this is to have it read again in the background.
    pub fn freshness(&mut self) -> (bool, bool) {
        self.report_pending();
        let age = self.age();
        let is_due = age == Age::Due && self.has_threads && self.pending.is_none();
        let is_fresh = matches!(age, Age::Fresh | Age::Due);
        (is_fresh, is_due && self.may_ask())
    }

    /// Reads it in the background.
    pub fn read_again(&mut self, asked: Asked<Vec<String>>) {
        stats::count(Statistic::JwtStoreQueries);
        let started = match asked {
            Asked::Pending(query) => query.start(NoNotify),
            // It hangs: otherwise there is a thread.
            Asked::Answered(answer) => match answer {
                Ok(faults) => return report(&faults),
                Err(error) => Err(error),
            },
        };
        match started {
            Ok(ticket) => self.pending = Some(ticket),
            Err(error) => self.report_failure(&error),
        }
    }

    fn report_pending(&mut self) {
        if let Some(ticket) = self.pending.take() {
            match ticket.try_take() {
                Ok(Ok(faults)) => report(&faults),
                Ok(Err(error)) => self.report_failure(&error),
                Err(ticket) => self.pending = Some(ticket),
            }
        }
    }

    fn report_failure(&self, error: &StoreError) {
        stats::count(Statistic::JwtStoreFailures);
        database::cache_serves(&self.module.config, NAME, error);
    }

    fn age(&self) -> Age {
        let (known, now) = (self.list.stamp(), stamp(self.module));
        let is_dropped = known.reload < shared::page().dropped.get();
        if known.time == 0 || is_dropped || self.ttl.is_zero() {
            return Age::Gone;
        }
        let is_current = known.reload == now.reload;
        let age = Duration::from_nanos(now.time.saturating_sub(known.time));
        match age {
            age if is_current && age < self.ttl / 2 => Age::Fresh,
            age if is_current && age < self.ttl => Age::Due,
            age if age < self.ttl.saturating_add(self.grace) => Age::Stale,
            _ => Age::Gone,
        }
    }
}

/// Now, and after how many reloads.
fn stamp(module: &Module) -> Stamp {
    Stamp {
        reload: shared::page().generation.get(),
        time: nanoseconds(module.start.elapsed()),
    }
}

/// Never 0, which is no time.
fn nanoseconds(time: Duration) -> u64 {
    clock::nanoseconds(time).max(1)
}

/// Logs what is wrong with rows, once for all processes.
pub fn report(faults: &[String]) {
    for fault in faults {
        if shared::page().told.is_new(fault) {
            log!(Error, NAME, "left out: {fault}");
        }
    }
}

/// What reads the table and has all processes know what is in it, on whichever thread; it gives what is wrong
/// with rows.
pub fn reading(
    module: &'static Module,
) -> impl FnOnce(&mut dyn Source) -> Answer<Vec<String>> + Send + 'static {
    // Before it is asked: a reload in between makes the answer outdated.
    let stamp = stamp(module);
    move |source| {
        let tokens = &module.config.tokens;
        let (now, leeway) = (clock::now().as_secs(), tokens.rules.leeway);
        let [now, leeway] = [now, leeway].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let rows = tokens.revocations.fetch_all(source, now, leeway)?;
        match &module.revocations.rows {
            Some(list) => take(list, &tokens.revocations.table, rows, stamp),
            None => Ok(Vec::new()),
        }
    }
}

/// Takes the rows as they were at start.
///
/// # Errors
/// Fails if there is no room for them.
pub fn take_first(
    list: &List,
    table: &str,
    rows: Rows,
    (start, read): (Instant, Instant),
) -> Answer<()> {
    let stamp = Stamp {
        reload: 0,
        time: nanoseconds(read.saturating_duration_since(start)),
    };
    take(list, table, rows, stamp).map(|faults| report(&faults))
}

fn take(list: &List, table: &str, rows: Rows, stamp: Stamp) -> Answer<Vec<String>> {
    let replaced = list.replace(&rows.revocations, stamp);
    replaced.map_err(|error| StoreError::BadRow {
        table: table.to_owned(),
        cause: error.to_string(),
    })?;
    Ok(rows.faults)
}
