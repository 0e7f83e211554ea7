//! Signatures that were verified before, in memory that all processes share.
//!
//! What is remembered is that a certain key made a certain signature over a certain message, which
//! stays true for ever: to notice a key that is removed, a profile that changes or a token that
//! expires is up to the caller, which asks only for keys that count, and checks the claims each
//! time. So nothing here ever has to be taken back.
//!
//! There is no lock, and nobody waits. A place is its HMAC-SHA-256 under a key that is drawn at
//! start, so that nobody outside can find two questions that share a place, or that look alike. A
//! reader compares all 256 bits; what is left by two writers of the same place at once, or by one
//! that is killed halfway, is the place of no question.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use crate::keyed::{self, Keyed};
use crate::memory::{AtomicU32, AtomicU64};

/// Places in a bucket.
const WAYS: usize = 8;

/// Words of a digest.
const WORDS: usize = 4;

/// Signatures whose digests begin alike. All zero is empty.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// How often a place was taken or found.
    clock: AtomicU32,
    /// The clock when each was used last.
    used: [AtomicU32; WAYS],
    digests: [[AtomicU64; WORDS]; WAYS],
}

type Digest = keyed::Name;

impl Bucket {
    /// How many are needed for this many signatures. There is room for twice as many, since buckets
    /// do not fill evenly: of as many as fit, all but one in a hundred are remembered.
    pub const fn count(signatures: usize) -> usize {
        (2 * signatures).div_ceil(WAYS)
    }

    fn find(&self, digest: &Digest) -> Option<usize> {
        (0..WAYS).find(|way| {
            let words = self.digests[*way].iter();
            words.zip(digest).all(|(a, b)| a.load(Relaxed) == *b)
        })
    }

    fn touch(&self, way: usize) {
        if self.used[way].load(Relaxed) != self.clock.load(Relaxed) {
            self.advance(way);
        }
    }

    fn advance(&self, way: usize) {
        let next = self.clock.load(Relaxed).wrapping_add(1);
        self.clock.store(next, Relaxed);
        self.used[way].store(next, Relaxed);
    }

    fn insert(&self, digest: &Digest) {
        let clock = self.clock.load(Relaxed);
        // Two that insert the same may not see each other: then it is there twice.
        let oldest = |way: &usize| clock.wrapping_sub(self.used[*way].load(Relaxed));
        let way = self.find(digest).or_else(|| (0..WAYS).max_by_key(oldest));
        let way = way.unwrap_or(0);
        for (word, value) in self.digests[way].iter().zip(digest) {
            word.store(*value, Relaxed);
        }
        self.advance(way);
    }
}

/// The signatures that are remembered, if any are.
#[derive(Clone)]
pub struct Signatures {
    key: Keyed,
    buckets: &'static [Bucket],
    /// Called for each signature that is verified.
    count: fn(),
}

impl Signatures {
    /// Remembers nothing.
    pub fn none() -> Self {
        Self::new(&[0; 32], &[])
    }

    /// Remembers in these buckets, which are all zero or were used with the same key.
    pub fn new(key: &[u8; 32], buckets: &'static [Bucket]) -> Self {
        Signatures {
            key: Keyed::new(key),
            buckets,
            count: || {},
        }
    }

    /// Calls `count` whenever a signature is verified.
    pub fn counting(self, count: fn()) -> Self {
        Signatures { count, ..self }
    }

    /// Whether `key` made `signature` over `message`, by an algorithm of this name: remembered, or
    /// what `verify` says. Only what is true is remembered.
    pub(crate) fn verified(
        &self,
        algorithm: &str,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
        verify: impl FnOnce() -> bool,
    ) -> bool {
        if self.buckets.is_empty() {
            (self.count)();
            return verify();
        }
        let digest = self
            .key
            .name([algorithm.as_bytes(), key, message, signature]);
        let bucket = self.bucket(&digest);
        if let Some(way) = bucket.find(&digest) {
            bucket.touch(way);
            return true;
        }
        (self.count)();
        let is_verified = verify();
        if is_verified {
            bucket.insert(&digest);
        }
        is_verified
    }

    fn bucket(&self, digest: &Digest) -> &'static Bucket {
        // The first word, scaled from 2^64 to the number of buckets.
        let scaled = (u128::from(digest[0]) * self.buckets.len() as u128) >> 64;
        &self.buckets[usize::try_from(scaled).unwrap_or(0)]
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets = self.buckets.len();
        formatter.debug_tuple("Signatures").field(&buckets).finish()
    }
}

#[cfg(test)]
mod tests;
