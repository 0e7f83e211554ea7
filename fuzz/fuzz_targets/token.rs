//! Whatever a SIP client sends as a token: as received, and as header and payload texts that are
//! assembled into a token, so that the fuzzer need not learn base64.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use auth_web::jwt::authorize::{CandidateSecret, authorize};
use auth_web::jwt::cache::VerifiedTokens;
use auth_web::jwt::claims::{Validity, check_claims};
use auth_web::jwt::json::print::Numbers;
use auth_web::jwt::json::{self, parse_object};
use auth_web::jwt::key::{KeyError, KeySet};
use auth_web::jwt::rules::Rules;
use auth_web::jwt::signatures::Signatures;
use auth_web::jwt::token::{Limits, Token};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;

const NOW: Duration = Duration::from_secs(1_700_000_000);

static KEYS: LazyLock<[Result<KeySet, KeyError>; 2]> = LazyLock::new(|| {
    [
        KeySet::parse(include_bytes!("../../tests/keys/rsa-2048-other.public.pem")),
        KeySet::parse(b"a secret that no token of the corpus is signed with"),
    ]
});

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    leeway: 5,
    max_age: Some(3600),
    issuers: vec!["https://issuer".to_owned()],
    audiences: vec!["sip".to_owned()],
    required_scope: vec!["sip".to_owned()],
    token_type: Some("at+jwt".to_owned()),
    ..Rules::default()
});

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    if let Ok(token) = Token::parse(data, &limits) {
        judge(&token);
    }
    let mut texts = data.splitn(2, |byte| *byte == 0);
    if let (Some(header), Some(payload)) = (texts.next(), texts.next()) {
        let raw = format!("{}.{}.c2ln", BASE64.encode(header), BASE64.encode(payload));
        match Token::parse(raw.as_bytes(), &limits) {
            Ok(token) => {
                // Whatever is accepted is JSON for other parsers, too. serde_json rounds the
                // largest reals to infinity, and says so.
                for text in [header, payload] {
                    if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
                        assert!(
                            error.to_string().starts_with("number out of range"),
                            "{error}"
                        );
                    }
                }
                judge(&token);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

fn judge(token: &Token) {
    // The printed text must parse back to the same claims.
    let mut printed = String::new();
    json::print::object(&mut printed, token.claims(), Numbers::AsWritten);
    assert_eq!(
        parse_object(printed.as_bytes()).as_ref(),
        Ok(token.claims())
    );
    printed.clear();
    json::print::object(&mut printed, token.claims(), Numbers::AsJansson);
    assert!(token.decoded().ends_with(&printed));
    assert!(token.decoded_without_key().ends_with(&printed));

    let again = Token::parse(token.as_str().as_bytes(), &Limits::default());
    assert_eq!(
        again.map(|token| token.decoded()).ok(),
        Some(token.decoded())
    );

    let rules = Rules::default();
    let in_time = check_claims(token, &rules, NOW).is_ok();
    let validity = Validity::of(token, &rules);
    assert_eq!(
        in_time,
        validity
            .as_ref()
            .is_ok_and(|validity| validity.includes(NOW))
    );
    let _ = check_claims(token, &RULES, NOW);

    let candidates = KEYS.each_ref().map(|keys| CandidateSecret {
        keys: keys.as_ref(),
        start_ts: 0,
        end_ts: i64::MAX,
    });
    let outcome = authorize(token, &candidates, &rules, &Signatures::none(), NOW);
    assert!(!outcome.is_authorized());
    assert!(!outcome.to_string().contains(char::is_control));

    if let Ok(validity) = validity {
        let mut cache = VerifiedTokens::new(1);
        cache.insert(token.as_str().as_bytes(), 0, 0, validity, ());
        let known = cache.get(
            token.as_str().as_bytes(),
            0,
            |&(), generation| generation == 0,
            || NOW,
        );
        assert_eq!(known.is_some(), in_time);
    }
}
