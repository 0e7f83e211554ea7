//! Which of a request's credentials count.

use crate::digest::{Credentials, CredentialsError, Digest, Freshness, MAX_HEADERS};
use crate::opensips::request::Authorizations;

/// What a nonce is bound to: the realm that it was made for, and the domain that the challenged
/// request is about. Without the latter, a customer could take a nonce from a challenge to a
/// request about their own domain, and use it with their own password in a request about another's.
pub fn binding(realm: &[u8], domain: &str) -> Vec<u8> {
    let mut bytes = realm.to_ascii_lowercase();
    bytes.push(0);
    bytes.extend_from_slice(domain.to_ascii_lowercase().as_bytes());
    bytes
}

/// Credentials, and the header that they were in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Authorization or Proxy-Authorization.
    pub header: &'static str,
    /// The credentials in it.
    pub credentials: Credentials,
}

/// Chooses among the credentials of a request: those of its own domain, else those whose nonce is
/// ours, else the first Digest, else the first bearer token. `None` if none is of a scheme that we
/// know.
///
/// All headers of scheme Digest must name the same user, so that any reader of any of them, such as
/// the core, finds that user. A token therefore counts only if there are none of these.
/// `core_username` is what the core's own parser finds in the first Proxy-Authorization, else the
/// first Authorization; it is called only if that header is of this scheme.
///
/// Headers that [answer no challenge](CredentialsError::wants_challenge) are no credentials, but the
/// users that they name count. Where one has several sets of credentials, or breaks off before its answer,
/// none of the request counts: whom it names can't be told.
///
/// # Errors
/// Fails if it is not certain who the user is, or, if nothing can be chosen, with what is wrong
/// with the first malformed header.
pub fn choose(
    values: &Authorizations,
    domain: &str,
    freshness: impl Fn(&Digest) -> Freshness,
    core_username: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Option<Chosen>, CredentialsError> {
    let Authorizations {
        authorization,
        proxy_authorization,
    } = values;
    if authorization.len().max(proxy_authorization.len()) > MAX_HEADERS {
        return Err(CredentialsError::TooManyHeaders);
    }
    let values = || authorization.iter().chain(proxy_authorization);
    if values().any(|value| Credentials::parse(value) == Err(CredentialsError::List)) {
        return Ok(None);
    }
    // The user that each names, in the order in which they are considered; none if the core does
    // not look for a name either.
    let names = match values()
        .map(|value| Credentials::username_of(value))
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(names) => names,
        Err(error) if error.wants_challenge() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut named = names.iter().flatten();
    let user = named.next();
    if named.any(|name| Some(name) != user) {
        return Err(CredentialsError::SeveralUsers);
    }
    let of_core = match proxy_authorization.is_empty() {
        true => names.first(),
        false => names.get(authorization.len()),
    };
    if let Some(Some(name)) = of_core
        && !name.is_empty()
        && core_username().is_some_and(|core| core != *name)
    {
        return Err(CredentialsError::Ambiguous);
    }
    let named = |header| move |value| (header, value);
    let all = authorization.iter().map(named("Authorization"));
    let all = all.chain(proxy_authorization.iter().map(named("Proxy-Authorization")));
    let (mut malformed, mut unanswered) = (None, None);
    let mut best: Option<(u8, Chosen)> = None;
    for (header, value) in all {
        let credentials = match Credentials::parse(value) {
            Ok(credentials) => credentials,
            // Not malformed, but for somebody else.
            Err(CredentialsError::Scheme) => continue,
            Err(error) if error.wants_challenge() => {
                unanswered.get_or_insert(error);
                continue;
            }
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
                    (Freshness::NotOurs | Freshness::NotOffered, true) => 3,
                    (Freshness::Stale, false) => 2,
                    (Freshness::NotOurs | Freshness::NotOffered, false) => 1,
                }
            }
            Credentials::Bearer(_) => 0,
        };
        if best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((
                rank,
                Chosen {
                    header,
                    credentials,
                },
            ));
        }
    }
    match (best, malformed.or(unanswered)) {
        // Next to a token, a header of scheme Digest names a user who has not been proven.
        (Some((_, chosen)), Some(error))
            if user.is_some() && matches!(chosen.credentials, Credentials::Bearer(_)) =>
        {
            Err(error)
        }
        (Some((_, chosen)), _) => Ok(Some(chosen)),
        (None, Some(error)) if error.wants_challenge() => Ok(None),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn digest(realm: &str, nonce: &str) -> String {
        format!(
            "Digest username=\"u\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:x\", \
             response=\"00000000000000000000000000000000\""
        )
    }

    fn fresh_if_ours(digest: &Digest) -> Freshness {
        match digest.nonce.as_slice() {
            b"ours" => Freshness::Fresh(Duration::from_secs(9)),
            b"old" => Freshness::Stale,
            _ => Freshness::NotOurs,
        }
    }

    fn choose_of(
        authorization: &[&str],
        proxy: &[&str],
        core: Option<&str>,
    ) -> Result<Option<String>, CredentialsError> {
        let bytes = |values: &[&str]| values.iter().map(|v| v.as_bytes().to_vec()).collect();
        let values = Authorizations {
            authorization: bytes(authorization),
            proxy_authorization: bytes(proxy),
        };
        let core = || core.map(|name| name.as_bytes().to_vec());
        let chosen = choose(&values, "a.example", fresh_if_ours, core)?;
        Ok(chosen.map(|chosen| match chosen.credentials {
            Credentials::Digest(d) => {
                format!(
                    "{} {}",
                    String::from_utf8_lossy(&d.realm),
                    String::from_utf8_lossy(&d.nonce)
                )
            }
            Credentials::Bearer(b) => b.token,
        }))
    }

    fn chosen(values: &[&str]) -> Result<Option<String>, CredentialsError> {
        choose_of(values, &[], None)
    }

    #[test]
    fn the_request_s_own_realm_comes_first() {
        let is = |text: &str| Ok(Some(text.to_owned()));
        let (b, a) = (digest("b.example", "ours"), digest("A.example", "ours"));
        assert_eq!(chosen(&[&b, &a]), is("A.example ours"));
        assert_eq!(choose_of(&[&b], &[&a], Some("u")), is("A.example ours"));
        let (b, a) = (digest("b.example", "theirs"), digest("fixed", "ours"));
        assert_eq!(chosen(&[&b, &a]), is("fixed ours"));
        assert_eq!(chosen(&["Bearer abc", &b]), is("b.example theirs"));
        assert_eq!(chosen(&["Basic abc", "Bearer abc"]), is("abc"));
        assert_eq!(chosen(&[]), Ok(None));
    }

    #[test]
    fn headers_of_another_kind_do_not_spoil_ours() {
        let ours = digest("a.example", "ours");
        let unknown = "Digest username=\"u\", algorithm=AKAv1-MD5";
        let is = Ok(Some("a.example ours".to_owned()));
        assert_eq!(chosen(&[unknown, &ours]), is);
        assert_eq!(chosen(&["Basic am9objpwYXNz", &ours, "Bearer a b"]), is);
        assert_eq!(chosen(&[unknown]), Ok(None));
    }

    #[test]
    fn whoever_looks_sees_the_same_user() {
        let ours = digest("a.example", "ours");
        let mary = ours.replace("\"u\"", "\"mary\"");
        let several = Err(CredentialsError::SeveralUsers);
        assert_eq!(chosen(&[&ours, &mary]), several);
        assert_eq!(choose_of(&[&ours], &[&mary], None), several);
        let foreign = mary.replace("a.example", "c.example");
        assert_eq!(chosen(&[&ours, &foreign]), several);
        let nobody = "Digest realm=\"a.example\"";
        assert_eq!(chosen(&[&ours, nobody]), several);
        // It is unknown whom an unreadable header names.
        let open = "Digest username=\"u";
        assert_eq!(chosen(&[open, &ours]), Err(CredentialsError::Grammar));
        assert_eq!(chosen(&[&ours, open]), Err(CredentialsError::Grammar));
        // A token says nothing about the user that the other header names.
        let named = "Digest username=\"mary\"";
        for values in [["Bearer abc", named], [named, "Bearer abc"]] {
            let missing = Err(CredentialsError::Unanswered);
            assert_eq!(chosen(&values), missing);
            assert_eq!(choose_of(&values[..1], &values[1..], Some("mary")), missing);
        }
        let many = [ours.as_str(); MAX_HEADERS + 1];
        assert_eq!(chosen(&many), Err(CredentialsError::TooManyHeaders));
    }

    #[test]
    fn what_answers_no_challenge_is_challenged() {
        let first = r#"Digest username="u", realm="a.example", nonce="", uri="sip:x", response="""#;
        assert_eq!(chosen(&[first]), Ok(None));
        let ours = digest("a.example", "ours");
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(chosen(&[first, &ours]), is("a.example ours"));
        // It names a user all the same.
        let mary = first.replace("\"u\"", "\"mary\"");
        assert_eq!(chosen(&[&mary, &ours]), Err(CredentialsError::SeveralUsers));
        let ambiguous = Err(CredentialsError::Ambiguous);
        assert_eq!(choose_of(&[first], &[], Some("mary")), ambiguous);
        // Empty headers name nobody, and do no harm.
        for nothing in ["", "Digest", "Bearer"] {
            assert_eq!(chosen(&[nothing]), Ok(None), "{nothing}");
            assert_eq!(chosen(&[nothing, &ours]), is("a.example ours"), "{nothing}");
            assert_eq!(chosen(&[nothing, "Bearer abc"]), is("abc"), "{nothing}");
            // The core looks only at the first.
            let beside = choose_of(&[nothing, &ours], &[], Some("x"));
            assert_eq!(beside, is("a.example ours"), "{nothing}");
        }
        let broken = "Digest username=\"mary\", nonce=, response=";
        assert_eq!(chosen(&[broken]), Ok(None));
        assert_eq!(chosen(&[broken, &ours]), Ok(None));
        assert_eq!(chosen(&["Bearer abc", broken]), Ok(None));
        // Nobody can tell whom a list names.
        for list in [
            format!("{ours}, {ours}"),
            format!("{ours}, {mary}"),
            format!("{ours},bearer abc"),
            format!("Bearer abc , {mary}"),
        ] {
            assert_eq!(chosen(&[&list]), Ok(None), "{list}");
            assert_eq!(chosen(&[&list, &ours]), Ok(None), "{list}");
            assert_eq!(choose_of(&[&ours], &[&list], None), Ok(None), "{list}");
        }
    }

    #[test]
    fn of_headers_for_several_algorithms_one_counts() {
        let (old, ours) = (digest("a.example", "theirs"), digest("a.example", "ours"));
        let is = Ok(Some("a.example ours".to_owned()));
        assert_eq!(chosen(&[&old, &ours]), is);
        let other = |digest: &Digest| match digest.nonce.as_slice() {
            b"ours" => Freshness::Fresh(Duration::from_secs(9)),
            _ => Freshness::NotOffered,
        };
        let values = Authorizations {
            authorization: [&old, &ours].map(|v| v.as_bytes().to_vec()).into(),
            proxy_authorization: Vec::new(),
        };
        let chosen = choose(&values, "a.example", other, || None)
            .unwrap()
            .unwrap();
        let Credentials::Digest(digest) = chosen.credentials else {
            panic!("not Digest")
        };
        assert_eq!(digest.nonce, b"ours");
    }

    #[test]
    fn the_core_has_to_see_him_too() {
        let ours = digest("a.example", "ours");
        let ambiguous = Err(CredentialsError::Ambiguous);
        assert_eq!(choose_of(&[&ours], &[], Some("alice")), ambiguous);
        assert!(choose_of(&[&ours], &[], Some("u")).is_ok());
        // The core knows no extended notation, and is not asked about other schemes.
        assert!(choose_of(&[&ours], &[], None).is_ok());
        assert!(choose_of(&["Bearer a", &ours], &[], Some("alice")).is_ok());
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
