//! The database, as queried by one process.
//!
//! Which driver is used is decided here and nowhere else. The native one is queried on threads, and
//! there is an answer within `db_timeout`. The core's is queried in the process's own thread, on
//! one connection, and takes as long as it takes.
//!
//! While the database hangs, nobody waits for it: see [`availability`](super::availability).

mod core;
mod native;

use std::sync::Arc;

use self::core::Core;
use crate::config::database as config;
use crate::opensips::db;
use crate::pool::Pool;
use crate::store::{Answer, Source};
use native::Native;

pub use native::{Asked, Query};

/// See the [module](self).
pub struct Database(Driver);

enum Driver {
    Native(Native),
    Core(Core),
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
