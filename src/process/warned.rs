//! What has already been warned about, so that a warning is one line and not one for every request.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroUsize,
};

use lru::LruCache;

/// Most subjects that are remembered; beyond that, the least recently used is warned about again.
const SIZE: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// See the [module](self). Remembers hashes, not secrets.
#[derive(Debug)]
pub struct WarnedOnce {
    subjects: LruCache<u64, ()>,
    hasher: RandomState,
}

impl Default for WarnedOnce {
    fn default() -> Self {
        // Grows as it fills: most sites have nothing to warn about.
        let mut subjects = LruCache::unbounded();
        subjects.resize(SIZE);
        WarnedOnce {
            subjects,
            hasher: RandomState::new(),
        }
    }
}

impl WarnedOnce {
    /// Whether this is the first warning about this subject.
    pub fn is_new(&mut self, subject: impl Hash) -> bool {
        self.subjects
            .put(self.hasher.hash_one(subject), ())
            .is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_new_once() {
        let mut warned = WarnedOnce::default();
        assert!(warned.is_new(("tag", b"secret")));
        assert!(!warned.is_new(("tag", b"secret")));
        assert!(warned.is_new(("other", b"secret")));
        assert!(warned.is_new(("tag", b"Secret")));
    }
}
