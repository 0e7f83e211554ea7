//! Profiles that a process has at hand: those that it fetched, or the snapshot of all of them.

use std::{sync::Arc, time::Instant};

use super::loader;
use crate::config::database::Database;
use crate::module::Module;
use crate::opensips::segment::Segment;
use crate::opensips::{shared, stats};
use crate::store::cache::{Generations, Lookup, ProfileCache, Ready};
use crate::store::snapshot::Snapshot;

/// The generation that a profile from a snapshot is kept under. Distinct from the generations of
/// what was fetched: both count from 0, and after a reload one must not be mistaken for the other.
fn generation_of(snapshot: u64) -> u64 {
    snapshot | 1 << 63
}

/// See the [module](self).
#[derive(Debug)]
pub struct Profiles {
    /// Those that were fetched, or taken from the snapshot.
    pub cache: ProfileCache,
    /// The newest snapshot that this process has mapped, and its number.
    snapshot: Option<(u64, Segment)>,
}

impl Profiles {
    /// None yet.
    pub fn new(database: &Database) -> Self {
        Profiles {
            cache: ProfileCache::new(database.cache.clone()).counting(stats::PROFILES_CACHED),
            snapshot: None,
        }
    }

    /// The profile of a tag, if it is at hand and counts.
    pub fn fresh(&mut self, module: &Module, tag: &str) -> Option<Arc<Ready>> {
        if let Some(preloaded) = self.preloaded(module, tag) {
            return preloaded;
        }
        match self.lookup(tag) {
            Lookup::Fresh(ready) => Some(ready),
            _ => None,
        }
    }

    /// What is known of a tag from the database, and serves.
    pub fn lookup(&mut self, tag: &str) -> Lookup {
        let page = shared::page();
        let generations = Generations {
            current: page.generation.get(),
            oldest: page.dropped.get(),
        };
        self.cache.lookup(tag, Instant::now(), generations)
    }

    /// The profile of a tag from the snapshot of all profiles. `None` if there is no snapshot that
    /// counts, so that the database has to be asked.
    pub fn preloaded(&mut self, module: &Module, tag: &str) -> Option<Option<Arc<Ready>>> {
        let database = module
            .config
            .database
            .as_ref()
            .filter(|database| database.preload)?;
        let newest = shared::page().snapshot.number.get();
        // Until its successor is read, it serves on after a reload that did not drop it.
        let current = shared::page().snapshot.generation.get() >= shared::page().dropped.get();
        if !current || loader::age() > database.cache.ttl + database.cache.grace {
            return None;
        }
        let first = module.first_snapshot.as_ref().filter(|_| newest == 1);
        if first.is_none()
            && self
                .snapshot
                .as_ref()
                .is_none_or(|(number, _)| *number != newest)
        {
            let segment = Segment::open(shared::page().snapshot.owner.get(), newest).ok()?;
            self.snapshot = Some((newest, segment));
        }
        let segment = first.or(self.snapshot.as_ref().map(|(_, segment)| segment))?;
        let now = Instant::now();
        let generation = generation_of(newest);
        let generations = Generations::only(generation);
        if let Lookup::Fresh(ready) = self.cache.lookup(tag, now, generations) {
            return Some(Some(ready));
        }
        let profile = Snapshot::new(segment.bytes())?.profile(tag);
        if profile.is_none() {
            return Some(None);
        }
        Some(self.cache.store(tag, profile, now, generation))
    }
}
