//! MariaDB servers that belong to one core's trials: they are stopped, frozen and counted.

use crate::e2e::setting::Setting;
use crate::harness::database::{Backend, Database, MariaDb, schema};
use crate::harness::profiles::Content;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// One server, started when it is first asked for, used by one trial at a time.
#[derive(Default)]
pub struct Own {
    server: Mutex<Option<MariaDb>>,
    number: AtomicU32,
}

impl Own {
    /// Does something with the server and a new database.
    pub fn with(
        &self,
        setting: &Setting,
        content: &Content,
        run: impl FnOnce(&mut MariaDb, &Database) -> Result<(), String>,
    ) -> Result<(), String> {
        // A trial that panicked has left it in an unknown state: then there is a new one.
        let mut own = self.server.lock().unwrap_or_else(|poisoned| {
            let mut own = poisoned.into_inner();
            *own = None;
            own
        });
        if own.is_none() {
            *own = Some(MariaDb::start(&setting.folder())?);
        }
        let server = own.as_mut().expect("just started");
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let database = server.create(
            &format!("caching{number}"),
            &[schema(Backend::Mysql)],
            content,
        )?;
        let outcome = run(server, &database);
        if outcome.is_err() {
            *own = None;
        }
        outcome
    }
}

/// How many statements the server is sent meanwhile, by anybody.
pub fn questions(
    database: &Database,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<u64, String> {
    // Asking costs some as well.
    let first = counted(database)?;
    let before = counted(database)?;
    work()?;
    Ok(counted(database)? - before - (before - first))
}

fn counted(database: &Database) -> Result<u64, String> {
    let out = database.sql("SHOW GLOBAL STATUS LIKE 'Questions';")?;
    out.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .next_back()
        .ok_or_else(|| format!("no number of questions in {out:?}"))
}
