//! Whatever a provider sends when a user has logged out, and what a client or the proxy in front of it hands
//! over as its certificate. A logout token is taken as header and payload texts, so that the fuzzer need not
//! learn base64.
#![no_main]

use auth_web::fuzzing::logged_out;
use auth_web::jwt::binding::{Binding, BoundTokens, Thumbprint};
use auth_web::jwt::json::Value;
use auth_web::jwt::revocations::{Kind, Revocation};
use auth_web::jwt::token::{Limits, Token};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Of whatever it is made: the same text gives the same.
    let thumbprint = Thumbprint::parse(data);
    assert_eq!(thumbprint, Thumbprint::parse(data.trim_ascii()));
    let mut texts = data.splitn(2, |byte| *byte == 0);
    let (Some(header), Some(payload)) = (texts.next(), texts.next()) else {
        return;
    };
    let raw = format!("{}.{}.c2ln", BASE64.encode(header), BASE64.encode(payload));
    let Ok(token) = Token::parse(raw.as_bytes(), &Limits::default()) else {
        return;
    };
    bound(&token, header);
    match logged_out(&token, |issued| issued.checked_add(3600)) {
        Ok(revocations) => {
            assert!((1..=2).contains(&revocations.len()));
            // No ID token, and nobody else's.
            assert!(token.claim("nonce").is_none() && token.claim("events").is_some());
            let iss = token
                .claim("iss")
                .and_then(Value::as_str)
                .expect("an issuer");
            for one in &revocations {
                assert_eq!(one.issuer.as_deref(), Some(iss));
                let value = token.claim(one.kind.name()).and_then(Value::as_str);
                assert_eq!(value, Some(one.value.as_str()));
                assert!((1..=255).contains(&one.value.len()));
                assert!(!one.to_string().contains(char::is_control));
                assert!(matches!(one.kind, Kind::Sid | Kind::Sub));
                let again = Revocation::new(
                    one.kind,
                    &one.value,
                    one.issuer.as_deref(),
                    (one.kind == Kind::Sub).then_some(one.before),
                    Some(one.until),
                );
                assert_eq!(again.as_ref(), Ok(one));
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});

/// A token that is bound is for whoever has that certificate, and nobody else.
fn bound(token: &Token, certificate: &[u8]) {
    let binding = Binding::of(token);
    let admitted = |mode, certificate: Option<&[u8]>| {
        binding
            .check(mode, || certificate.map(<[u8]>::to_vec))
            .is_ok()
    };
    match binding {
        Binding::None => {
            assert!(admitted(BoundTokens::Checked, None));
            assert!(!admitted(BoundTokens::Required, Some(certificate)));
        }
        Binding::Certificate(wanted) => {
            let is_it = Thumbprint::parse(certificate) == Some(wanted);
            assert!(!admitted(BoundTokens::Checked, None));
            assert_eq!(admitted(BoundTokens::Checked, Some(certificate)), is_it);
        }
        _ => assert!(!admitted(BoundTokens::Checked, Some(certificate))),
    }
}
