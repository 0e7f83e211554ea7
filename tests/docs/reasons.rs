//! The table of reasons in the manual, compared with what the token layer says.

use std::time::Duration;

use auth_web::IntrospectionError;
use auth_web::codes;
use auth_web::jwt::algorithm::{Algorithm, AlgorithmSet};
use auth_web::jwt::authorize::{CandidateSecret, Outcome, authorize};
use auth_web::jwt::claims::unlisted_issuer;
use auth_web::jwt::key::KeySet;
use auth_web::jwt::revocations::{Kind, Revocation};
use auth_web::jwt::rules::Rules;
use auth_web::jwt::signatures::Signatures;
use auth_web::jwt::token::{Limits, Token, TokenError};
use harness::keys::Key;
use harness::tokens::{token, with_header};
use libtest_mimic::{Failed, Trial};

use super::block;
use super::manual::MANUAL;

/// The time against which everything is judged, in UNIX seconds.
const NOW: Duration = Duration::from_secs(1_700_000_043);

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("manual: reasons of refusals", reasons)]
}

fn judge(text: &str, secret: &Key, end: i64, rules: &Rules) -> Outcome {
    let token = match Token::parse(text.as_bytes(), &Limits::default()) {
        Ok(token) => token,
        Err(error) => return error.into(),
    };
    let keys = KeySet::parse(secret.verifier().as_bytes());
    let candidate = CandidateSecret {
        keys: keys.as_ref(),
        start_ts: 0,
        end_ts: end,
    };
    authorize(&token, &[candidate], rules, &Signatures::none(), NOW)
}

fn revoked(
    kind: Kind,
    value: &str,
    issuer: Option<&str>,
    before: Option<i64>,
) -> Result<Outcome, Failed> {
    let revocation = Revocation::new(kind, value, issuer, before, None);
    Ok(Outcome::Revoked(
        revocation.map_err(|error| error.to_string())?,
    ))
}

fn reasons() -> Result<(), Failed> {
    let (secret, other, rsa) = (Key::secret(), Key::secret(), Key::rsa());
    let all = Rules::default();
    let rs256 = Rules {
        algorithms: AlgorithmSet::of(&[Algorithm::RS256]),
        ..Rules::default()
    };
    let expiring = Rules {
        require_exp: true,
        ..Rules::default()
    };
    let issued = Rules {
        issuers: vec!["https://login.example.org/".to_string()],
        ..Rules::default()
    };
    let recent = Rules {
        max_age: Some(10),
        ..Rules::default()
    };
    let access = Rules {
        token_type: Some("at+jwt".to_string()),
        ..Rules::default()
    };
    let scoped = Rules {
        required_scope: vec!["sip:register".to_string()],
        ..Rules::default()
    };
    let later = i64::MAX;
    let say = |claims: &str| token(&secret, "HS256", claims);
    let crit = with_header(&secret, "HS256", r#"{"alg":"HS256","crit":["b64"]}"#, "{}");
    let none = with_header(&secret, "HS256", r#"{"alg":"none"}"#, "{}");
    let ed448 = with_header(&secret, "HS256", r#"{"alg":"Ed448"}"#, "{}");
    let audience = Rules {
        audiences: vec!["sip.example.org".to_string()],
        ..Rules::default()
    };
    let foreign = token(&other, "HS256", r#"{"iss":"x"}"#);
    let unlisted = Token::parse(say(r#"{"iss":"x"}"#).as_bytes(), &Limits::default());
    let unlisted = unlisted_issuer(&unlisted.map_err(|error| error.to_string())?);
    let outcomes = [
        Outcome::from(unlisted),
        judge(&token(&other, "HS256", "{}"), &secret, later, &all),
        judge(&say("{}"), &rsa, later, &all),
        judge(&say("{}"), &secret, 1, &all),
        judge(&none, &secret, later, &all),
        judge(&ed448, &secret, later, &all),
        judge(&say("{}"), &secret, later, &rs256),
        judge(&crit, &secret, later, &all),
        judge("garbage", &secret, later, &all),
        judge("a.b.c.d", &secret, later, &all),
        judge("a.b.c.d.e", &secret, later, &all),
        Outcome::from(TokenError::NotBearer),
        judge(&foreign, &secret, later, &issued),
        judge(&say(r#"{"aud":"account"}"#), &secret, later, &audience),
        judge(&say(r#"{"exp":1700000000}"#), &secret, later, &all),
        judge(&say(r#"{"nbf":1700000086}"#), &secret, later, &all),
        judge(&say(r#"{"exp":"1700000000"}"#), &secret, later, &all),
        Outcome::NoProfile,
        judge(&say("{}"), &secret, later, &expiring),
        judge(&say(r#"{"iss":"x"}"#), &secret, later, &issued),
        judge(&say(r#"{"iat":1700000000}"#), &secret, later, &recent),
        judge(&say(r#"{"iat":1700000086}"#), &secret, later, &recent),
        judge(&say("{}"), &secret, later, &access),
        judge(&say(r#"{"scope":"openid"}"#), &secret, later, &scoped),
        Outcome::StoreFailed,
        revoked(Kind::Jti, "3f2a9c04", None, None)?,
        revoked(
            Kind::Sub,
            "alice",
            Some("https://login.example.org/"),
            Some(1_700_000_000),
        )?,
    ];
    let asked = [
        IntrospectionError::Inactive,
        IntrospectionError::NoIssuer("\"b.example\"".to_owned()),
        IntrospectionError::Ambiguous("\"a.example\"".to_owned()),
        IntrospectionError::NoDomain,
        IntrospectionError::NotBearer {
            member: "token_type",
            found: "\"DPoP\"".to_owned(),
        },
        IntrospectionError::Differs("sub"),
        IntrospectionError::Unasked,
        IntrospectionError::SourceLimit,
        IntrospectionError::Limit,
    ];
    let asked = asked.map(|error| (error.to_string(), codes::jwt::of_introspection(&error)));
    let reasons = outcomes.map(|outcome| (outcome.to_string(), codes::jwt::of(&outcome)));
    let manual = block::read(MANUAL);
    for (reason, code) in reasons.into_iter().chain(asked) {
        let row = format!("| `{reason}` | {code} |");
        if !manual.lines().any(|line| line == row) {
            return Err(format!("the manual lacks the row {row}").into());
        }
    }
    Ok(())
}
