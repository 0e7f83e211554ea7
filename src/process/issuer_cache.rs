//! The issuers of a table that one process has at hand.
//!
//! The table is read as a whole. What was read is fresh for `cache_ttl`; after that, and after
//! `jwt_reload`, it is read again before it counts. If that fails, what was read serves until `cache_grace` is
//! over as well, unless it was dropped (`jwt_reload drop=1`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::store::issuers::Issuers;

/// For how long what is known serves all others once the table has been asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A point in time, and the generation of the caches at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since {
    /// How often `jwt_reload` was called.
    pub generation: u64,
    /// The time.
    pub time: Instant,
}

/// What is at hand.
#[derive(Debug)]
pub enum Lookup {
    /// Issuers that count.
    Fresh(Arc<Issuers>),
    /// The table has to be read. What is too old, but serves if that fails, comes with it.
    Ask(Option<Arc<Issuers>>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct IssuerCache {
    ttl: Duration,
    grace: Duration,
    known: Option<(Since, Arc<Issuers>)>,
    /// When the table was last asked for again.
    asked: Option<Since>,
}

impl IssuerCache {
    /// With what was read at start. It is fresh for `ttl` (zero keeps nothing), and serves for
    /// `grace` longer while the table can't be read.
    pub fn new(ttl: Duration, grace: Duration, first: Option<(Since, Arc<Issuers>)>) -> Self {
        IssuerCache {
            ttl,
            grace,
            known: first.filter(|_| !ttl.is_zero()),
            asked: None,
        }
    }

    /// What is fresh.
    pub fn fresh(&self, now: Since) -> Option<&Arc<Issuers>> {
        let (since, issuers) = self.known.as_ref()?;
        let is_current = since.generation == now.generation;
        (is_current && age(since, now) < self.ttl).then_some(issuers)
    }

    /// Whether what is known is of this generation.
    pub fn is_of(&self, generation: u64) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|(since, _)| since.generation == generation)
    }

    /// What counts now, or that the table has to be read; nothing serves that is of a generation before
    /// `oldest`. While one caller reads it again because it is too old, and for a second after that has failed,
    /// what is known serves all others.
    pub fn lookup(&mut self, now: Since, oldest: u64) -> Lookup {
        if let Some(issuers) = self.fresh(now) {
            return Lookup::Fresh(issuers.clone());
        }
        let usable = self.known.as_ref().filter(|(since, _)| {
            since.generation >= oldest && age(since, now) < self.ttl.saturating_add(self.grace)
        });
        let is_asked = self
            .asked
            .is_some_and(|asked| asked.generation == now.generation && age(&asked, now) < PATIENCE);
        match usable {
            // What a reload is to replace serves nobody before the table was asked.
            Some((since, issuers)) if is_asked && since.generation == now.generation => {
                Lookup::Fresh(issuers.clone())
            }
            usable => {
                self.asked = Some(now);
                Lookup::Ask(usable.map(|(_, issuers)| issuers.clone()))
            }
        }
    }

    /// Takes what was read, by a question that was asked at `since`; what counts by then, which may have
    /// been asked for later.
    pub fn store(&mut self, since: Since, issuers: Arc<Issuers>) -> Arc<Issuers> {
        if self.ttl.is_zero() {
            return issuers;
        }
        match &self.known {
            Some((newer, known)) if *newer > since => known.clone(),
            _ => self.known.insert((since, issuers)).1.clone(),
        }
    }

    /// What was read last, however old: rows that are the same stay the same objects.
    pub fn newest(&self) -> Option<&Arc<Issuers>> {
        self.known.as_ref().map(|(_, issuers)| issuers)
    }
}

fn age(since: &Since, now: Since) -> Duration {
    now.time.saturating_duration_since(since.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64, generation: u64) -> Since {
        let time = start + Duration::from_millis(ms);
        Since { generation, time }
    }

    fn cache(start: Instant) -> IssuerCache {
        let first = (at(start, 0, 0), Arc::default());
        IssuerCache::new(
            Duration::from_secs(10),
            Duration::from_secs(20),
            Some(first),
        )
    }

    #[test]
    fn what_is_too_old_is_read_again_by_one_and_serves_the_others() {
        let start = Instant::now();
        let mut cache = cache(start);
        let is_fresh = |cache: &mut IssuerCache, ms| {
            matches!(cache.lookup(at(start, ms, 0), 0), Lookup::Fresh(_))
        };
        assert!(is_fresh(&mut cache, 9_999));
        assert!(matches!(
            cache.lookup(at(start, 10_000, 0), 0),
            Lookup::Ask(Some(_))
        ));
        assert!(cache.fresh(at(start, 10_001, 0)).is_none());
        assert!(is_fresh(&mut cache, 10_001) && is_fresh(&mut cache, 10_999));
        assert!(!is_fresh(&mut cache, 11_000), "it was not answered");
        cache.store(at(start, 11_000, 0), Arc::default());
        assert!(is_fresh(&mut cache, 20_999) && !is_fresh(&mut cache, 21_000));
        assert!(
            matches!(cache.lookup(at(start, 41_000, 0), 0), Lookup::Ask(None)),
            "too old"
        );
    }

    #[test]
    fn after_a_reload_nothing_that_was_known_serves() {
        let start = Instant::now();
        let mut cache = cache(start);
        for _ in 0..2 {
            assert!(matches!(
                cache.lookup(at(start, 1, 1), 1),
                Lookup::Ask(None)
            ));
        }
        // One that was asked for before it comes too late.
        let new: Arc<Issuers> = Arc::default();
        cache.store(at(start, 2, 1), new.clone());
        let kept = cache.store(at(start, 1, 0), Arc::default());
        assert!(Arc::ptr_eq(&new, &kept));
        assert!(cache.fresh(at(start, 3, 1)).is_some());
    }

    #[test]
    fn what_was_reloaded_serves_if_the_table_cant_be_read() {
        let start = Instant::now();
        let mut cache = cache(start);
        for _ in 0..2 {
            assert!(matches!(
                cache.lookup(at(start, 1, 1), 0),
                Lookup::Ask(Some(_))
            ));
        }
        assert!(cache.fresh(at(start, 1, 1)).is_none() && !cache.is_of(1));
        assert!(matches!(
            cache.lookup(at(start, 30_000, 1), 0),
            Lookup::Ask(None)
        ));
    }

    #[test]
    fn without_a_ttl_nothing_is_kept() {
        let start = Instant::now();
        let first = (at(start, 0, 0), Arc::default());
        let mut cache = IssuerCache::new(Duration::ZERO, Duration::from_secs(20), Some(first));
        for _ in 0..2 {
            assert!(matches!(
                cache.lookup(at(start, 0, 0), 0),
                Lookup::Ask(None)
            ));
            cache.store(at(start, 0, 0), Arc::default());
        }
    }
}
