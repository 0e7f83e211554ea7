//! Whatever an issuer answers when it is asked for a token (RFC 7662, RFC 9701). The first byte chooses the
//! media type and the token that was asked for.
#![no_main]

use std::time::Duration;

use auth_web::fuzzing::{FormAnswer, Introspected, Told};
use auth_web::jwt::claims::check_claims;
use auth_web::jwt::json::{self, Value};
use auth_web::jwt::rules::Rules;
use auth_web::jwt::token::{Limits, Token, TokenError};
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 4] = [
    "application/json",
    "application/token-introspection+jwt",
    "text/html",
    "",
];

/// What was asked for: a token that says nothing itself, or one that does.
fn token(opaque: bool) -> Token {
    let limits = Limits::default();
    if opaque {
        return Token::opaque(b"opaque", TokenError::Opaque, &limits).expect("an opaque token");
    }
    // {"alg":"HS256"} {"iss":"i","sub":"alice","jti":"7","exp":9}
    let jwt =
        b"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpIiwic3ViIjoiYWxpY2UiLCJqdGkiOiI3IiwiZXhwIjo5fQ.c2ln";
    Token::parse(jwt, &limits).expect("a token")
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let media_type = TYPES[usize::from(*choice) % TYPES.len()];
    let opaque = usize::from(*choice) / TYPES.len() % 2 == 0;
    let answer = FormAnswer {
        media_type: media_type.to_owned(),
        body: body.to_vec(),
    };
    let [plain, signed] = [false, true].map(|signed| Introspected::read(&answer, signed));
    for error in [&plain, &signed]
        .into_iter()
        .filter_map(|read| read.as_ref().err())
    {
        assert!(!error.to_string().contains(char::is_control));
    }
    if let Ok(signed) = &signed {
        assert_eq!(media_type, TYPES[1]);
        let Introspected::Signed(signed) = signed else {
            panic!("what has to be signed is");
        };
        if let Ok(content) = Introspected::content(signed) {
            tell(content, token(opaque), None);
        }
    }
    if let Ok(plain) = plain {
        assert_eq!(media_type, TYPES[0]);
        let Introspected::Plain(object) = plain else {
            panic!("what is not to be signed is not");
        };
        let other: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        tell(object, token(opaque), Some(&other));
    }
});

/// `other` is how somebody else reads the same.
fn tell(object: json::Object, token: Token, other: Option<&serde_json::Value>) {
    let told = match Told::new(object.clone()) {
        Ok(told) => told,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control));
            return;
        }
    };
    assert_eq!(object.get("active"), Some(&Value::Bool(true)));
    // serde_json refuses numbers that it would have to round to infinity.
    assert!(other.is_none_or(|other| other.is_null() || other["active"] == true));
    match told.claims(&token, Some("https://issuer")) {
        Ok(claims) => {
            assert!(claims.contains("iss") || token.not_jwt().is_none());
            for name in ["iss", "sub", "jti"] {
                // Nobody else's token.
                assert!(token.claim(name).is_none() || claims.get(name) == token.claim(name));
            }
            for (name, value) in object.iter() {
                assert_eq!(claims.get(name), Some(value));
            }
            let now = Duration::from_secs(1_700_000_000);
            let judged = token.introspected(claims);
            assert!(judged.is_introspected());
            _ = check_claims(&judged, &Rules::default(), now);
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
}
