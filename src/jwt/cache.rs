//! Tokens that were verified before, so that the same token does not cost a second signature check.
//!
//! Only what can't change is remembered: that this very token was verified with this very key. The
//! time and the generation of its own keys are checked again on every lookup, so that neither an
//! expired token nor a revoked key survives in the cache.

use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lru::{DefaultHasher, LruCache};
use zeroize::Zeroizing;

use super::claims::Validity;
use crate::meters::{Gauge, Share};

/// Verified tokens; the least recently used are forgotten first.
///
/// `V` is what is cached: the decoded text, the profile, the reason why it is worth keeping.
pub struct VerifiedTokens<V> {
    entries: Option<LruCache<u64, Entry<V>>>,
    // Randomly keyed. Only verified tokens are stored, and two that collide merely evict each
    // other, so the hash need not resist attackers.
    hasher: DefaultHasher,
    /// Counts them.
    share: Share,
}

struct Entry<V> {
    token: Zeroizing<Box<[u8]>>,
    context: u64,
    generation: u64,
    validity: Validity,
    value: V,
}

impl<V> VerifiedTokens<V> {
    /// A cache for this many tokens; 0 keeps none.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: NonZeroUsize::new(capacity).map(LruCache::new),
            hasher: DefaultHasher::default(),
            share: Share::of(Gauge::NONE),
        }
    }

    /// Counts the tokens that are remembered.
    #[must_use]
    pub fn counting(self, gauge: Gauge) -> Self {
        let share = Share::of(gauge);
        VerifiedTokens { share, ..self }
    }

    /// Remembers a verified token.
    ///
    /// `context` distinguishes what the same token may be verified for: the key of a script, or
    /// none. `generation` is that of the keys. `validity` is when the answer holds.
    pub fn insert(
        &mut self,
        token: impl Into<Box<[u8]>>,
        context: u64,
        generation: u64,
        validity: Validity,
        value: V,
    ) {
        if self.entries.is_none() {
            return;
        }
        let token = Zeroizing::new(token.into());
        let place = self.place(&token, context);
        if let Some(entries) = &mut self.entries {
            entries.put(
                place,
                Entry {
                    token,
                    context,
                    generation,
                    validity,
                    value,
                },
            );
            self.share.set(entries.len());
        }
    }

    /// What is known about this token, if it was verified in the same context, `is_current` says that the
    /// generation with which it was inserted is still that of its keys, and it is valid at `now`, the time
    /// since 1970. Both are only called if there is such a token. Otherwise the token is forgotten.
    pub fn get(
        &mut self,
        token: &[u8],
        context: u64,
        is_current: impl FnOnce(&V, u64) -> bool,
        now: impl FnOnce() -> Duration,
    ) -> Option<&V> {
        self.entries.as_ref()?;
        let place = self.place(token, context);
        let entries = self.entries.as_mut()?;
        let entry = entries.get(&place)?;
        // The whole token, not only its hash, and in constant time.
        let same = entry.context == context && verify_slices_are_equal(&entry.token, token).is_ok();
        if !same {
            return None;
        }
        if !is_current(&entry.value, entry.generation) || !entry.validity.includes(now()) {
            entries.pop(&place);
            self.share.set(entries.len());
            return None;
        }
        entries.peek(&place).map(|entry| &entry.value)
    }

    #[cfg(test)]
    fn clear(&mut self) {
        if let Some(entries) = &mut self.entries {
            entries.clear();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, LruCache::len)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, token: &[u8], context: u64) -> u64 {
        self.hasher.hash_one((context, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::rules::Rules;
    use crate::jwt::testing::{NOW, at, claiming};

    fn always() -> Validity {
        Validity::of(&claiming("{}"), &Rules::default()).unwrap()
    }

    /// Whether keys of this generation are the current ones.
    fn is<V>(current: u64) -> impl FnOnce(&V, u64) -> bool {
        move |_, generation| generation == current
    }

    #[test]
    fn the_same_token_is_known_again() {
        let mut cache = VerifiedTokens::new(10);
        cache.insert(*b"one", 0, 1, always(), "first");
        cache.insert(*b"two", 0, 1, always(), "second");
        assert_eq!(cache.get(b"one", 0, is(1), || at(NOW)), Some(&"first"));
        assert_eq!(cache.get(b"two", 0, is(1), || at(NOW)), Some(&"second"));
        for other in [&b"on"[..], b"onf", b"one ", b"", b"One"] {
            assert_eq!(cache.get(other, 0, is(1), || at(NOW)), None);
        }
        assert_eq!(cache.len(), 2);
        cache.clear();
        assert!(cache.is_empty());
        assert_eq!(cache.get(b"one", 0, is(1), || at(NOW)), None);
    }

    #[test]
    fn one_context_does_not_vouch_for_another() {
        let mut cache = VerifiedTokens::new(10);
        cache.insert(*b"one", 7, 1, always(), ());
        assert!(cache.get(b"one", 8, is(1), || at(NOW)).is_none());
        assert!(cache.get(b"one", 7, is(1), || at(NOW)).is_some());
    }

    #[test]
    fn another_generation_forgets() {
        let mut cache = VerifiedTokens::new(10);
        cache.insert(*b"one", 0, 1, always(), ());
        assert!(cache.get(b"one", 0, is(2), || at(NOW)).is_none());
        assert!(
            cache.get(b"one", 0, is(1), || at(NOW)).is_none(),
            "it is gone for good"
        );
        assert!(cache.is_empty());
    }

    #[test]
    fn time_is_looked_at_every_time() {
        let mut cache = VerifiedTokens::new(10);
        let token = claiming(&format!(r#"{{"nbf":{},"exp":{}}}"#, NOW, NOW + 10));
        let validity = Validity::of(&token, &Rules::default()).unwrap();
        let insert = |cache: &mut VerifiedTokens<()>| cache.insert(*b"one", 0, 1, validity, ());
        insert(&mut cache);
        assert!(cache.get(b"one", 0, is(1), || at(NOW)).is_some());
        assert!(cache.get(b"one", 0, is(1), || at(NOW + 9)).is_some());
        assert!(cache.get(b"one", 0, is(1), || at(NOW + 10)).is_none());
        insert(&mut cache);
        assert!(
            cache.get(b"one", 0, is(1), || at(NOW - 1)).is_none(),
            "a clock may be set back"
        );
    }

    #[test]
    fn room_is_bounded_and_the_least_used_goes() {
        let mut cache = VerifiedTokens::new(2);
        cache.insert(*b"one", 0, 1, always(), 1);
        cache.insert(*b"two", 0, 1, always(), 2);
        assert_eq!(cache.get(b"one", 0, is(1), || at(NOW)), Some(&1));
        cache.insert(*b"three", 0, 1, always(), 3);
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(b"two", 0, is(1), || at(NOW)), None);
        assert_eq!(cache.get(b"one", 0, is(1), || at(NOW)), Some(&1));
        cache.insert(*b"one", 0, 1, always(), 4);
        assert_eq!(
            (cache.len(), cache.get(b"one", 0, is(1), || at(NOW))),
            (2, Some(&4))
        );
    }

    #[test]
    fn no_room_keeps_nothing() {
        let mut cache = VerifiedTokens::new(0);
        cache.insert(*b"one", 0, 1, always(), ());
        assert!(cache.get(b"one", 0, is(1), || at(NOW)).is_none());
        assert!(cache.is_empty());
    }
}
