//! Each count of a nonce is accepted once.
//!
//! RFC 7616 section 3.4.3 lets a server refuse a nonce count that it has seen. Over UDP, requests
//! overtake each other, so "greater than the last one" would refuse valid ones. Therefore each pair
//! of nonce and count is a separate counter in the CacheDB: the first increment makes it 1, and a
//! result above 1 means a replay, on whichever machine of a cluster it arrives. A counter lives as
//! long as its nonce, which is refused as stale afterwards.
//!
//! Credentials without qop (the form of RFC 2069) use up the nonce as a whole, whatever count they
//! claim: the count is not part of the hash then, so anyone could make up another one.

use std::time::Duration;

use super::Digest;
use crate::counters::{Counters, seconds};

/// Whether credentials may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Used for the first time.
    First,
    /// This count of this nonce was used before.
    Replay,
}

/// The memory of used nonce counts.
#[derive(Debug, Clone, Copy)]
pub struct NonceUses<C> {
    counters: C,
}

impl<C: Counters> NonceUses<C> {
    /// The memory kept in `counters`.
    pub fn new(counters: C) -> Self {
        NonceUses { counters }
    }

    /// Uses up the nonce count of `digest`, whose nonce is known to be
    /// [fresh](super::Freshness::Fresh) for `remaining`.
    ///
    /// # Errors
    /// Fails with the errors of the counters. The result is unknown then, and it is safe to refuse.
    pub fn record(&self, digest: &Digest, remaining: Duration) -> Result<Use, C::Error> {
        // Our nonces are base64url, so they fit into a key as they are.
        let nonce = String::from_utf8_lossy(&digest.nonce);
        let counted = digest.nc.as_deref().filter(|_| digest.qop.is_some());
        let count = counted.unwrap_or("-").to_ascii_lowercase();
        let key = format!("auth_web_nc_{nonce}_{count}");
        // One second more, so that the counter never disappears before the nonce expires.
        let seen = self
            .counters
            .add(&key, 1, seconds(remaining).saturating_add(1))?;
        Ok(if seen <= 1 { Use::First } else { Use::Replay })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Credentials;
    use super::*;
    use crate::counters::tests::Memory;

    fn digest(nonce: &str, count: Option<&str>) -> Digest {
        let qop = count.map_or(String::new(), |nc| {
            format!(", qop=auth, cnonce=\"c\", nc={nc}")
        });
        let value = format!(
            "Digest username=\"u\", realm=\"r\", nonce=\"{nonce}\", uri=\"sip:r\", \
             response=\"00000000000000000000000000000000\"{qop}"
        );
        match Credentials::parse(value.as_bytes()) {
            Ok(Credentials::Digest(digest)) => *digest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_count_is_good_once_in_any_order() {
        let memory = Memory::default();
        let uses = NonceUses::new(&memory);
        let record = |nonce, count| {
            uses.record(&digest(nonce, count), Duration::from_secs(30))
                .expect("it never fails")
        };
        assert_eq!(record("n", Some("00000002")), Use::First);
        assert_eq!(record("n", Some("00000001")), Use::First);
        assert_eq!(record("n", Some("0000000a")), Use::First);
        assert_eq!(record("n", Some("00000002")), Use::Replay);
        assert_eq!(record("n", Some("0000000A")), Use::Replay);
        assert_eq!(record("m", Some("00000002")), Use::First);
        assert_eq!(record("o", None), Use::First);
        assert_eq!(record("o", None), Use::Replay);
    }

    #[test]
    fn a_count_that_is_not_hashed_is_none() {
        let memory = Memory::default();
        let uses = NonceUses::new(&memory);
        let with_count = |count: &str| Digest {
            nc: Some(count.to_owned()),
            ..digest("n", None)
        };
        let record = |digest| uses.record(&digest, Duration::from_secs(30));
        assert_eq!(record(with_count("00000001")), Ok(Use::First));
        assert_eq!(record(with_count("00000002")), Ok(Use::Replay));
        assert_eq!(record(digest("n", None)), Ok(Use::Replay));
    }

    #[test]
    fn the_memory_lasts_as_long_as_the_nonce() {
        let memory = Memory::default();
        let uses = NonceUses::new(&memory);
        let first = digest("n", Some("00000001"));
        uses.record(&first, Duration::from_millis(2500))
            .expect("it never fails");
        memory.pass(3);
        assert_eq!(uses.record(&first, Duration::from_secs(1)), Ok(Use::Replay));
    }
}
