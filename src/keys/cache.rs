//! Parsed keys, kept by their text.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;

use super::holder::KeyHolder;

/// The most keys that are kept; the least recently used is dropped. A script has a handful.
pub const SIZE: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Keys by their text. Texts that do not parse are kept too, so that a wrong key costs no more than
/// a right one.
#[derive(Debug)]
pub struct KeyCache {
    entries: LruCache<Box<[u8]>, Arc<ParsedKey>>,
    next_id: u64,
}

/// A parsed key.
#[derive(Debug)]
pub struct ParsedKey {
    /// A number that no other text has or had, starting at 1.
    pub id: u64,
    /// The result of parsing.
    pub keys: KeyHolder,
}

impl Default for KeyCache {
    fn default() -> Self {
        KeyCache {
            entries: LruCache::new(SIZE),
            next_id: 1,
        }
    }
}

impl KeyCache {
    /// The keys of a text, parsed now or earlier.
    pub fn get(&mut self, material: &[u8]) -> Arc<ParsedKey> {
        if let Some(key) = self.entries.get(material) {
            return key.clone();
        }
        let id = self.next_id;
        self.next_id += 1;
        let keys = KeyHolder::parse(material);
        let key = Arc::new(ParsedKey { id, keys });
        self.entries.put(material.into(), key.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_parsed_once() {
        let mut cache = KeyCache::default();
        let first = cache.get(b"0123456789abcdef0123456789abcdef");
        assert!(matches!(first.keys, KeyHolder::Keys(_)));
        assert!(Arc::ptr_eq(
            &first,
            &cache.get(b"0123456789abcdef0123456789abcdef")
        ));
        assert_ne!(cache.get(b"0123456789abcdef0123456789abcdeF").id, first.id);
        let damaged = cache.get(b"-----BEGIN PUBLIC KEY-----");
        assert!(matches!(damaged.keys, KeyHolder::Unusable(_)));
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = KeyCache::default();
        for n in 0..2 * SIZE.get() {
            let _ = cache.get(format!("secret number {n}").as_bytes());
        }
        assert_eq!(cache.entries.len(), SIZE.get());
    }
}
