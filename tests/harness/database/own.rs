//! A MariaDB that belongs only to certain trials: it may be stopped, frozen and counted.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Backend, Database, MariaDb, schema};
use crate::profiles::Content;

/// One server, started when first asked for, used by one trial at a time.
#[derive(Default)]
pub struct Own {
    server: Mutex<Option<MariaDb>>,
    number: AtomicU32,
}

impl Own {
    /// Does something with the server and a new database. `folder` is where the server is started
    /// if there is none yet.
    pub fn with(
        &self,
        folder: PathBuf,
        content: &Content,
        run: impl FnOnce(&mut MariaDb, &Database) -> Result<(), String>,
    ) -> Result<(), String> {
        // A trial that panicked has left it in an unknown state: a new one is started.
        let mut own = self.server.lock().unwrap_or_else(|poisoned| {
            let mut own = poisoned.into_inner();
            *own = None;
            own
        });
        if own.is_none() {
            *own = Some(MariaDb::start(&folder)?);
        }
        let server = own.as_mut().expect("just started");
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let name = format!("own{number}");
        let database = server.create(&name, &[schema(Backend::Mysql)], content)?;
        let outcome = run(server, &database);
        if outcome.is_err() {
            *own = None;
        }
        outcome
    }
}
