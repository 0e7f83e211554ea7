//! Profiles that were fetched, kept in the memory of one process for a while.
//!
//! An entry is fresh for `cache_ttl`; after that, and after `jwt_reload`, the database is asked
//! again. If it fails, what has merely expired, or was merely reloaded, is used until `cache_grace` is over as
//! well; what was dropped (`jwt_reload drop=1`) is not.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use lru::LruCache;
use zeroize::Zeroizing;

use super::profiles::{Profile, Secret};
use crate::keys::{KeyHolder, KeySources};
use crate::meters::{Gauge, Share};

/// How often the database is asked for one tag that it does not know, or whose secrets verify
/// nothing: an added row counts at once, and a flood of bad tokens costs one query a second.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How the cache behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// How long an entry is fresh (`cache_ttl`); zero keeps nothing.
    pub ttl: Duration,
    /// How much longer it is used while the database fails (`cache_grace`).
    pub grace: Duration,
    /// Most entries (`cache_size`); the least recently used is dropped.
    pub size: NonZeroUsize,
}

/// A profile, and the keys from its secrets.
#[derive(Debug)]
pub struct Ready {
    /// The profile.
    pub profile: Profile,
    /// The keys of [`Profile::secrets`], in that order.
    pub keys: Vec<KeyHolder>,
}

impl Ready {
    /// Whether any of its keys are in a file or at a URL.
    pub fn has_references(&self) -> bool {
        self.keys.iter().any(KeyHolder::is_reference)
    }

    /// A number that changes with the keys, and with nothing else: what was verified under another one has to
    /// be verified again. `None` if some are not known now. May access the disk, never the network.
    pub fn generation(&self, sources: &KeySources, now: impl Fn() -> Instant) -> Option<u64> {
        // Each change of any source has a number of its own, and a higher one than those before it.
        self.keys.iter().try_fold(0, |newest: u64, holder| {
            let generation = match holder.is_reference() {
                true => holder.generation(sources, now())?,
                false => 0,
            };
            Some(newest.max(generation))
        })
    }

    /// The keys of a provider, as a profile that all of its tokens share. `name` tells it from others.
    pub fn of_provider(name: &[u8], keys: KeyHolder) -> Self {
        let secret = Secret {
            material: Zeroizing::new(name.to_vec()),
            start: i64::MIN,
            end: i64::MAX,
        };
        Ready {
            profile: Profile {
                username: Vec::new(),
                columns: Vec::new(),
                secrets: vec![secret],
            },
            keys: vec![keys],
        }
    }

    /// A profile of tokens whose issuer is asked, and whose keys nobody knows.
    pub fn without_keys() -> Self {
        let profile = Profile {
            username: Vec::new(),
            columns: Vec::new(),
            secrets: Vec::new(),
        };
        Ready {
            profile,
            keys: Vec::new(),
        }
    }

    /// Parses the secrets of a profile, once.
    pub fn new(profile: Profile) -> Self {
        let keys = profile
            .secrets
            .iter()
            .map(|s| KeyHolder::parse(&s.material))
            .collect();
        Ready { profile, keys }
    }
}

/// The generations of entries that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generations {
    /// That of entries that are fresh.
    pub current: u64,
    /// The oldest one of entries that serve if the database fails.
    pub oldest: u64,
}

impl Generations {
    /// Of this one alone.
    pub fn only(current: u64) -> Self {
        let oldest = current;
        Generations { current, oldest }
    }

    /// Whether entries of a generation serve if the database fails.
    fn include(self, generation: u64) -> bool {
        (self.oldest..=self.current).contains(&generation)
    }
}

#[derive(Debug)]
struct Entry {
    /// `None` if the database has no such profile.
    value: Option<Arc<Ready>>,
    fetched: Instant,
    /// When the database was last asked because the value was not good enough.
    asked: Instant,
    generation: u64,
}

/// What the cache has on a tag.
#[derive(Debug)]
pub enum Lookup {
    /// A profile that counts.
    Fresh(Arc<Ready>),
    /// There was no such profile a moment ago.
    Absent,
    /// Nothing that counts: the database has to be asked. An expired profile comes with it, in case
    /// the database fails.
    Ask(Option<Arc<Ready>>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct ProfileCache {
    config: CacheConfig,
    entries: LruCache<Box<str>, Entry>,
    /// Counts them.
    share: Share,
}

impl ProfileCache {
    /// An empty cache.
    pub fn new(config: CacheConfig) -> Self {
        // Grows as it fills: most sites have far fewer profiles than the bound.
        let mut entries = LruCache::unbounded();
        entries.resize(config.size);
        ProfileCache {
            config,
            entries,
            share: Share::of(Gauge::NONE),
        }
    }

    /// Counts what is remembered, tags without a profile included.
    #[must_use]
    pub fn counting(self, gauge: Gauge) -> Self {
        let share = Share::of(gauge);
        ProfileCache { share, ..self }
    }

    /// What is known about a tag, by entries of these generations (see `jwt_reload`).
    pub fn lookup(&mut self, tag: &str, now: Instant, generations: Generations) -> Lookup {
        let Some(entry) = self.entries.get(tag) else {
            return Lookup::Ask(None);
        };
        if !generations.include(entry.generation) {
            return Lookup::Ask(None);
        }
        let is_current = entry.generation == generations.current;
        let age = now.saturating_duration_since(entry.fetched);
        match &entry.value {
            Some(value) if is_current && age < self.config.ttl => Lookup::Fresh(value.clone()),
            Some(value) if age < self.config.ttl + self.config.grace => {
                Lookup::Ask(Some(value.clone()))
            }
            None if is_current && age < ASK_AGAIN.min(self.config.ttl) => Lookup::Absent,
            _ => Lookup::Ask(None),
        }
    }

    /// Whether the database may be asked again for a tag whose cached secrets verify nothing.
    pub fn may_ask(&mut self, tag: &str, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(tag) else {
            return true;
        };
        if now.saturating_duration_since(entry.asked) < ASK_AGAIN {
            return false;
        }
        entry.asked = now;
        true
    }

    /// Keeps what the database answered, and returns it ready for use. A profile that did not
    /// change stays the same object, so that its keys, and the tokens that were verified with them,
    /// still count.
    pub fn store(
        &mut self,
        tag: &str,
        profile: Option<Profile>,
        now: Instant,
        generation: u64,
    ) -> Option<Arc<Ready>> {
        let old = self
            .entries
            .peek(tag)
            .and_then(|entry| entry.value.as_ref());
        let value = profile.map(|profile| match old {
            Some(old) if old.profile == profile => old.clone(),
            _ => Arc::new(Ready::new(profile)),
        });
        if !self.config.ttl.is_zero() {
            let entry = Entry {
                value: value.clone(),
                fetched: now,
                asked: now,
                generation,
            };
            self.entries.put(tag.into(), entry);
            self.share.set(self.entries.len());
        }
        value
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(ttl: u64, grace: u64, size: usize) -> ProfileCache {
        ProfileCache::new(CacheConfig {
            ttl: Duration::from_secs(ttl),
            grace: Duration::from_secs(grace),
            size: NonZeroUsize::new(size).unwrap(),
        })
    }

    fn ready() -> Option<Profile> {
        Some(named("alice"))
    }

    fn named(username: &str) -> Profile {
        Profile {
            username: username.into(),
            columns: vec![],
            secrets: vec![],
        }
    }

    #[test]
    fn a_profile_that_did_not_change_stays_the_same() {
        let (mut cache, t) = (cache(30, 600, 8), Instant::now());
        let first = cache.store("a", ready(), t, 0).unwrap();
        let again = cache.store("a", ready(), after(t, 40_000), 0).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let changed = cache
            .store("a", Some(named("bob")), after(t, 50_000), 0)
            .unwrap();
        assert!(!Arc::ptr_eq(&first, &changed));
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn an_entry_is_fresh_then_in_grace_then_gone() {
        let (mut cache, t) = (cache(30, 600, 8), Instant::now());
        assert!(matches!(
            cache.lookup("a", t, Generations::only(0)),
            Lookup::Ask(None)
        ));
        cache.store("a", ready(), t, 0);
        assert!(matches!(
            cache.lookup("a", after(t, 29_999), Generations::only(0)),
            Lookup::Fresh(_)
        ));
        assert!(matches!(
            cache.lookup("a", after(t, 30_000), Generations::only(0)),
            Lookup::Ask(Some(_))
        ));
        assert!(matches!(
            cache.lookup("a", after(t, 629_999), Generations::only(0)),
            Lookup::Ask(Some(_))
        ));
        assert!(matches!(
            cache.lookup("a", after(t, 630_000), Generations::only(0)),
            Lookup::Ask(None)
        ));
    }

    #[test]
    fn a_reload_leaves_nothing_not_even_in_grace() {
        let (mut cache, t) = (cache(30, 600, 8), Instant::now());
        cache.store("a", ready(), t, 0);
        assert!(matches!(
            cache.lookup("a", t, Generations::only(1)),
            Lookup::Ask(None)
        ));
    }

    #[test]
    fn an_unknown_tag_is_asked_for_once_a_second() {
        let (mut cache, t) = (cache(30, 600, 8), Instant::now());
        cache.store("a", None, t, 0);
        assert!(matches!(
            cache.lookup("a", after(t, 999), Generations::only(0)),
            Lookup::Absent
        ));
        assert!(matches!(
            cache.lookup("a", after(t, 1000), Generations::only(0)),
            Lookup::Ask(None)
        ));
    }

    #[test]
    fn secrets_that_verify_nothing_are_asked_for_once_a_second() {
        let (mut cache, t) = (cache(30, 600, 8), Instant::now());
        assert!(cache.may_ask("a", t));
        cache.store("a", ready(), t, 0);
        assert!(!cache.may_ask("a", after(t, 999)));
        assert!(cache.may_ask("a", after(t, 1000)));
        assert!(!cache.may_ask("a", after(t, 1999)));
        assert!(matches!(
            cache.lookup("a", after(t, 2000), Generations::only(0)),
            Lookup::Fresh(_)
        ));
    }

    #[test]
    fn without_a_ttl_nothing_is_kept() {
        let (mut cache, t) = (cache(0, 600, 8), Instant::now());
        cache.store("a", ready(), t, 0);
        assert!(cache.is_empty());
        assert!(matches!(
            cache.lookup("a", t, Generations::only(0)),
            Lookup::Ask(None)
        ));
    }

    #[test]
    fn what_was_reloaded_serves_only_if_the_database_fails_and_what_was_dropped_never() {
        let (mut cache, t) = (cache(30, 600, 4), Instant::now());
        cache.store("a", ready(), t, 0);
        cache.store("gone", None, t, 0);
        let reloaded = Generations {
            current: 1,
            oldest: 0,
        };
        assert!(matches!(
            cache.lookup("a", t, reloaded),
            Lookup::Ask(Some(_))
        ));
        assert!(matches!(
            cache.lookup("gone", t, reloaded),
            Lookup::Ask(None)
        ));
        let dropped = Generations::only(1);
        assert!(matches!(cache.lookup("a", t, dropped), Lookup::Ask(None)));
    }

    #[test]
    fn the_least_used_goes_first() {
        let (mut cache, t) = (cache(30, 0, 2), Instant::now());
        cache.store("a", ready(), t, 0);
        cache.store("b", ready(), t, 0);
        cache.lookup("a", t, Generations::only(0));
        cache.store("c", ready(), t, 0);
        assert_eq!(cache.len(), 2);
        assert!(matches!(
            cache.lookup("b", t, Generations::only(0)),
            Lookup::Ask(None)
        ));
        assert!(matches!(
            cache.lookup("a", t, Generations::only(0)),
            Lookup::Fresh(_)
        ));
    }
}
