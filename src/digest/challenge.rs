//! Values for WWW-Authenticate and Proxy-Authenticate (RFC 7616 section 3.3).

use std::fmt::Write as _;
use std::time::SystemTime;

use super::{Algorithm, NonceError, Nonces};

/// Why a challenge can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// A realm that can't be quoted, or that is empty.
    #[error("the realm of a challenge must be 1 to 256 bytes of text without control characters")]
    Realm,
    /// No nonce could be made.
    #[error(transparent)]
    Nonce(#[from] NonceError),
}

/// The longest realm in bytes; a domain name has 253 at most.
const MAX_REALM: usize = 256;

/// One header value for each of `algorithms`, in that order, all with the same new nonce. RFC 8760
/// section 2.4 requires the most preferred one first, which is the order of
/// [`Algorithm::parse_list`].
///
/// The nonce is bound to the algorithms, and to `binding`, which must be passed to [`Nonces::check`] again.
///
/// `stale` says that only the nonce was too old: the device retries by itself with the password
/// that it has.
///
/// # Errors
/// Fails with [`ChallengeError`] if the realm is unsuitable or there is no nonce.
pub fn challenge(
    nonces: &Nonces,
    realm: &str,
    binding: &[u8],
    algorithms: &[Algorithm],
    stale: bool,
    now: SystemTime,
) -> Result<Vec<String>, ChallengeError> {
    if realm.is_empty() || realm.len() > MAX_REALM || realm.contains(char::is_control) {
        return Err(ChallengeError::Realm);
    }
    let nonce = nonces.make(binding, algorithms, now)?;
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(algorithms
        .iter()
        .map(|algorithm| {
            let mut value = format!("Digest realm=\"{quoted}\", nonce=\"{nonce}\", qop=\"auth\"");
            _ = write!(value, ", algorithm={algorithm}");
            if stale {
                value.push_str(", stale=true");
            }
            value
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::Freshness;
    use super::*;

    fn nonces() -> Nonces {
        Nonces::new(b"a secret", Duration::from_secs(30))
    }

    fn nonce_of(value: &str) -> &str {
        let (_, rest) = value.split_once("nonce=\"").expect("a nonce");
        rest.split_once('"').expect("an end").0
    }

    #[test]
    fn one_value_per_algorithm_with_a_nonce_that_is_ours() {
        let algorithms = Algorithm::parse_list("MD5,SHA-256,SHA-512-256").expect("known names");
        let values = challenge(
            &nonces(),
            "example.org",
            b"r",
            &algorithms,
            false,
            UNIX_EPOCH,
        )
        .expect("a good realm");
        let nonce = nonce_of(&values[0]);
        assert_eq!(
            values,
            ["SHA-512-256", "SHA-256", "MD5"].map(|name| format!(
                "Digest realm=\"example.org\", nonce=\"{nonce}\", qop=\"auth\", algorithm={name}"
            ))
        );
        let fresh = nonces().check(nonce.as_bytes(), b"r", Algorithm::Md5, UNIX_EPOCH);
        assert!(matches!(fresh, Freshness::Fresh(_)), "{fresh:?}");
    }

    #[test]
    fn a_realm_can_not_break_out_of_its_quotes() {
        let values = challenge(
            &nonces(),
            r#"a", stale=true, x="\"#,
            b"r",
            &[Algorithm::Md5],
            true,
            UNIX_EPOCH,
        )
        .expect("quotes are escaped");
        assert!(values[0].starts_with(r#"Digest realm="a\", stale=true, x=\"\\", nonce=""#));
        assert!(values[0].ends_with(", algorithm=MD5, stale=true"));
        for bad in ["", "a\r\nVia: x", "a\0", &"x".repeat(257)] {
            let made = challenge(&nonces(), bad, b"r", &[Algorithm::Md5], false, UNIX_EPOCH);
            assert_eq!(made, Err(ChallengeError::Realm));
        }
    }
}
