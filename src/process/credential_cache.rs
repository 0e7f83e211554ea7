//! What a process has read from the table of credentials, and what its age calls for.

use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::config::database::Database;
use crate::credentials::Credentials;
use crate::log;
use crate::module::Module;
use crate::opensips::shared;
use crate::pool::Ticket;
use crate::store::cache::ASK_AGAIN;
use crate::store::credentials::{MAX_ROWS, Rows};
use crate::store::shared::Aged;
use crate::store::{Answer, StoreError};

/// Name in log lines.
const NAME: &CStr = c"credentials";

/// A point in time and the generation at that time: what was read after it is at least that new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) time: Instant,
    pub(super) generation: u64,
}

/// Credentials at hand, and the state of reading the table again.
#[derive(Debug, Default)]
pub struct CredentialCache {
    loaded: Option<(Since, Arc<Credentials>)>,
    /// In progress on a thread.
    pub(super) pending: Option<(Since, Ticket<Answer<Aged<Rows>>>)>,
    /// Why the table could not be read the last time, and when that became known.
    failed: Option<(Since, StoreError)>,
    /// The part of `loaded` that threads that ask endpoints see.
    pub(super) current: Arc<Mutex<Option<Arc<Credentials>>>>,
}

/// What to do to get an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What is at hand is used.
    Serve,
    /// What is at hand is used, and the table is read again in the background.
    Refresh,
    /// The table is read first.
    Read,
}

impl CredentialCache {
    /// What the age of the credentials at hand calls for.
    pub(super) fn step(&self, database: &Database, now: Since) -> Step {
        let cache = &database.cache;
        let Some((since, _)) = &self.loaded else {
            return Step::Read;
        };
        let age = now.time.saturating_duration_since(since.time);
        if since.generation != now.generation || cache.ttl.is_zero() {
            Step::Read
        } else if age < cache.ttl {
            Step::Serve
        } else if age < cache.ttl + cache.grace {
            Step::Refresh
        } else {
            Step::Read
        }
    }

    /// Whether reading the table has just failed, so that it is left alone for a moment.
    pub(super) fn has_just_failed(&self, now: Since) -> bool {
        self.failed.as_ref().is_some_and(|(since, _)| {
            since.generation == now.generation
                && now.time.saturating_duration_since(since.time) < ASK_AGAIN
        })
    }

    /// Whether a request waits until the table is read.
    pub(super) fn waits(&self, step: &Step, now: Since) -> bool {
        let has_failed = self.failed.as_ref();
        *step == Step::Read
            && has_failed.is_none_or(|(since, _)| since.generation != now.generation)
    }

    /// Notes the outcome of reading; whether it succeeded.
    pub(super) fn note(
        &mut self,
        module: &Module,
        since: Since,
        answer: Answer<Aged<Rows>>,
    ) -> bool {
        let is_read = answer.is_ok();
        match answer {
            Ok(Aged {
                value: rows,
                since: time,
                ..
            }) => {
                let since = Since { time, ..since };
                if rows.unusable > 0 {
                    log!(
                        Warning,
                        NAME,
                        "table {}: {} rows are left out: a user name is NULL or empty, or a \
                         value other than the password has a control character",
                        module.config.outbound.table.table,
                        rows.unusable
                    );
                }
                if rows.entries.len() + rows.unusable >= MAX_ROWS {
                    log!(
                        Error,
                        NAME,
                        "table {}: only the first {MAX_ROWS} rows are read",
                        module.config.outbound.table.table
                    );
                }
                let parameters = module.config.outbound.entries.iter().cloned();
                let credentials = Arc::new(Credentials::new(parameters.chain(rows.entries)));
                log!(Debug, NAME, "{} entries", credentials.len());
                self.publish(credentials.clone());
                self.loaded = Some((since, credentials));
                self.failed = None;
            }
            Err(error) => {
                let serves = match self.loaded {
                    Some(_) => "what was read before serves for cache_grace",
                    None => "nothing was read before",
                };
                log!(Warning, NAME, "{error}; {serves}");
                let since = Since {
                    time: Instant::now(),
                    ..since
                };
                self.failed = Some((since, error));
            }
        }
        is_read
    }

    fn publish(&self, credentials: Arc<Credentials>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(credentials);
    }

    /// What was just read, however soon it is too old.
    pub(super) fn newest(&self) -> Result<Arc<Credentials>, StoreError> {
        match &self.loaded {
            Some((_, credentials)) => Ok(credentials.clone()),
            None => Err(StoreError::Unreachable("it was not asked".to_owned())),
        }
    }

    /// What is at hand if the table can't be read, as long as it may be used.
    pub(super) fn old(
        &self,
        database: &Database,
        now: Since,
    ) -> Result<Arc<Credentials>, StoreError> {
        let cache = &database.cache;
        let oldest = shared::page().credentials_dropped.get();
        match (&self.loaded, &self.failed) {
            (Some((since, credentials)), _)
                if since.generation >= oldest
                    && now.time.saturating_duration_since(since.time) < cache.ttl + cache.grace =>
            {
                Ok(credentials.clone())
            }
            (_, Some((_, error))) => Err(error.clone()),
            (_, None) => Err(StoreError::Unreachable("it was not asked".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Raw;
    use crate::config::raw::RawValue;

    fn database(ttl: i32, grace: i32) -> Database {
        let mut raw = Raw::default();
        raw.push("db_url", RawValue::Text("mysql://u:p@h/d".into()));
        raw.push("cache_ttl", RawValue::Int(ttl));
        raw.push("cache_grace", RawValue::Int(grace));
        Database::new(&raw).unwrap().unwrap()
    }

    fn at(start: Instant, seconds: u64, generation: u64) -> Since {
        Since {
            time: start + Duration::from_secs(seconds),
            generation,
        }
    }

    fn loaded(start: Instant) -> CredentialCache {
        CredentialCache {
            loaded: Some((at(start, 0, 1), Arc::new(Credentials::default()))),
            ..CredentialCache::default()
        }
    }

    #[test]
    fn what_was_read_serves_while_it_is_read_again_and_then_no_longer() {
        let (database, start) = (database(10, 20), Instant::now());
        let cache = loaded(start);
        let step = |seconds, generation| cache.step(&database, at(start, seconds, generation));
        assert_eq!(step(9, 1), Step::Serve);
        assert_eq!(step(10, 1), Step::Refresh);
        assert_eq!(step(29, 1), Step::Refresh);
        assert_eq!(step(30, 1), Step::Read);
        assert_eq!(step(0, 2), Step::Read, "credentials_reload");
        let nothing = CredentialCache::default();
        assert_eq!(nothing.step(&database, at(start, 0, 1)), Step::Read);
    }

    #[test]
    fn without_a_ttl_the_table_is_read_each_time() {
        let (database, start) = (self::database(0, 20), Instant::now());
        assert_eq!(loaded(start).step(&database, at(start, 0, 1)), Step::Read);
    }

    #[test]
    fn requests_wait_for_the_database_until_it_fails() {
        let start = Instant::now();
        let mut cache = loaded(start);
        assert!(cache.waits(&Step::Read, at(start, 0, 1)));
        assert!(!cache.waits(&Step::Refresh, at(start, 0, 1)));
        cache.failed = Some((at(start, 5, 1), StoreError::TimedOut(2000)));
        assert!(!cache.waits(&Step::Read, at(start, 60, 1)));
        assert!(cache.waits(&Step::Read, at(start, 60, 2)));
        assert!(cache.has_just_failed(at(start, 5, 1)));
        assert!(!cache.has_just_failed(at(start, 6, 1)));
        assert!(!cache.has_just_failed(at(start, 5, 2)));
    }

    #[test]
    fn old_content_serves_for_the_grace_and_then_the_failure_shows() {
        let (database, start) = (self::database(10, 20), Instant::now());
        let mut cache = loaded(start);
        let error = StoreError::TimedOut(2000);
        cache.failed = Some((at(start, 10, 1), error.clone()));
        assert!(cache.old(&database, at(start, 29, 2)).is_ok());
        assert_eq!(cache.old(&database, at(start, 30, 1)).unwrap_err(), error);
    }
}
