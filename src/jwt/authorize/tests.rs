use super::*;
use crate::calls::codes;
use crate::jwt::algorithm::{Algorithm, AlgorithmSet};
use crate::jwt::testing::{
    NOW, SECRET, at, claiming, fixture, good, parse, verifying_material, with_header,
};
use crate::jwt::token::Limits;

/// What a script gets of a judgement.
impl Outcome {
    fn code(&self) -> i32 {
        codes::jwt::of(self)
    }

    fn script_code(&self) -> i32 {
        codes::jwt_script::of(self)
    }
}

/// Nothing is remembered: the token itself is judged.
fn authorize(
    token: &Token,
    candidates: &[CandidateSecret<'_>],
    rules: &Rules,
    now: Duration,
) -> Outcome {
    super::authorize(token, candidates, rules, &Signatures::none(), now)
}

fn script_authorize(
    token: &Token,
    keys: Result<&KeySet, &KeyError>,
    rules: &Rules,
    now: Duration,
) -> Outcome {
    super::script_authorize(token, keys, rules, &Signatures::none(), now)
}

fn keys(material: &[u8]) -> Result<KeySet, KeyError> {
    KeySet::parse(material)
}

fn always(keys: &Result<KeySet, KeyError>) -> CandidateSecret<'_> {
    CandidateSecret {
        keys: keys.as_ref(),
        start_ts: 0,
        end_ts: i64::MAX,
    }
}

#[test]
fn any_secret_that_counts_and_verifies_wins() {
    let (wrong, right) = (keys(b"wrong"), keys(SECRET));
    let token = claiming(r#"{"tag":"x"}"#);
    let rules = Rules::default();
    for (candidates, winner) in [
        (vec![always(&right)], 0),
        (vec![always(&wrong), always(&right)], 1),
        (vec![always(&right), always(&wrong)], 0),
    ] {
        let outcome = authorize(&token, &candidates, &rules, at(NOW));
        let kid = None;
        assert_eq!(
            outcome,
            Outcome::Authorized {
                candidate: winner,
                kid
            }
        );
        assert_eq!((outcome.code(), outcome.script_code()), (1, 1));
    }
}

#[test]
fn the_window_of_a_secret_includes_its_start_and_excludes_its_end() {
    let right = keys(SECRET);
    let token = claiming("{}");
    let now = i64::try_from(NOW).unwrap();
    let code = |start_ts, end_ts| {
        let candidate = CandidateSecret {
            keys: right.as_ref(),
            start_ts,
            end_ts,
        };
        authorize(&token, &[candidate], &Rules::default(), at(NOW)).code()
    };
    assert_eq!(code(now, now + 1), 1);
    assert_eq!(code(now + 1, now + 2), -1);
    assert_eq!(code(now - 1, now), -1);
    assert_eq!(code(i64::MIN, i64::MAX), 1);
    assert_eq!(code(now + 5, now - 5), -1);
}

#[test]
fn the_reason_tells_what_was_tried() {
    let (wrong, damaged) = (keys(b"wrong"), keys(b"-----BEGIN PUBLIC KEY-----"));
    let token = claiming("{}");
    let rules = Rules::default();
    let over = CandidateSecret {
        end_ts: 1,
        ..always(&wrong)
    };
    let reason = |candidates: &[CandidateSecret<'_>]| {
        let outcome = authorize(&token, candidates, &rules, at(NOW));
        assert_eq!(outcome.code(), -1);
        outcome.to_string()
    };
    assert_eq!(
        reason(&[always(&wrong)]),
        "no secret verifies it: signature does not match"
    );
    assert_eq!(
        reason(&[over, always(&wrong), always(&damaged)]),
        "no secret verifies it: signature does not match \
         (1 tried, 1 outside of their time, 1 unusable)"
    );
    assert_eq!(
        reason(&[over]),
        "no secret verifies it (0 tried, 1 outside of their time, 0 unusable)"
    );
    assert_eq!(
        reason(&[]),
        "no secret verifies it (0 tried, 0 outside of their time, 0 unusable)"
    );
}

#[test]
fn the_signature_comes_before_the_claims() {
    let (wrong, right) = (keys(b"wrong"), keys(SECRET));
    let expired = claiming(&format!(r#"{{"exp":{}}}"#, NOW - 37));
    let rules = Rules::default();
    assert_eq!(
        authorize(&expired, &[always(&wrong)], &rules, at(NOW)).code(),
        -1
    );
    let outcome = authorize(&expired, &[always(&right)], &rules, at(NOW));
    assert_eq!((outcome.code(), outcome.script_code()), (-3, -1));
    assert_eq!(outcome.to_string(), "expired 37 s ago");
}

#[test]
fn every_refusal_has_its_code() {
    let right = keys(SECRET);
    let codes = |payload: &str, rules: &Rules| {
        authorize(&claiming(payload), &[always(&right)], rules, at(NOW)).code()
    };
    assert_eq!(codes(r#"{"nbf":4102444800}"#, &Rules::default()), -3);
    assert_eq!(codes(r#"{"exp":"4102444800"}"#, &Rules::default()), -3);
    let strict = Rules {
        require_exp: true,
        issuers: vec!["a".into()],
        ..Rules::default()
    };
    assert_eq!(codes("{}", &strict), -5);
    assert_eq!(codes(r#"{"exp":4102444800,"iss":"b"}"#, &strict), -5);
    assert_eq!(Outcome::NoProfile.code(), -4);
    assert_eq!(Outcome::StoreFailed.code(), -6);
    let no_token = Token::parse(b"garbage", &Limits::default()).unwrap_err();
    let outcome = Outcome::from(no_token);
    assert_eq!((outcome.code(), outcome.script_code()), (-2, -2));
    assert!(outcome.to_string().starts_with(
        "not a token: not made of three segments: it is no JSON Web Token but opaque"
    ));
}

#[test]
fn a_token_of_another_issuer_is_said_to_be_one() {
    let (wrong, right) = (keys(b"wrong"), keys(SECRET));
    let rules = Rules {
        issuers: vec!["https://a.example/".into(), "https://b.example/".into()],
        ..Rules::default()
    };
    let said = |payload: &str, keys: &Result<KeySet, KeyError>| {
        let outcome = authorize(&claiming(payload), &[always(keys)], &rules, at(NOW));
        (outcome.code(), outcome.to_string())
    };
    let other = r#"{"iss":"https://c.example/\nforged"}"#;
    let why = "iss differs from what is required: it is \"https://c.example/\\nforged\", allowed \
               are \"https://a.example/\", \"https://b.example/\"";
    assert_eq!(said(other, &right), (-5, why.to_owned()));
    let (code, reason) = said(other, &wrong);
    assert_eq!(code, -1);
    assert_eq!(
        reason,
        format!("no secret verifies it: signature does not match; {why}")
    );
    let (_, reason) = said("{}", &wrong);
    assert!(reason.ends_with("; iss is missing"), "{reason}");
    let (_, reason) = said(r#"{"iss":"https://a.example/"}"#, &wrong);
    assert!(reason.ends_with("signature does not match"), "{reason}");
    // Nothing of it is longer than a line.
    let long = format!(r#"{{"iss":"{}"}}"#, "x".repeat(5000));
    assert!(said(&long, &right).1.len() < 400);
}

#[test]
fn what_the_header_forbids_is_refused_whatever_the_secrets() {
    let right = keys(SECRET);
    for (header, reason) in [
        (r#"{"alg":"none"}"#, "not signed (alg is \"none\")"),
        (r#"{"alg":"XX"}"#, "unknown alg \"XX\""),
        (
            r#"{"alg":"HS256","crit":["x"]}"#,
            "header demands unknown extensions (crit)",
        ),
    ] {
        let outcome = authorize(
            &parse(&with_header(header)),
            &[always(&right)],
            &Rules::default(),
            at(NOW),
        );
        assert_eq!((outcome.code(), outcome.to_string().as_str()), (-1, reason));
    }
    let rules = Rules {
        algorithms: AlgorithmSet::RSA,
        ..Rules::default()
    };
    assert_eq!(
        authorize(&claiming("{}"), &[always(&right)], &rules, at(NOW)).code(),
        -1
    );
}

#[test]
fn a_public_key_in_the_store_admits_no_hmac() {
    let public = keys(fixture!("rsa-2048.public.pem"));
    let forger = jsonwebtoken::EncodingKey::from_secret(fixture!("rsa-2048.public.pem"));
    let forged = crate::jwt::testing::signed(
        r#"{"alg":"HS256"}"#,
        r#"{"tag":"x"}"#,
        Algorithm::HS256,
        &forger,
    );
    let outcome = authorize(
        &parse(&forged),
        &[always(&public)],
        &Rules::default(),
        at(NOW),
    );
    assert_eq!(outcome.code(), -1);
    assert!(
        outcome
            .to_string()
            .contains("alg HS256 does not fit the key"),
        "{outcome}"
    );
}

#[test]
fn a_script_key_verifies_or_not() {
    let rules = Rules::default();
    for algorithm in AlgorithmSet::ALL.iter() {
        let token = parse(&good(algorithm, "{}"));
        let right = keys(verifying_material(algorithm));
        assert_eq!(
            script_authorize(&token, right.as_ref(), &rules, at(NOW)).script_code(),
            1
        );
        for wrong in [keys(b"wrong"), keys(b""), keys(b"-----BEGIN X-----")] {
            let outcome = script_authorize(&token, wrong.as_ref(), &rules, at(NOW));
            assert_eq!(outcome.script_code(), -1, "{outcome}");
        }
    }
    let expired = claiming(r#"{"exp":1}"#);
    let outcome = script_authorize(&expired, keys(SECRET).as_ref(), &rules, at(NOW));
    assert_eq!(outcome.script_code(), -1);
    let empty = script_authorize(&expired, keys(b"").as_ref(), &rules, at(NOW));
    assert_eq!(
        empty.to_string(),
        "the key can't be used: the secret is empty"
    );
}
