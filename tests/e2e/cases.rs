//! What is sent, and which scenario says what must come back. Each case runs on every core with
//! every database.

use harness::world::{APOSTROPHE, NO_EXTRA, PUNCTUATION, World};

use super::forgeries::{
    bad_signatures, badly_encoded, claims_twice, expired, forged, garbage, header_chooses,
    injections, none, times_that_are_no_numbers, unknown_crit, unknown_profile,
};
use super::rows::{Rows, admitted, every_algorithm, good, padded, rotation, tokens, with_scheme};

/// One SIPp run.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name of the trial.
    pub name: &'static str,
    /// File in tests/sipp.
    pub scenario: &'static str,
    /// Route of the test script.
    pub service: &'static str,
    /// What is sent.
    pub rows: fn(&World) -> Rows,
}

/// A case.
pub const fn case(
    name: &'static str,
    scenario: &'static str,
    service: &'static str,
    rows: fn(&World) -> Rows,
) -> Case {
    Case {
        name,
        scenario,
        service,
        rows,
    }
}

/// The longest token that is accepted, unless max_token_size says otherwise, in bytes.
const MAX_TOKEN_SIZE: usize = 8192;

/// All of them.
pub const CASES: &[Case] = &[
    case("good token, RS256", "good_token", "plain", |w| {
        good(&w.rsa, "RS256", "rsa", "alice")
    }),
    case("good token, RS384 and RS512", "good_token", "plain", |w| {
        [
            good(&w.rsa, "RS384", "rsa", "alice"),
            good(&w.rsa, "RS512", "rsa", "alice"),
        ]
        .concat()
    }),
    case("good token, PS256", "good_token", "plain", |w| {
        good(&w.rsa, "PS256", "rsa", "alice")
    }),
    case("good token, ES256", "good_token", "plain", |w| {
        good(&w.p256, "ES256", "ec", "bob")
    }),
    case("good token, ES384", "good_token", "plain", |w| {
        good(&w.p384, "ES384", "ec384", "bob384")
    }),
    case("good token, EdDSA", "good_token", "plain", |w| {
        good(&w.ed25519, "EdDSA", "ed", "carol")
    }),
    case("good token, HS256", "good_token", "plain", |w| {
        good(&w.secret, "HS256", "hmac", "dave")
    }),
    case("good token, HS384 and HS512", "good_token", "plain", |w| {
        [
            good(&w.secret, "HS384", "hmac", "dave"),
            good(&w.secret, "HS512", "hmac", "dave"),
        ]
        .concat()
    }),
    case(
        "good token, key in a certificate",
        "good_token",
        "plain",
        |w| good(&w.rsa, "RS256", "certificate", "erin"),
    ),
    case(
        "good token, keys of several kinds",
        "good_token",
        "plain",
        |w| {
            [
                good(&w.rsa, "RS256", "mixed", "judy"),
                good(&w.p256, "ES256", "mixed", "judy"),
                good(&w.secret, "HS256", "mixed", "judy"),
            ]
            .concat()
        },
    ),
    case("good token, async", "good_token", "async", every_algorithm),
    case(
        "good token, under the older name",
        "good_token",
        "old-name",
        every_algorithm,
    ),
    case(
        "good token, outputs into $var",
        "good_token",
        "variables",
        every_algorithm,
    ),
    case(
        "good token, with its scheme",
        "good_token_bearer",
        "bearer",
        with_scheme,
    ),
    case(
        "good token, exp and nbf around now",
        "good_token",
        "plain",
        |w| {
            let rest = format!(
                r#""exp":{},"iat":{},"nbf":{},"tag":"hmac""#,
                w.now + 600,
                w.now,
                w.now
            );
            admitted(&w.secret, "HS256", &format!("{{{rest}}}"), "dave", NO_EXTRA)
        },
    ),
    case(
        "good token, tag with an apostrophe",
        "good_token",
        "plain",
        |w| {
            let payload = format!(r#"{{"tag":"{APOSTROPHE}"}}"#);
            admitted(&w.secret, "HS256", &payload, "Miles O'Brien", NO_EXTRA)
        },
    ),
    case(
        "good token, tag with punctuation",
        "good_token",
        "plain",
        |w| {
            let payload = format!(r#"{{"tag":"{PUNCTUATION}"}}"#);
            admitted(&w.secret, "HS256", &payload, "punctuation", NO_EXTRA)
        },
    ),
    case("loaded columns", "good_token", "plain", |w| {
        let extra = "it's a note, 100%|example.org|42";
        admitted(&w.secret, "HS256", r#"{"tag":"full"}"#, "grace", extra)
    }),
    case("loaded columns, async", "good_token", "async", |w| {
        let extra = "it's a note, 100%|example.org|42";
        admitted(&w.secret, "HS256", r#"{"tag":"full"}"#, "grace", extra)
    }),
    case(
        "NULL in a loaded column leaves the AVP unset",
        "good_token",
        "plain",
        |w| {
            admitted(
                &w.secret,
                "HS256",
                r#"{"tag":"partly"}"#,
                "heidi",
                "<null>|<null>|-7",
            )
        },
    ),
    case("rotation", "rotation", "plain", rotation),
    case("rotation, async", "rotation", "async", rotation),
    case("bad signature", "bad_signature", "plain", bad_signatures),
    case(
        "bad signature, async",
        "bad_signature",
        "async",
        bad_signatures,
    ),
    case(
        "forged with the public key",
        "forged_with_public_key",
        "plain",
        forged,
    ),
    case("none", "alg_none", "plain", none),
    case("unknown crit", "bad_signature", "plain", unknown_crit),
    case(
        "the header chooses no key",
        "bad_signature",
        "plain",
        header_chooses,
    ),
    case("expired", "expired", "plain", expired),
    case("expired, async", "expired", "async", expired),
    case("not yet valid", "not_yet_valid", "plain", |w| {
        tokens(
            &w.secret,
            &[format!(r#"{{"tag":"hmac","nbf":{}}}"#, w.now + 3600)],
        )
    }),
    case(
        "unknown profile",
        "unknown_profile",
        "plain",
        unknown_profile,
    ),
    case(
        "unknown profile, async",
        "unknown_profile",
        "async",
        unknown_profile,
    ),
    case(
        "a profile is its tag, byte by byte",
        "unknown_profile",
        "plain",
        |w| {
            tokens(
                &w.secret,
                &[
                    "HMAC",
                    "hmac ",
                    " hmac",
                    r"hmac\u0000",
                    "hma",
                    "hmac2",
                    "%",
                    "hma_",
                ]
                .map(|tag| format!(r#"{{"tag":"{tag}"}}"#)),
            )
        },
    ),
    case(
        "injection in the tag",
        "injection_in_tag",
        "plain",
        injections,
    ),
    case(
        "a profile without a secret",
        "bad_signature",
        "plain",
        |w| tokens(&w.secret, &[r#"{"tag":"no-secret"}"#.to_string()]),
    ),
    case("no tag", "claim_refused", "plain", |w| {
        tokens(
            &w.secret,
            &[r#"{"sub":"hmac"}"#.to_string(), "{}".to_string()],
        )
    }),
    case("no token", "no_token", "plain", |_| {
        vec![vec!["unused".to_string()]]
    }),
    case("no token, bare variable", "no_header", "bearer", |_| {
        vec![vec!["unused".to_string()]]
    }),
    case("garbage", "garbage", "plain", garbage),
    case("garbage, async", "garbage", "async", garbage),
    case(
        "times that are no numbers",
        "expired",
        "plain",
        times_that_are_no_numbers,
    ),
    case(
        "claims that are there twice",
        "not_a_token",
        "plain",
        claims_twice,
    ),
    case("badly encoded", "not_a_token", "plain", badly_encoded),
    case("too long", "not_a_token", "plain", |w| {
        tokens(
            &w.secret,
            &[MAX_TOKEN_SIZE, MAX_TOKEN_SIZE + 1000].map(padded),
        )
    }),
    case("good token, almost too long", "long_token", "plain", |w| {
        // Base64 makes four characters out of three bytes; header and signature take about 100.
        let payload = padded((MAX_TOKEN_SIZE - 200) / 4 * 3 - 30);
        admitted(&w.secret, "HS256", &payload, "dave", NO_EXTRA)
    }),
];

/// The case of that name.
pub const fn named(cases: &[Case], name: &str) -> Case {
    let mut index = 0;
    while index < cases.len() {
        if same(cases[index].name, name) {
            return cases[index];
        }
        index += 1;
    }
    panic!("no such case")
}

/// The standard library has no constant function to compare strings.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    a.len() == b.len()
}
