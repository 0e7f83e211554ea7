//! Rows for SIPp's injection files: tokens that must be admitted, and what must come back with
//! them.

use harness::keys::Key;
use harness::tokens::token;
use harness::world::{NO_EXTRA, World};

/// Rows of SIPp's injection file.
pub type Rows = Vec<Vec<String>>;

/// A payload of `length` bytes and a little more.
pub fn padded(length: usize) -> String {
    format!(r#"{{"pad":"{}","tag":"hmac"}}"#, "x".repeat(length))
}

/// One row of good_token: the payload must be compact, with sorted keys, since that is how it comes
/// back.
pub fn admitted(key: &Key, alg: &str, payload: &str, username: &str, extra: &str) -> Rows {
    vec![vec![
        token(key, alg, payload),
        username.to_string(),
        format!(r#"{{"alg":"{alg}","typ":"JWT"}}.{payload}"#),
        extra.to_string(),
    ]]
}

/// One good token of a profile.
pub fn good(key: &Key, alg: &str, tag: &str, username: &str) -> Rows {
    admitted(
        key,
        alg,
        &format!(r#"{{"sub":"{username}","tag":"{tag}"}}"#),
        username,
        NO_EXTRA,
    )
}

/// One good token of each kind.
pub fn every_algorithm(w: &World) -> Rows {
    [
        good(&w.rsa, "RS256", "rsa", "alice"),
        good(&w.rsa, "PS256", "rsa", "alice"),
        good(&w.p256, "ES256", "ec", "bob"),
        good(&w.ed25519, "EdDSA", "ed", "carol"),
        good(&w.secret, "HS256", "hmac", "dave"),
    ]
    .concat()
}

/// The same, each with a spelling of its scheme.
pub fn with_scheme(w: &World) -> Rows {
    let mut rows = every_algorithm(w);
    // The name of a scheme is case-insensitive (RFC 9110, 11.1).
    for (row, scheme) in rows
        .iter_mut()
        .zip(["Bearer", "bearer", "BEARER", "Bearer ", "bEaReR"])
    {
        row.push(scheme.to_string());
    }
    rows
}

/// HS256 tokens with these payloads, a row each.
pub fn tokens<S: AsRef<str>>(key: &Key, payloads: &[S]) -> Rows {
    payloads
        .iter()
        .map(|payload| vec![token(key, "HS256", payload.as_ref())])
        .collect()
}

/// Tokens signed with the two currently valid secrets of one profile.
pub fn rotation_good(w: &World) -> Rows {
    let payload = r#"{"tag":"rotating"}"#;
    [
        admitted(&w.old, "HS256", payload, "ivan", NO_EXTRA),
        admitted(&w.new, "HS256", payload, "ivan", NO_EXTRA),
    ]
    .concat()
}

/// The row of the scenario rotation.
pub fn rotation(w: &World) -> Rows {
    let payload = r#"{"tag":"rotating"}"#;
    let mut row = vec!["ivan".to_string()];
    row.extend([&w.old, &w.new, &w.retired, &w.future].map(|key| token(key, "HS256", payload)));
    vec![row]
}
