//! The process that reads all profiles and secrets repeatedly (`cache_mode` "preload"), so that the
//! SIP workers never have to ask the database.
//!
//! It writes each snapshot into shared memory under its own name, then announces its number. A
//! worker maps it when it next needs a profile. The first snapshot is made before the fork, so that
//! OpenSIPS does not start with a database that does not answer.

use std::{
    ffi::CStr,
    io,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use thiserror::Error;

use super::Database;
use crate::clock;
use crate::config::database as config;
use crate::log;
use crate::module::Module;
use crate::opensips::segment::{self, Segment};
use crate::opensips::shared;
use crate::store::profiles::ProfileTables;
use crate::store::{Source, StoreError, snapshot};

const FUNCTION: &CStr = c"loader";

/// How often the process checks for something to do: `jwt_reload` takes effect that fast.
const TICK: Duration = Duration::from_millis(100);

/// How long it waits after a failure, unless `cache_ttl` is shorter.
const RETRY: Duration = Duration::from_secs(5);

/// Why there is no new snapshot.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The memory.
    #[error("no shared memory for a snapshot of {size} bytes: {error}")]
    Memory {
        /// Its size.
        size: usize,
        /// The system's error.
        error: io::Error,
    },
}

/// Reads the first snapshot, before the fork.
///
/// # Errors
/// Fails with [`LoadError`] if there is none.
pub fn first(database: &config::Database, source: &mut dyn Source) -> Result<Segment, LoadError> {
    let began = clock::now().as_secs();
    let bytes = snapshot::fetch(&database.tables, source)?;
    let segment = Segment::inherited(&bytes).map_err(|error| LoadError::Memory {
        size: bytes.len(),
        error,
    })?;
    tell(0, 1, began, shared::page().generation.get());
    Ok(segment)
}

/// Never returns.
pub fn run(module: &Module, settings: &config::Database) -> ! {
    segment::sweep();
    let owner = u64::from(std::process::id());
    let ttl = settings.cache.ttl.max(Duration::from_secs(1));
    let mut database = Database::new(settings, module.core_driver);
    let mut next = Instant::now() + ttl;
    // The generation for which they were last read, or could not be.
    let mut tried = shared::page().snapshot.generation.get();
    loop {
        sleep(TICK);
        let generation = shared::page().generation.get();
        if Instant::now() < next && generation == tried {
            continue;
        }
        tried = generation;
        let started = Instant::now();
        next = match load(&mut database, &settings.tables, owner, generation) {
            Ok(size) => {
                shared::page().snapshot.failing.set(0);
                log!(
                    Debug,
                    FUNCTION,
                    "{size} bytes of profiles in {:?}",
                    started.elapsed()
                );
                started + ttl
            }
            Err(error) => {
                shared::page().snapshot.failing.set(1);
                shared::page().snapshot.failed.set(generation);
                log!(
                    Error,
                    FUNCTION,
                    "{}: {error}; what is cached serves",
                    settings.shown
                );
                Instant::now() + RETRY.min(ttl)
            }
        };
    }
}

fn load(
    database: &mut Database,
    tables: &ProfileTables,
    owner: u64,
    generation: u64,
) -> Result<usize, LoadError> {
    let began = clock::now().as_secs();
    let bytes = database.read(|source| snapshot::fetch(tables, source))?;
    let old = (
        shared::page().snapshot.owner.get(),
        shared::page().snapshot.number.get(),
    );
    let number = old.1 + 1;
    segment::publish(owner, number, &bytes).map_err(|error| LoadError::Memory {
        size: bytes.len(),
        error,
    })?;
    if shared::page().snapshot.ending.get() != 0 {
        segment::unlink(owner, number);
    }
    tell(owner, number, began, generation);
    segment::unlink(old.0, old.1);
    Ok(bytes.len())
}

/// Announces a snapshot to the workers. Its number comes last: whoever sees it sees the rest.
fn tell(owner: u64, number: u64, began: u64, generation: u64) {
    shared::page().snapshot.owner.set(owner);
    shared::page().snapshot.time.set(began);
    shared::page().snapshot.generation.set(generation);
    shared::page().snapshot.number.set(number);
}

/// Removes the newest snapshot's name when OpenSIPS ends, and those of its neighbours: the loader
/// may have been ended after it published the next, or before it unlinked the last.
pub fn end() {
    shared::page().snapshot.ending.set(1);
    let (owner, number) = (
        shared::page().snapshot.owner.get(),
        shared::page().snapshot.number.get(),
    );
    for number in number.saturating_sub(1)..=number + 1 {
        segment::unlink(owner, number);
    }
}

/// How old the newest snapshot is.
pub fn age() -> Duration {
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(shared::page().snapshot.time.get());
    began.elapsed().unwrap_or_default()
}
