//! Which of a request's credentials count.

use crate::digest::{Credentials, CredentialsError, Digest, Freshness};

/// What a nonce is bound to: the realm that it was made for, and the domain that the request which
/// was challenged is about. Without the latter, a customer could take a nonce from a challenge to
/// a request of their own domain, and use it with their own password in a request about another's.
pub fn binding(realm: &[u8], domain: &str) -> Vec<u8> {
    let mut bytes = realm.to_ascii_lowercase();
    bytes.push(0);
    bytes.extend_from_slice(domain.to_ascii_lowercase().as_bytes());
    bytes
}

/// Chooses among the credentials of a request: those of its own domain, else those whose nonce is
/// ours, else the first Digest, else the first bearer token. `None` where there are none of a
/// scheme that we know.
///
/// # Errors
/// Where nothing can be chosen and a header is malformed: the first one's error.
pub fn choose<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    domain: &str,
    freshness: impl Fn(&Digest) -> Freshness,
) -> Result<Option<Credentials>, CredentialsError> {
    let mut malformed = None;
    let mut best: Option<(u8, Credentials)> = None;
    for value in values {
        let credentials = match Credentials::parse(value) {
            Ok(credentials) => credentials,
            // Not malformed: for somebody else.
            Err(CredentialsError::Scheme) => continue,
            Err(error) => {
                malformed.get_or_insert(error);
                continue;
            }
        };
        let rank = match &credentials {
            Credentials::Digest(digest) => {
                let own = digest.realm.eq_ignore_ascii_case(domain.as_bytes());
                match (freshness(digest), own) {
                    (Freshness::Fresh(_), true) => 6,
                    (Freshness::Stale, true) => 5,
                    (Freshness::Fresh(_), false) => 4,
                    (Freshness::NotOurs, true) => 3,
                    (Freshness::Stale, false) => 2,
                    (Freshness::NotOurs, false) => 1,
                }
            }
            Credentials::Bearer(_) => 0,
        };
        if best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((rank, credentials));
        }
    }
    match (best, malformed) {
        (Some((_, credentials)), _) => Ok(Some(credentials)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn digest(realm: &str, nonce: &str) -> Vec<u8> {
        format!(
            "Digest username=\"u\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:x\", \
             response=\"00000000000000000000000000000000\""
        )
        .into_bytes()
    }

    fn fresh_if_ours(digest: &Digest) -> Freshness {
        match digest.nonce.as_slice() {
            b"ours" => Freshness::Fresh(Duration::from_secs(9)),
            b"old" => Freshness::Stale,
            _ => Freshness::NotOurs,
        }
    }

    fn chosen(values: &[Vec<u8>]) -> Option<String> {
        choose(values.iter().map(Vec::as_slice), "a.example", fresh_if_ours)
            .unwrap()
            .map(|credentials| match credentials {
                Credentials::Digest(d) => {
                    format!(
                        "{} {}",
                        String::from_utf8_lossy(&d.realm),
                        String::from_utf8_lossy(&d.nonce)
                    )
                }
                Credentials::Bearer(b) => b.token,
            })
    }

    #[test]
    fn the_request_s_own_realm_comes_first() {
        let values = [digest("b.example", "ours"), digest("A.example", "ours")];
        assert_eq!(chosen(&values).as_deref(), Some("A.example ours"));
        let values = [digest("b.example", "theirs"), digest("fixed", "ours")];
        assert_eq!(chosen(&values).as_deref(), Some("fixed ours"));
        let values = [b"Bearer abc".to_vec(), digest("b.example", "theirs")];
        assert_eq!(chosen(&values).as_deref(), Some("b.example theirs"));
    }

    #[test]
    fn one_malformed_header_does_not_spoil_another() {
        let values = [b"Digest username=".to_vec(), digest("a.example", "ours")];
        assert_eq!(chosen(&values).as_deref(), Some("a.example ours"));
        assert!(choose([&values[0][..]], "a.example", fresh_if_ours).is_err());
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_nonce_is_bound_to_realm_and_domain() {
        assert_eq!(
            binding(b"Realm", "A.Example"),
            binding(b"realm", "a.example")
        );
        assert_ne!(
            binding(b"realm", "a.example"),
            binding(b"realm", "b.example")
        );
        assert_ne!(binding(b"ab", "c"), binding(b"a", "bc"));
    }
}
