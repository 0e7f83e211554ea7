//! Nonces that need no memory.
//!
//! A nonce is base64url of: the time at which it was made (8 bytes, milliseconds since 1970, big
//! endian), the algorithms that it was offered with (one byte), 11 random bytes that make it unique,
//! and the first 16 bytes of HMAC-SHA256 over all of these and the realm, under a secret. Whoever has the secret can tell that a nonce is its own, for that
//! realm, and how old it is; the machines of a cluster share the secret. The construction is the
//! one sketched in RFC 7616 section 3.3, with a MAC in place of the plain hash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Algorithm;

const TIME: usize = 8;
const OFFERED: usize = 1;
const RANDOM: usize = 11;
/// 128 bits can't be guessed, and keep the nonce short: space in SIP over UDP is scarce.
const MAC: usize = 16;
const MADE: usize = TIME + OFFERED + RANDOM;
const LENGTH: usize = MADE + MAC;

/// Names the purpose of the MAC, in case the same secret is used elsewhere.
const LABEL: &[u8] = b"auth_web nonce 2\0";

/// Makes nonces and recognizes them again.
pub struct Nonces {
    key: hmac::Key,
    expire: Duration,
}

/// How a nonce is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Ours, of this realm, and not expired; it stays so for this long.
    Fresh(Duration),
    /// Ours, of this realm, but too old: worth a challenge with `stale=true`.
    Stale,
    /// Ours, of this realm, but no challenge offered this algorithm with it: a weaker one than we
    /// want, or one that the endpoint may not know.
    NotOffered,
    /// Not made under this secret for this realm.
    NotOurs,
}

/// A nonce could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes for a nonce")]
pub struct NonceError;

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces")
            .field("expire", &self.expire)
            .finish_non_exhaustive()
    }
}

impl Nonces {
    /// Nonces under `secret` that stay fresh for `expire`.
    pub fn new(secret: &[u8], expire: Duration) -> Nonces {
        Nonces {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            expire,
        }
    }

    /// A secret for use if none is configured; nonces are then valid until the next start.
    ///
    /// # Errors
    /// Fails with [`NonceError`] if the system provides no random bytes.
    pub fn random_secret() -> Result<[u8; 32], NonceError> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| NonceError)?;
        Ok(secret)
    }

    /// A new nonce for `realm`, to be offered with these algorithms: 48 characters of base64url.
    ///
    /// # Errors
    /// Fails with [`NonceError`] if the system provides no random bytes.
    pub fn make(
        &self,
        realm: &[u8],
        offered: &[Algorithm],
        now: SystemTime,
    ) -> Result<String, NonceError> {
        let mut random = [0; RANDOM];
        rand::fill(&mut random).map_err(|_| NonceError)?;
        let mut nonce = Vec::with_capacity(LENGTH);
        nonce.extend_from_slice(&milliseconds(now).to_be_bytes());
        nonce.push(bits(offered));
        nonce.extend_from_slice(&random);
        let mac = self.mac(&nonce, realm);
        nonce.extend_from_slice(mac.as_ref().get(..MAC).unwrap_or_default());
        Ok(URL_SAFE_NO_PAD.encode(nonce))
    }

    /// Checks whether this nonce is ours, of this realm, young enough, and was offered with this
    /// algorithm.
    ///
    /// A time in the future is tolerated as far as one in the past: the clocks of a cluster are
    /// never exactly the same.
    pub fn check(
        &self,
        nonce: &[u8],
        realm: &[u8],
        algorithm: Algorithm,
        now: SystemTime,
    ) -> Freshness {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else {
            return Freshness::NotOurs;
        };
        let Ok(bytes) = <[u8; LENGTH]>::try_from(bytes) else {
            return Freshness::NotOurs;
        };
        let (made, mac) = bytes.split_at(MADE);
        let expected = self.mac(made, realm);
        let expected = expected.as_ref().get(..MAC).unwrap_or_default();
        if constant_time::verify_slices_are_equal(expected, mac).is_err() {
            return Freshness::NotOurs;
        }
        let mut time = [0; TIME];
        time.iter_mut().zip(made).for_each(|(to, from)| *to = *from);
        let offered = made.get(TIME).copied().unwrap_or_default();
        let (made, now) = (u64::from_be_bytes(time), milliseconds(now));
        let expire = u64::try_from(self.expire.as_millis()).unwrap_or(u64::MAX);
        if made.abs_diff(now) >= expire {
            return Freshness::Stale;
        }
        if offered & bits(&[algorithm]) == 0 {
            return Freshness::NotOffered;
        }
        Freshness::Fresh(Duration::from_millis(
            made.saturating_add(expire).saturating_sub(now),
        ))
    }

    fn mac(&self, made: &[u8], realm: &[u8]) -> hmac::Tag {
        // `made` has a fixed length, so nothing can shift between it and the realm.
        let mut context = hmac::Context::with_key(&self.key);
        context.update(LABEL);
        context.update(made);
        context.update(realm);
        context.sign()
    }
}

/// One bit for each algorithm.
fn bits(algorithms: &[Algorithm]) -> u8 {
    let all = Algorithm::ALL.iter().enumerate();
    all.filter(|(_, algorithm)| algorithms.contains(algorithm))
        .fold(0, |bits, (at, _)| bits | 1 << at)
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonces() -> Nonces {
        Nonces::new(b"a secret", Duration::from_secs(30))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn a_nonce_is_fresh_then_stale() {
        let nonce = nonces()
            .make(b"realm", &[Algorithm::Md5], at(0))
            .expect("random bytes");
        let check =
            |seconds| nonces().check(nonce.as_bytes(), b"realm", Algorithm::Md5, at(seconds));
        assert_eq!(check(0), Freshness::Fresh(Duration::from_secs(30)));
        assert_eq!(check(29), Freshness::Fresh(Duration::from_secs(1)));
        assert_eq!(check(30), Freshness::Stale);
        assert_eq!(check(1_000_000), Freshness::Stale);
    }

    #[test]
    fn another_clock_may_be_ahead_within_the_limit() {
        let nonce = nonces()
            .make(b"realm", &[Algorithm::Md5], at(10))
            .expect("random bytes");
        let ahead = nonces().check(nonce.as_bytes(), b"realm", Algorithm::Md5, at(0));
        assert_eq!(ahead, Freshness::Fresh(Duration::from_secs(40)));
        let nonce = nonces()
            .make(b"realm", &[Algorithm::Md5], at(40))
            .expect("random bytes");
        assert_eq!(
            nonces().check(nonce.as_bytes(), b"realm", Algorithm::Md5, at(0)),
            Freshness::Stale
        );
    }

    #[test]
    fn another_realm_secret_or_byte_is_not_ours() {
        let nonce = nonces()
            .make(b"realm", &[Algorithm::Md5], at(0))
            .expect("random bytes");
        assert_eq!(
            nonces().check(nonce.as_bytes(), b"other", Algorithm::Md5, at(0)),
            Freshness::NotOurs
        );
        let other = Nonces::new(b"another", Duration::from_secs(30));
        assert_eq!(
            other.check(nonce.as_bytes(), b"realm", Algorithm::Md5, at(0)),
            Freshness::NotOurs
        );
        for at_byte in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[at_byte] = if forged[at_byte] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                nonces().check(&forged, b"realm", Algorithm::Md5, at(0)),
                Freshness::NotOurs
            );
        }
    }

    #[test]
    fn two_nonces_of_the_same_moment_differ_and_are_of_a_safe_alphabet() {
        let one = nonces()
            .make(b"realm", &[Algorithm::Md5], at(0))
            .expect("random bytes");
        let two = nonces()
            .make(b"realm", &[Algorithm::Md5], at(0))
            .expect("random bytes");
        assert_ne!(one, two);
        assert_eq!(one.len(), 48);
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }

    #[test]
    fn an_algorithm_that_was_not_offered_is_told_apart() {
        let offered = [Algorithm::Sha256, Algorithm::Md5];
        let nonce = nonces().make(b"realm", &offered, at(0));
        let nonce = nonce.expect("random bytes");
        for algorithm in Algorithm::ALL {
            let found = nonces().check(nonce.as_bytes(), b"realm", algorithm, at(0));
            let is_offered = matches!(found, Freshness::Fresh(_));
            assert_eq!(is_offered, offered.contains(&algorithm), "{algorithm}");
            assert!(is_offered || found == Freshness::NotOffered, "{algorithm}");
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_not_ours(nonce: Vec<u8>) {
            prop_assert_eq!(nonces().check(&nonce, b"realm", Algorithm::Md5, at(0)), Freshness::NotOurs);
        }
    }
}
