//! The database, as queried by one process.
//!
//! Which driver is used is decided here and nowhere else. The native one is queried on threads, and
//! there is an answer within `db_timeout`. The core's is queried in the process's own thread, on
//! one connection, and takes as long as it takes.
//!
//! While the database hangs, nobody waits for it: see [`availability`](super::availability).

mod core;
mod native;

use std::ffi::CStr;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use self::core::Core;
use crate::config::{Config, database as config};
use crate::log;
use crate::opensips::db;
use crate::opensips::stats::{self, Statistic};
use crate::pool::Pool;
use crate::process::notices;
use crate::store::{Answer, Cell, Change, Select, Source, StoreError};
use native::Native;

pub use native::{Asked, Query};

/// See the [module](self).
pub struct Database(Driver);

/// Counts the questions, and how long they take.
struct Counted<'a>(&'a mut dyn Source);

impl Counted<'_> {
    fn count<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Source) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        stats::count(Statistic::DbQueries);
        let asked = Instant::now();
        let done = stats::DB_TIMER.time(|| work(self.0));
        if done.is_err() {
            stats::count(Statistic::DbFailures);
        }
        notices::note_database(asked, done.as_ref().err());
        done
    }
}

impl Source for Counted<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.count(|source| source.select(select))
    }

    fn each(
        &mut self,
        select: &Select<'_>,
        row: &mut dyn FnMut(Vec<Cell>),
    ) -> Result<(), StoreError> {
        self.count(|source| source.each(select, row))
    }

    fn change(&mut self, change: &Change<'_>) -> Result<u64, StoreError> {
        self.count(|source| source.change(change))
    }
}

enum Driver {
    Native(Native),
    Core(Core),
}

/// Logs that it has failed, where what is known of it serves.
pub fn cache_serves(config: &Config, function: &CStr, error: &dyn Display) {
    let shown = config.database.as_ref().map_or("", |it| it.shown.as_str());
    log!(
        Warning,
        function,
        "{shown}: {error}; the cache serves (cache_grace)"
    );
}

impl Database {
    /// Binds the driver, at start. `None` if no loaded module serves the URL.
    pub fn bind(config: &config::Database) -> Option<Self> {
        let bound = match config.driver {
            config::Driver::Native(_) => None,
            config::Driver::Core => Some(db::Driver::bind(&config.url)?),
        };
        Some(Database::new(config, bound))
    }

    /// With the core's driver that was bound at start, if that is used. Does not connect yet.
    pub fn new(config: &config::Database, bound: Option<db::Driver>) -> Self {
        Database(match &config.driver {
            config::Driver::Native(native) => Driver::Native(Native::new(native, config.timeout)),
            config::Driver::Core => Driver::Core(Core::new(config, bound)),
        })
    }

    /// The core's driver, if that is used.
    pub fn core_driver(&self) -> Option<db::Driver> {
        match &self.0 {
            Driver::Native(_) => None,
            Driver::Core(core) => core.driver,
        }
    }

    /// Whether it is queried on threads.
    pub fn has_threads(&self) -> bool {
        matches!(self.0, Driver::Native(_))
    }

    /// Name of the table that holds the table versions.
    pub fn version_table(&self) -> String {
        match self.0 {
            Driver::Native(_) => "version".to_owned(),
            Driver::Core(_) => db::version_table(),
        }
    }

    /// Runs a query, on a thread of `threads` if the driver can be used there, else now.
    pub fn ask<T: Send + 'static>(
        &mut self,
        threads: &Arc<Pool>,
        work: impl FnOnce(&mut dyn Source) -> Answer<T> + Send + 'static,
    ) -> Asked<T> {
        let work = |source: &mut dyn Source| work(&mut Counted(source));
        match &mut self.0 {
            Driver::Native(native) => native.ask(threads, work),
            Driver::Core(core) => Asked::Answered(core.read(work)),
        }
    }

    /// Runs a query in the calling thread, which waits: for a process that has nothing else to do.
    ///
    /// # Errors
    /// Fails with the error of the driver or of the work.
    pub fn read<T>(&mut self, work: impl FnOnce(&mut dyn Source) -> Answer<T>) -> Answer<T> {
        let work = |source: &mut dyn Source| work(&mut Counted(source));
        match &mut self.0 {
            Driver::Native(native) => native.read(work),
            Driver::Core(core) => core.read(work),
        }
    }

    /// Closes what is open: no connection may be inherited through a fork.
    pub fn disconnect(&mut self) {
        match &mut self.0 {
            Driver::Native(native) => native.disconnect(),
            Driver::Core(core) => core.disconnect(),
        }
    }
}
