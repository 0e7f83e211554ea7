use proptest::prelude::*;

use super::*;
use crate::jwt::testing::{base64url, claiming, good, parse, with_header};

const HEADER: &str = r#"{"alg":"HS256"}"#;

fn refused(raw: &str) -> TokenError {
    Token::parse(raw.as_bytes(), &Limits::default()).unwrap_err()
}

/// A token of these texts with an arbitrary signature.
fn made_of(header: &str, payload: &str) -> String {
    format!("{}.{}.c2ln", base64url(header), base64url(payload))
}

#[test]
fn a_token_is_taken_apart() {
    let token = parse(&made_of(
        r#"{"alg":"RS256","kid":"k1","x":1}"#,
        r#"{"sub":"john","n":2}"#,
    ));
    assert_eq!(token.algorithm(), Some(Algorithm::RS256));
    assert_eq!(token.kid(), Some("k1"));
    assert_eq!(token.header_member("x"), Some(&Value::Integer(1)));
    assert_eq!(token.claim("sub"), Some(&Value::from("john")));
    assert_eq!(token.claim("nothing"), None);
    assert_eq!(token.signature(), b"sig");
    assert_eq!(
        token.signing_input(),
        token.as_str().rsplit_once('.').unwrap().0.as_bytes()
    );
}

#[test]
fn the_scheme_is_taken_in_any_case_and_with_blanks_around() {
    let bare = made_of(HEADER, "{}");
    for raw in [
        format!("Bearer {bare}"),
        format!("bearer {bare}"),
        format!("BEARER \t {bare}"),
        format!("  Bearer  {bare} \r\n"),
        format!("\t{bare}\n"),
        bare.clone(),
    ] {
        assert_eq!(parse(&raw).as_str(), bare, "{raw:?}");
    }
    for raw in ["", " ", "Bearer", "bearer  ", "\r\n"] {
        assert_eq!(refused(raw), TokenError::Missing, "{raw:?}");
    }
    for raw in [
        format!("Digest {bare}"),
        format!("Basic {bare}"),
        format!("Bearer {bare} {bare}"),
        format!("Bearer Bearer {bare}"),
        format!("{bare} x"),
        format!("Bearer {bare}, Digest realm=\"x\""),
    ] {
        assert_eq!(refused(&raw), TokenError::Scheme, "{raw:?}");
    }
    assert!(Token::parse(format!("Bearer{bare}").as_bytes(), &Limits::default()).is_err());
}

#[test]
fn there_are_exactly_three_segments() {
    let (header, payload) = (base64url(HEADER), base64url("{}"));
    for (raw, error) in [
        (header.clone(), TokenError::Opaque),
        ("SlAV32hkKG".to_owned(), TokenError::Opaque),
        ("ya29.a0AfB_byC".to_owned(), TokenError::Opaque),
        (format!("{header}.{payload}"), TokenError::Opaque),
        (format!("{header}.{payload}.c2ln."), TokenError::Segments),
        (
            format!("{header}.{payload}.c2ln.c2ln"),
            TokenError::Segments,
        ),
        // RFC 7516 appendix A.1.7, shortened.
        (
            "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp.48V1_ALb6US0.5eym8TW_c8Su.XFBoMYUZodet"
                .to_owned(),
            TokenError::Encrypted,
        ),
        (
            format!("{header}.{payload}.c2ln.c2ln.c2ln.c2ln"),
            TokenError::Segments,
        ),
    ] {
        assert_eq!(refused(&raw), error, "{raw}");
        assert!(error.to_string().starts_with("not made of three segments"));
    }
    assert!(matches!(
        refused(&format!(".{payload}.c2ln")),
        TokenError::Json(Part::Header, _)
    ));
    assert!(matches!(
        refused(&format!("{header}..c2ln")),
        TokenError::Json(Part::Payload, _)
    ));
    assert!(matches!(refused(".."), TokenError::Json(Part::Header, _)));
    assert_eq!(parse(&format!("{header}.{payload}.")).signature(), b"");
}

#[test]
fn base64url_is_strict_to_the_last_bit() {
    let (header, payload) = (base64url(HEADER), base64url(r#"{"a":"?>~"}"#));
    // "c2k" is "si"; "c2l" has the same bytes plus a stray bit.
    assert!(
        Token::parse(
            format!("{header}.{payload}.c2k").as_bytes(),
            &Limits::default()
        )
        .is_ok()
    );
    for (segments, part) in [
        ([header.as_str(), payload.as_str(), "c2l"], Part::Signature),
        ([&header, &payload, "c2k="], Part::Signature),
        ([&header, &payload, "c"], Part::Signature),
        ([&header, &payload, "c2+n"], Part::Signature),
        ([&header, &payload, "c2/n"], Part::Signature),
        ([&header, &payload, "c2%2Fn"], Part::Signature),
        ([&header, &payload, "c2\u{e9}n"], Part::Signature),
        ([&header, &payload, "c2\0n"], Part::Signature),
        ([&header, &format!("{payload}="), "c2ln"], Part::Payload),
        (
            [
                &header,
                &payload.replace('-', "+").replace('_', "/"),
                "c2ln",
            ],
            Part::Payload,
        ),
        ([&format!("{header}=="), &payload, "c2ln"], Part::Header),
    ] {
        assert_eq!(
            refused(&segments.join(".")),
            TokenError::Base64(part),
            "{segments:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for raw in [&b"\xff\xfe"[..], b"e30.e30.\xe9", b"\0.\0.\xc0"] {
        let error = Token::parse(raw, &Limits::default()).unwrap_err();
        assert_eq!(error, TokenError::NotAscii, "{raw:?}");
    }
}

#[test]
fn header_and_payload_are_strict_objects() {
    for text in [
        "null",
        "[]",
        "\"a\"",
        "1",
        "",
        "{",
        r#"{"a":1}x"#,
        r#"{"alg":"HS256",}"#,
    ] {
        assert!(
            matches!(
                refused(&made_of(text, "{}")),
                TokenError::Json(Part::Header, _)
            ),
            "{text}"
        );
        let payload = refused(&made_of(HEADER, text));
        assert!(
            matches!(payload, TokenError::Json(Part::Payload, _)),
            "{text}"
        );
    }
    for payload in [r#"{"tag":"a","tag":"b"}"#, r#"{"tag":"a","\u0074ag":"b"}"#] {
        let duplicate = TokenError::Json(Part::Payload, JsonError::DuplicateMember);
        assert_eq!(refused(&made_of(HEADER, payload)), duplicate);
    }
    let twice = r#"{"alg":"HS256","alg":"none"}"#;
    let duplicate = TokenError::Json(Part::Header, JsonError::DuplicateMember);
    assert_eq!(refused(&made_of(twice, "{}")), duplicate);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let too_deep = TokenError::Json(Part::Payload, JsonError::TooDeep);
    assert_eq!(refused(&made_of(HEADER, &deep)), too_deep);
    let infinite = TokenError::Json(Part::Payload, JsonError::Syntax(7));
    assert_eq!(refused(&made_of(HEADER, r#"{"exp":Infinity}"#)), infinite);
}

#[test]
fn alg_must_be_there_and_a_string() {
    for header in [
        r#"{}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"Alg":"HS256"}"#,
    ] {
        assert_eq!(
            refused(&made_of(header, "{}")),
            TokenError::NoAlgorithm,
            "{header}"
        );
    }
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"Ed448"}"#,
        r#"{"alg":""}"#,
    ] {
        assert_eq!(parse(&made_of(header, "{}")).algorithm(), None, "{header}");
    }
}

#[test]
fn size_is_bounded_at_its_edge_before_anything_is_decoded() {
    let token = made_of(HEADER, "{}");
    let limits = Limits {
        max_token_size: token.len(),
    };
    let raw = format!("  Bearer {token}  ");
    assert!(
        Token::parse(raw.as_bytes(), &limits).is_ok(),
        "the scheme does not count"
    );
    let limits = Limits {
        max_token_size: token.len() - 1,
    };
    let expected = TokenError::TooLong {
        size: token.len(),
        limit: token.len() - 1,
    };
    assert_eq!(
        Token::parse(token.as_bytes(), &limits).unwrap_err(),
        expected
    );
    // Not even looked at: this is not base64 and has no dots.
    let garbage = vec![b'%'; 9000];
    let error = Token::parse(&garbage, &Limits::default()).unwrap_err();
    assert_eq!(
        error,
        TokenError::TooLong {
            size: 9000,
            limit: 8192
        }
    );
}

/// The expected texts were generated with libjwt 1.10.2: decoded with the key, and without.
#[test]
fn decoded_text_is_that_of_libjwt() {
    let payload = r#"{"tag":"x","z":1,"a":2}"#;
    for (header, with_key, without_key) in [
        (
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"none"}"#,
        ),
        (
            r#"{"typ":"JWT", "zip":0, "kid":"a","alg":"HS256"}"#,
            r#"{"alg":"HS256","kid":"a","typ":"JWT","zip":0}"#,
            r#"{"alg":"none","kid":"a","typ":"JWT","zip":0}"#,
        ),
        (
            r#"{"zip":0,"alg":"HS256","Typ":1}"#,
            r#"{"Typ":1,"alg":"HS256","typ":"JWT","zip":0}"#,
            r#"{"Typ":1,"alg":"none","zip":0}"#,
        ),
        (
            r#"{"alg":"HS256","typ":"jwt"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"none","typ":"jwt"}"#,
        ),
        (
            r#"{"alg":"HS256","typ":5}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"none","typ":5}"#,
        ),
        // libjwt refuses this one; here its type is printed as it is.
        (
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"none","typ":"at+jwt"}"#,
        ),
    ] {
        let token = parse(&made_of(header, payload));
        assert_eq!(
            token.decoded().into_string(),
            format!(r#"{with_key}.{{"a":2,"tag":"x","z":1}}"#)
        );
        let expected = format!(r#"{without_key}.{{"a":2,"tag":"x","z":1}}"#);
        assert_eq!(token.decoded_without_key().into_string(), expected);
    }
    assert_eq!(
        claiming("{}").decoded().into_string(),
        r#"{"alg":"HS256","typ":"JWT"}.{}"#
    );
}

#[test]
fn the_fingerprint_stands_for_the_token_and_hides_it() {
    let (one, other) = (claiming(r#"{"a":1}"#), claiming(r#"{"a":2}"#));
    assert_eq!(one.fingerprint().len(), 12);
    assert!(
        one.fingerprint()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    );
    assert_ne!(one.fingerprint(), other.fingerprint());
    let with_scheme = parse(&format!("bearer {}", one.as_str()));
    assert_eq!(one.fingerprint(), with_scheme.fingerprint());
    let shown = format!("{one:?}");
    assert_eq!(shown, format!("Token(\"{}\")", one.fingerprint()));
    // The sha256sum of the text "a.b.c" begins like this.
    let text = with_header(HEADER);
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    assert!(
        parse(&text)
            .fingerprint()
            .starts_with(&format!("{:02x}", digest.as_ref()[0]))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Token::parse(&bytes, &Limits::default());
    }

    #[test]
    fn any_segments_are_survived(
        header in "\\{\"alg\":[\"HS256,{}\\[\\]a:1]{0,20}\\}",
        payload in "[{}\\[\\]\",:0-9a\\\\u]{0,30}",
    ) {
        if let Ok(token) = Token::parse(made_of(&header, &payload).as_bytes(), &Limits::default()) {
            let decoded = token.decoded();
            let (first, second) = decoded.split_once("}.{").unwrap();
            let (first, second) = (format!("{first}}}"), format!("{{{second}"));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&second).is_ok());
        }
    }
}

#[test]
fn tokens_of_every_algorithm_are_read() {
    for algorithm in crate::jwt::algorithm::AlgorithmSet::ALL.iter() {
        assert_eq!(parse(&good(algorithm, "{}")).algorithm(), Some(algorithm));
    }
}

#[test]
fn a_header_looks_like_a_token_by_its_beginning() {
    for value in [
        "Bearer x",
        "bearer\tx",
        " BEARER eyJ",
        "eyJ.",
        "eyJhbGci.x",
        "\teyJ-_0.x",
    ] {
        assert!(is_like_a_token(value.as_bytes()), "{value:?}");
    }
    for value in [
        "",
        "Bearer",
        "Bearerx y",
        "Digest eyJ.",
        "eyJ",
        "eyJ x.",
        "eyJ=.",
        "xeyJ.",
        "ey.J",
        "eyJ\0.",
    ] {
        assert!(!is_like_a_token(value.as_bytes()), "{value:?}");
    }
}
