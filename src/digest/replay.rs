//! Each count of a nonce is accepted once.
//!
//! RFC 7616 section 3.4.3 lets a server refuse a nonce count that it has seen. Over UDP, requests
//! overtake each other, so "greater than the last one" would refuse valid ones. Therefore each pair
//! of nonce and count is a [claim](Claim) of its own in the CacheDB, which can be made once, on
//! whichever machine of a cluster it arrives. A claim lives as long as its nonce, which is refused as
//! stale afterwards.
//!
//! Credentials without qop (the form of RFC 2069) use up the nonce as a whole, whatever count they
//! claim: the count is not part of the hash then, so anyone could make up another one.

use std::time::Duration;

use super::Digest;
use crate::counters::{Claim, seconds};

/// The claim that uses up the nonce count of `digest`, whose nonce is known to be
/// [fresh](super::Freshness::Fresh) for `remaining`. Whoever is not the first to make it sends a replay.
pub fn nonce_claim(digest: &Digest, remaining: Duration) -> Claim {
    // Our nonces are base64url, so they fit into a key as they are.
    let nonce = String::from_utf8_lossy(&digest.nonce);
    let counted = digest.nc.as_deref().filter(|_| digest.qop.is_some());
    let count = counted.unwrap_or("-").to_ascii_lowercase();
    Claim {
        key: format!("auth_web_nc_{nonce}_{count}"),
        // One second more, so that the claim never disappears before the nonce expires.
        ttl: seconds(remaining).saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Credentials;
    use super::*;
    use crate::counters::Counters;
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
        let is_first = |nonce, count| {
            let claim = nonce_claim(&digest(nonce, count), Duration::from_secs(30));
            memory.claim(&claim).expect("it never fails")
        };
        assert!(is_first("n", Some("00000002")));
        assert!(is_first("n", Some("00000001")));
        assert!(is_first("n", Some("0000000a")));
        assert!(!is_first("n", Some("00000002")));
        assert!(!is_first("n", Some("0000000A")));
        assert!(is_first("m", Some("00000002")));
        assert!(is_first("o", None));
        assert!(!is_first("o", None));
    }

    #[test]
    fn a_count_that_is_not_hashed_is_none() {
        let memory = Memory::default();
        let with_count = |count: &str| Digest {
            nc: Some(count.to_owned()),
            ..digest("n", None)
        };
        let is_first = |digest| memory.claim(&nonce_claim(&digest, Duration::from_secs(30)));
        assert_eq!(is_first(with_count("00000001")), Ok(true));
        assert_eq!(is_first(with_count("00000002")), Ok(false));
        assert_eq!(is_first(digest("n", None)), Ok(false));
    }

    #[test]
    fn the_memory_lasts_as_long_as_the_nonce() {
        let memory = Memory::default();
        let first = digest("n", Some("00000001"));
        let claim = |remaining| memory.claim(&nonce_claim(&first, remaining));
        assert_eq!(claim(Duration::from_millis(2500)), Ok(true));
        memory.pass(3);
        assert_eq!(claim(Duration::from_secs(1)), Ok(false));
    }
}
