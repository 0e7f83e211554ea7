//! A database through the core's driver, on one connection of the process's own thread.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::config::database::Database;
use crate::opensips::db::{Connection, Driver};
use crate::store::repertoire::Repertoire;
use crate::store::url::DbUrl;
use crate::store::{Answer, Cell, Select, Source, StoreError};

/// See the [module](self).
pub struct Core {
    /// `None` if it was not bound at start.
    pub driver: Option<Driver>,
    url: Zeroizing<String>,
    /// The URL's scheme.
    scheme: String,
    /// The URL's database, if it is written as the native driver's URLs are.
    database: Option<String>,
    connection: Option<Connection>,
    /// What can be in a column, by table and column, if anything but ASCII was ever asked for in it.
    repertoires: HashMap<(String, String), Repertoire>,
}

/// A connection that is asked only for what can be in a column.
struct Guarded<'a> {
    connection: &'a mut Connection,
    scheme: &'a str,
    database: Option<&'a str>,
    repertoires: &'a mut HashMap<(String, String), Repertoire>,
}

impl Source for Guarded<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        for (column, value) in select.keys() {
            if Repertoire::Ascii.has(value) {
                continue;
            }
            let key = (select.table.to_owned(), column.to_owned());
            let repertoire = match self.repertoires.get(&key) {
                Some(known) => *known,
                None => {
                    let found = Repertoire::of(
                        self.connection,
                        self.scheme,
                        self.database,
                        select.table,
                        column,
                    )?;
                    self.repertoires.insert(key, found);
                    found
                }
            };
            if !repertoire.has(value) {
                return Ok(Vec::new());
            }
        }
        self.connection.select(select)
    }
}

impl Core {
    /// Does not connect yet.
    pub fn new(config: &Database, driver: Option<Driver>) -> Self {
        Core {
            driver,
            url: config.url.clone(),
            scheme: config.scheme.clone(),
            database: DbUrl::parse(&config.url).ok().map(|url| url.database),
            connection: None,
            repertoires: HashMap::new(),
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
        let answer = work(&mut Guarded {
            connection: &mut connection,
            scheme: &self.scheme,
            database: self.database.as_deref(),
            repertoires: &mut self.repertoires,
        });
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
