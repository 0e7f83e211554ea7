//! How a snapshot is laid out in memory. Numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 8 | number of buckets, a power of two |
//! | 8 | number of profiles |
//! | 8 each | buckets: offset of a record, 0 for none; collisions go to the next bucket |
//! | | records: tag, username, columns, secrets, each preceded by its length or number |

use std::hash::{DefaultHasher, Hasher};

/// First bytes of a snapshot; the last is the version of the layout.
pub(super) const MAGIC: [u8; 8] = *b"authweb1";

/// Bytes before the buckets.
pub(super) const HEADER: usize = 24;

/// Kind of a value in a record: NULL.
pub(super) const NULL: u8 = 0;
/// An integer.
pub(super) const INT: u8 = 1;
/// A text.
pub(super) const TEXT: u8 = 2;

/// Buckets, and every process, have to agree on it: the hasher has no random keys.
pub(super) fn hash(tag: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(tag);
    hasher.finish()
}
