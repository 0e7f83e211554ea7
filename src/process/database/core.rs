//! A database through the core's driver, on one connection of the process's own thread.

use zeroize::Zeroizing;

use crate::config::database::Database;
use crate::opensips::db::{Connection, Driver};
use crate::store::{Answer, Source, StoreError};

/// See the [module](self).
pub struct Core {
    /// `None` if it was not bound at start.
    pub driver: Option<Driver>,
    url: Zeroizing<String>,
    connection: Option<Connection>,
}

impl Core {
    /// Does not connect yet.
    pub fn new(config: &Database, driver: Option<Driver>) -> Self {
        Core {
            driver,
            url: config.url.clone(),
            connection: None,
        }
    }

    /// Runs a query, here and now.
    ///
    /// # Errors
    /// Fails if there is no connection, or with the error of the work.
    pub fn read<T>(&mut self, work: impl FnOnce(&mut dyn Source) -> Answer<T>) -> Answer<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        let answer = work(&mut connection);
        // After a driver failure, the next question starts from a new connection. A bad row is no
        // reason to.
        self.connection = Some(connection).filter(|connection| !connection.has_failed());
        answer
    }

    /// Closes the connection.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    fn open(&self) -> Answer<Connection> {
        self.driver
            .and_then(|driver| driver.open(&self.url))
            .ok_or_else(|| StoreError::Unreachable("see the driver's message above".to_owned()))
    }
}
