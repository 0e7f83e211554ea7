//! How this chore asks Redis and the database, and says that they fail.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CStr;
use std::time::{Duration, Instant};

use crate::log;
use crate::module::Module;
use crate::process;
use crate::redis::{CacheError, Session};
use crate::store::{Answer, Source};

/// Name in log lines.
pub const FUNCTION: &CStr = c"trunks";

/// In this time, what could not be read or written is tried again.
pub const AGAIN: Duration = Duration::from_secs(2);

/// Asks Redis, and waits for `cachedb_timeout` at most.
pub fn ask_redis<T: Send + 'static>(
    module: &'static Module,
    work: impl FnOnce(&Session<'_>) -> Result<T, CacheError> + Send + 'static,
) -> Result<T, CacheError> {
    process::with(module, |process| process.ask_redis(work))
}

/// Asks the database, and waits for `db_timeout` at most.
pub fn ask_database<T: Send + 'static>(
    module: &'static Module,
    work: impl FnOnce(&mut dyn Source) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    process::with(module, |process| process.ask(work)).wait()
}

/// Errors that were logged a short while ago.
#[derive(Debug, Default)]
pub struct Complaints(BTreeMap<String, Instant>);

impl Complaints {
    /// Logs an error, unless it was logged within a minute.
    pub fn complain(&mut self, what: &str, error: &str) {
        const PAUSE: Duration = Duration::from_secs(60);
        let text = format!("{what}: {error}");
        self.0.retain(|_, at| at.elapsed() < PAUSE);
        if let Entry::Vacant(place) = self.0.entry(text) {
            log!(Error, FUNCTION, "{}", place.key());
            place.insert(Instant::now());
        }
    }
}
