use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaPublicKeyComponents,
    RsaSubjectPublicKey,
};
use proptest::prelude::*;

use super::*;
use crate::jwt::algorithm::Algorithm;
use crate::jwt::key::{KeySet, MAX_SET_SIZE};
use crate::jwt::signatures::Signatures;
use crate::jwt::testing::{SECRET, base64url, fixture, good, parse, signed, signing_key};
use crate::jwt::verify::{SignatureError, verify_with_set};

fn der(pem: &[u8]) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

/// A JSON Web Key of the test keys with additional members.
fn jwk(algorithm: Algorithm, more: &str) -> String {
    let members = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            format!(r#""kty":"oct","k":"{}""#, base64url(SECRET))
        }
        Algorithm::ES256 => ec_members("P-256", fixture!("ec-p256.public.pem"), 32),
        Algorithm::ES384 => ec_members("P-384", fixture!("ec-p384.public.pem"), 48),
        Algorithm::ES512 => ec_members("P-521", fixture!("ec-p521.public.pem"), 66),
        Algorithm::ES256K => ec_members("secp256k1", fixture!("ec-k256.public.pem"), 32),
        Algorithm::EdDSA | Algorithm::Ed25519 => {
            let der = der(fixture!("ed25519.public.pem"));
            let x = base64url(&der[der.len() - 32..]);
            format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
        }
        _ => rsa_members(fixture!("rsa-2048.public.pem")),
    };
    format!("{{{members}{more}}}")
}

/// The point is at the end of the structure: two numbers of `size` bytes.
fn ec_members(curve: &str, public: &[u8], size: usize) -> String {
    let der = der(public);
    let (x, y) = der[der.len() - 2 * size..].split_at(size);
    let (x, y) = (base64url(x), base64url(y));
    format!(r#""kty":"EC","crv":"{curve}","x":"{x}","y":"{y}""#)
}

fn rsa_members(public: &[u8]) -> String {
    let key = RsaSubjectPublicKey::from_der(&der(public)).unwrap();
    let key = RsaPublicKeyComponents::from(&key);
    format!(
        r#""kty":"RSA","n":"{}","e":"{}""#,
        base64url(&key.n),
        base64url(&key.e)
    )
}

fn set(keys: &[String]) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<(), SignatureError> {
    verify_with_set(&parse(token), keys, AlgorithmSet::ALL, &Signatures::none()).map(drop)
}

fn error(json: &str) -> KeyError {
    Key::parse(json.as_bytes()).unwrap_err()
}

/// As Keycloak, Gluu and others write coordinates: as numbers, without leading zeros, or with one
/// as a sign, as Java's BigInteger does.
#[test]
fn coordinates_may_be_written_as_numbers() {
    fn digits(number: &[u8]) -> Vec<u8> {
        let first = number.iter().position(|byte| *byte != 0).unwrap();
        number[first..].to_vec()
    }
    fn with_sign(number: &[u8]) -> Vec<u8> {
        [&[0], number].concat()
    }
    let forms = [digits, with_sign as fn(&[u8]) -> Vec<u8>];
    let document = |x: &[u8], y: &[u8]| {
        let (x, y) = (base64url(x), base64url(y));
        format!(r#"{{"kty":"EC","crv":"P-521","x":"{x}","y":"{y}"}}"#)
    };
    // Every second number of 521 bits has a leading zero.
    let (pair, x, y) = std::iter::repeat_with(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(66);
        let (x, y) = (x.to_vec(), y.to_vec());
        (pair, x, y)
    })
    .find(|(_, x, y)| x[0] == 0 && y[0] != 0)
    .unwrap();
    let input = format!("{}.{}", base64url(r#"{"alg":"ES512"}"#), base64url("{}"));
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let token = format!("{input}.{}", base64url(signature));
    for form in forms {
        let keys = KeySet::parse(document(&form(&x), &form(&y)).as_bytes()).unwrap();
        assert_eq!(verify(&token, &keys), Ok(()));
    }
    let size = KeyError::Jwk("x or y does not have the size of the curve");
    for (x, y) in [
        (vec![1; 67], y.clone()),
        (with_sign(&with_sign(&x)), y.clone()),
        (x.clone(), vec![]),
    ] {
        assert_eq!(error(&document(&x, &y)), size);
    }
    // Another number is no point of the curve.
    for other in [&x[1..65], &[0; 66], &[0]] {
        assert_eq!(error(&document(other, &y)), KeyError::Malformed);
    }
}

#[test]
fn keys_of_every_kind_verify() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let jwk = jwk(algorithm, "");
        for material in [jwk.clone(), format!("\u{feff} {jwk}\n"), base64url(&jwk)] {
            let keys = KeySet::parse(material.as_bytes()).unwrap();
            assert_eq!(verify(&good(algorithm, "{}"), &keys), Ok(()), "{material}");
        }
        assert!(
            Key::parse(jwk.as_bytes())
                .unwrap()
                .algorithms()
                .contains(algorithm)
        );
    }
}

/// RFC 7515 appendices A.1, A.2 and A.3 with their own keys and signatures.
#[test]
fn examples_of_the_rfc_verify() {
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (jwk, header, signature) in [
        (
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        let keys = KeySet::parse(jwk.as_bytes()).unwrap();
        assert_eq!(
            verify(&format!("{header}.{payload}.{signature}"), &keys),
            Ok(())
        );
    }
    // RFC 8037 appendix A.4: its payload is not JSON, so the signature is checked directly.
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert!(Key::parse(jwk.as_bytes()).unwrap().verifies(
        Algorithm::EdDSA,
        input,
        &signature,
        &Signatures::none()
    ));
    // RFC 7520 section 4.3, figure 27, with the key of section 3.1: the same applies.
    let jwk = r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521",
        "x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#;
    let input = concat!(
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.",
        "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAg",
        "b250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dp",
        "bmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
    );
    let signature = concat!(
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJ",
        "AQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
    );
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = Key::parse(jwk.as_bytes()).unwrap();
    assert!(key.verifies(
        Algorithm::ES512,
        input.as_bytes(),
        &signature,
        &Signatures::none()
    ));
    signature[131] ^= 1;
    assert!(!key.verifies(
        Algorithm::ES512,
        input.as_bytes(),
        &signature,
        &Signatures::none()
    ));
}

/// A key and a token of RFC 9864, whatever each calls its algorithm.
#[test]
fn ed25519_has_two_names() {
    let jwk = |alg: &str| jwk(Algorithm::Ed25519, alg);
    for alg in ["", r#","alg":"EdDSA""#, r#","alg":"Ed25519""#] {
        let keys = set(&[jwk(alg)]);
        for algorithm in [Algorithm::EdDSA, Algorithm::Ed25519] {
            let token = good(algorithm, "{}");
            assert_eq!(verify(&token, &keys), Ok(()), "{alg} {algorithm:?}");
        }
    }
    for alg in [
        r#","alg":"Ed448""#,
        r#","alg":"ed25519""#,
        r#","alg":"ES256""#,
    ] {
        assert!(matches!(error(&jwk(alg)), KeyError::JwkUse(_)), "{alg}");
    }
    let published = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/jwks/ed25519.json"
    ));
    let keys = KeySet::parse_published(published).unwrap();
    assert_eq!(keys.keys()[0].algorithms(), AlgorithmSet::ED25519);
    assert_eq!(keys.keys()[0].kid(), Some("e1"));
}

#[test]
fn the_purpose_of_a_key_is_honoured() {
    let of = |more: &str| Key::parse(jwk(Algorithm::RS256, more).as_bytes());
    for good in [
        r#","use":"sig""#,
        r#","key_ops":["verify"]"#,
        r#","key_ops":["sign","verify"],"use":"sig""#,
        r#","key_ops":[],"x5c":[],"oth":[]"#,
        r#","use":null,"key_ops":null,"alg":null,"kid":null,"d":null,"x5t":null"#,
        r#","alg":"PS512""#,
        r#","x5t":"abc","x5c":["MII"],"ext":true"#,
    ] {
        assert!(of(good).is_ok(), "{good}");
    }
    for bad in [
        r#","use":"enc""#,
        r#","use":"""#,
        r#","use":"Sig""#,
        r#","key_ops":["sign"]"#,
        r#","key_ops":["encrypt","wrapKey"]"#,
        r#","use":"sig","key_ops":["encrypt"]"#,
        r#","alg":"RSA-OAEP""#,
        r#","alg":"ES256""#,
        r#","alg":"HS256""#,
        r#","alg":"none""#,
    ] {
        assert!(matches!(of(bad), Err(KeyError::JwkUse(_))), "{bad}");
    }
    for bad in [
        r#","use":["sig"]"#,
        r#","alg":1"#,
        r#","kid":7"#,
        r#","key_ops":"verify""#,
    ] {
        assert!(matches!(of(bad), Err(KeyError::Jwk(_))), "{bad}");
    }
}

#[test]
fn alg_narrows_what_a_key_verifies() {
    let keys = set(&[jwk(Algorithm::PS256, r#","alg":"PS256""#)]);
    assert_eq!(verify(&good(Algorithm::PS256, "{}"), &keys), Ok(()));
    for other in [Algorithm::RS256, Algorithm::PS384] {
        let error = verify(&good(other, "{}"), &keys).unwrap_err();
        assert!(matches!(error, SignatureError::KeyKind { .. }), "{other:?}");
    }
}

#[test]
fn damaged_keys_are_refused() {
    let good = |algorithm| jwk(algorithm, "");
    for json in [
        good(Algorithm::RS256).replace("\"n\":\"", "\"n\":\"="),
        good(Algorithm::RS256).replace("\"e\":\"AQAB\"", "\"e\":\"\""),
        good(Algorithm::RS256).replace("\"e\":\"AQAB\"", "\"e\":65537"),
        good(Algorithm::RS256).replace("\"e\":\"AQAB\"", "\"e\":\"AQ\""),
        good(Algorithm::RS256).replace(",\"e\":\"AQAB\"", ""),
        good(Algorithm::RS256).replace("\"kty\":\"RSA\"", "\"kty\":\"rsa\""),
        good(Algorithm::RS256).replace("\"kty\":\"RSA\"", "\"kty\":null"),
        good(Algorithm::RS256).replace("{\"kty\"", "{\"kty\":\"RSA\",\"\\u006bty\""),
        good(Algorithm::RS256).replace('}', ""),
        good(Algorithm::ES256).replace("P-256", "P-384"),
        good(Algorithm::ES256).replace("P-256", "secp256k1"),
        good(Algorithm::ES256K).replace("secp256k1", "P-256"),
        good(Algorithm::ES512).replace("P-521", "P-384"),
        good(Algorithm::ES512).replace("\"x\":\"", "\"x\":\"AAAA"),
        good(Algorithm::ES256).replace("\"x\":\"", "\"x\":\"AA"),
        good(Algorithm::ES256).replace("\"y\":\"", "\"y\":\"A"),
        format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#,
            base64url([1; 32])
        ),
        format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#,
            base64url([0; 32])
        ),
        good(Algorithm::EdDSA).replace("Ed25519", "X25519"),
        good(Algorithm::EdDSA).replace("\"x\":\"", "\"x\":\"AAAA"),
        r#"{"kty":"oct"}"#.into(),
        r#"{"kty":"oct","k":"a b"}"#.into(),
        r#"{"kty":"oct","k":"YQ=="}"#.into(),
        r#"{"kty":"AKP","pub":"AAAA"}"#.into(),
        r#"[{"kty":"oct","k":"YQ"}]"#.into(),
    ] {
        let _ = error(&json);
    }
    assert_eq!(error(r#"{"kty":"oct","k":""}"#), KeyError::Empty);
    let short = format!("{{{}}}", rsa_members(fixture!("rsa-1024.public.pem")));
    assert_eq!(error(&short), KeyError::RsaSize(1024));
}

#[test]
fn private_keys_are_refused() {
    for more in [
        r#","d":"AAAA""#,
        r#","p":"AAAA""#,
        r#","dp":"AAAA""#,
        r#","oth":[{"r":"AAAA"}]"#,
        r#","d":"""#,
    ] {
        assert_eq!(error(&jwk(Algorithm::RS256, more)), KeyError::PrivateKey);
        assert_eq!(error(&jwk(Algorithm::EdDSA, more)), KeyError::PrivateKey);
    }
}

#[test]
fn a_public_key_is_no_secret_inside_of_a_jwk() {
    for public in [
        &fixture!("rsa-2048.public.pem")[..],
        &der(fixture!("ed25519.public.pem")),
    ] {
        let json = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url(public));
        assert!(matches!(error(&json), KeyError::Jwk(_)));
    }
}

#[test]
fn a_set_skips_what_it_can_not_use() {
    let keys = set(&[
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA","kid":"pq\n"}"#.into(),
        jwk(Algorithm::RS256, r#","use":"enc""#),
        "7".into(),
        jwk(Algorithm::RS256, r#","d":"AAAA""#),
        jwk(Algorithm::ES256, ""),
    ]);
    assert_eq!((keys.keys().len(), keys.skipped().len()), (1, 4));
    let lines: Vec<_> = keys.skipped().iter().map(ToString::to_string).collect();
    for (line, (begin, end)) in lines.iter().zip([
        (
            "key \"pq\\n\" is skipped: it is a key of kind AKP",
            "Ed25519",
        ),
        (
            "key number 2, which has no kid, is skipped",
            "use is not sig",
        ),
        ("key number 3, which has no kid,", "it is not an object"),
        (
            "key number 4, which has no kid,",
            "where a public key or a secret belongs",
        ),
    ]) {
        assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
    }
    assert_eq!(keys.take_report().len(), 4);
    assert!(keys.take_report().is_empty(), "it is handed out once");
    assert_eq!(verify(&good(Algorithm::ES256, "{}"), &keys), Ok(()));
    for text in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"AKP"}]}"#] {
        assert!(matches!(
            KeySet::parse(text.as_bytes()),
            Err(KeyError::NoUsableKey(_))
        ));
    }
    for text in [
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":["#,
    ] {
        assert!(
            matches!(
                KeySet::parse(text.as_bytes()),
                Err(KeyError::Jwk(_) | KeyError::Json(_) | KeyError::NotAKeySet(_))
            ),
            "{text}"
        );
    }
    assert_eq!(error(r#"{"keys":[]}"#), KeyError::JwkSet);
}

#[test]
fn the_size_of_a_set_is_bounded_at_its_edge() {
    let of = |count: usize| {
        let keys = vec![jwk(Algorithm::EdDSA, ""); count].join(",");
        KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes())
    };
    assert_eq!(of(MAX_SET_SIZE).unwrap().keys().len(), MAX_SET_SIZE);
    assert_eq!(
        of(MAX_SET_SIZE + 1).unwrap_err(),
        KeyError::TooManyKeys(MAX_SET_SIZE + 1)
    );
}

#[test]
fn kid_chooses_the_key() {
    let other = format!(
        "{{{},\"kid\":\"other\"}}",
        rsa_members(fixture!("rsa-2048-other.public.pem"))
    );
    let keys = set(&[other.clone(), jwk(Algorithm::RS256, r#","kid":"mine""#)]);
    let named = |kid: &str| {
        let header = format!(r#"{{"alg":"RS256"{kid}}}"#);
        signed(
            &header,
            "{}",
            Algorithm::RS256,
            &signing_key(Algorithm::RS256),
        )
    };
    assert_eq!(verify(&named(r#","kid":"mine""#), &keys), Ok(()));
    assert_eq!(
        verify(&named(""), &keys),
        Ok(()),
        "without kid all keys are tried"
    );
    let wrong = verify(&named(r#","kid":"other""#), &keys);
    assert_eq!(wrong, Err(SignatureError::Mismatch));
    let unknown = verify(&named(r#","kid":"new""#), &keys).unwrap_err();
    assert_eq!(unknown.to_string(), "no key of kid \"new\"");
    // The kid selects among named keys; a key without one fits any kid.
    let keys = set(&[other, jwk(Algorithm::RS256, "")]);
    assert_eq!(verify(&named(r#","kid":"new""#), &keys), Ok(()));
    assert_eq!(
        verify(&named(r#","kid":"other""#), &keys),
        Err(SignatureError::Mismatch)
    );
    // A key that is not a JWK has no kid.
    let keys = KeySet::parse(fixture!("rsa-2048.public.pem")).unwrap();
    assert_eq!(verify(&named(r#","kid":"any""#), &keys), Ok(()));
}

#[test]
fn a_new_kid_is_a_reason_to_ask_again() {
    let token = |kid: &str| {
        parse(&crate::jwt::testing::with_header(&format!(
            r#"{{"alg":"HS256"{kid}}}"#
        )))
    };
    let keys = set(&[
        jwk(Algorithm::RS256, r#","kid":"a""#),
        jwk(Algorithm::ES256, r#","kid":"b""#),
    ]);
    assert!(!keys.lacks_key_of(&token(r#","kid":"b""#)));
    assert!(keys.lacks_key_of(&token(r#","kid":"c""#)));
    assert!(!keys.lacks_key_of(&token("")));
    let keys = set(&[
        jwk(Algorithm::RS256, r#","kid":"a""#),
        jwk(Algorithm::ES256, ""),
    ]);
    assert!(!keys.lacks_key_of(&token(r#","kid":"c""#)));
}

#[test]
fn two_kinds_of_key_may_share_a_kid() {
    let keys = set(&[
        jwk(Algorithm::RS256, r#","kid":"a""#),
        jwk(Algorithm::ES256, r#","kid":"a""#),
    ]);
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let header = format!(r#"{{"alg":"{}","kid":"a"}}"#, algorithm::name(algorithm));
        let token = signed(&header, "{}", algorithm, &signing_key(algorithm));
        assert_eq!(verify(&token, &keys), Ok(()));
    }
}

#[test]
fn published_secrets_are_no_secrets() {
    let both = format!(
        r#"{{"keys":[{},{}]}}"#,
        jwk(Algorithm::HS256, ""),
        jwk(Algorithm::RS256, "")
    );
    let keys = KeySet::parse_published(both.as_bytes()).unwrap();
    assert_eq!((keys.keys().len(), keys.skipped().len()), (1, 1));
    assert!(verify(&good(Algorithm::HS256, "{}"), &keys).is_err());
    assert_eq!(KeySet::parse(both.as_bytes()).unwrap().keys().len(), 2);
    let alone = jwk(Algorithm::HS256, "");
    assert!(KeySet::parse_published(alone.as_bytes()).is_err());
    for text in ["", "secret", "<html>", "null"] {
        assert!(KeySet::parse_published(text.as_bytes()).is_err(), "{text}");
    }
    assert!(KeySet::parse_published(fixture!("rsa-2048.public.pem")).is_err());
}

/// As the serializers of .NET write them: all members that a key can have, set or not.
#[test]
fn members_that_are_null_or_empty_are_absent() {
    let published = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/jwks/nulls.json"
    ));
    let keys = KeySet::parse_published(published).unwrap();
    assert_eq!((keys.keys().len(), keys.skipped().len()), (1, 0));
    assert_eq!(keys.keys()[0].kid(), Some("r1"));
    assert_eq!(keys.keys()[0].algorithms(), AlgorithmSet::RSA);
    for algorithm in AlgorithmSet::ALL.iter() {
        let more = r#","use":null,"key_ops":[],"alg":null,"kid":null,"x5c":[],"x5u":null,"d":null"#;
        let keys = set(&[jwk(algorithm, more)]);
        assert_eq!(verify(&good(algorithm, "{}"), &keys), Ok(()));
    }
    // Padding is not part of base64url, and means nothing either.
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let padded = jwk(algorithm, "")
            .replace("\",\"e\"", "=\",\"e\"")
            .replace("\"}", "=\"}");
        let keys = KeySet::parse(padded.as_bytes()).unwrap();
        assert_eq!(verify(&good(algorithm, "{}"), &keys), Ok(()), "{padded}");
    }
    // What the key itself needs is not there if it is null.
    for (name, null) in [("kty", "EC"), ("crv", "P-256")] {
        let json = jwk(Algorithm::ES256, "").replace(
            &format!("\"{name}\":\"{null}\""),
            &format!("\"{name}\":null"),
        );
        assert!(matches!(error(&json), KeyError::Jwk(_)), "{json}");
    }
}

fn pem_text(pem: &[u8]) -> String {
    serde_json::to_string(str::from_utf8(pem).unwrap()).unwrap()
}

/// As Google, Firebase (certificates) and IAP (public keys) publish them.
#[test]
fn a_map_of_certificates_by_kid_is_read() {
    let named = |algorithm: Algorithm, kid: &str| {
        let header = format!(
            r#"{{"alg":"{}","kid":"{kid}"}}"#,
            algorithm::name(algorithm)
        );
        signed(&header, "{}", algorithm, &signing_key(algorithm))
    };
    let map = format!(
        r#"{{"r":{},"e":{},"p":{},"damaged":"-----BEGIN CERTIFICATE-----\n","other":"text"}}"#,
        pem_text(fixture!("rsa-2048.certificate.pem")),
        pem_text(fixture!("ec-p256.public.pem")),
        pem_text(fixture!("rsa-2048.test-private.pem")),
    );
    for keys in [
        KeySet::parse_published(map.as_bytes()).unwrap(),
        KeySet::parse(format!("\u{feff} {map}\n").as_bytes()).unwrap(),
    ] {
        assert_eq!(verify(&named(Algorithm::RS256, "r"), &keys), Ok(()));
        assert_eq!(verify(&named(Algorithm::ES256, "e"), &keys), Ok(()));
        let wrong = verify(&named(Algorithm::RS256, "e"), &keys).unwrap_err();
        assert!(matches!(wrong, SignatureError::KeyKind { .. }));
        let unknown = verify(&named(Algorithm::RS256, "x"), &keys).unwrap_err();
        assert_eq!(unknown.to_string(), "no key of kid \"x\"");
        let skipped: Vec<_> = keys
            .skipped()
            .iter()
            .filter_map(|s| s.kid.as_deref())
            .collect();
        assert_eq!(skipped, ["damaged", "other", "p"]);
        assert!(keys.lacks_key_of(&parse(&named(Algorithm::RS256, "x"))));
    }
    // One key belongs there, or nothing is a key.
    assert!(Key::parse(map.as_bytes()).is_err());
    let useless = r#"{"a":"-----BEGIN CERTIFICATE-----\n"}"#;
    let error = KeySet::parse_published(useless.as_bytes()).unwrap_err();
    assert!(matches!(error, KeyError::NoUsableKey(_)));
    assert!(
        error
            .to_string()
            .contains("key \"a\" is skipped: it looks like PEM"),
        "{error}"
    );
    let twice = map.replace("\"e\":", "\"r\":");
    assert!(KeySet::parse_published(twice.as_bytes()).is_err());
    let most = |count: usize| {
        let pem = pem_text(fixture!("ed25519.public.pem"));
        let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":{pem}")).collect();
        KeySet::parse_published(format!("{{{}}}", members.join(",")).as_bytes())
    };
    assert_eq!(most(MAX_SET_SIZE).unwrap().keys().len(), MAX_SET_SIZE);
    assert_eq!(
        most(MAX_SET_SIZE + 1).unwrap_err(),
        KeyError::TooManyKeys(MAX_SET_SIZE + 1)
    );
}

#[test]
fn what_is_not_a_set_is_said_to_be_what_it_is() {
    for (text, what) in [
        ("", "empty"),
        (" \n", "empty"),
        ("<!DOCTYPE html><html></html>", "an HTML page"),
        ("\n<HTML lang=en>", "an HTML page"),
        ("<?xml version=\"1.0\"?><Error/>", "an XML document"),
        ("<Error><Code>NoSuchKey</Code></Error>", "an XML document"),
        ("[]", "a JSON array"),
        (r#"[{"kty":"RSA"}]"#, "a JSON array"),
        ("null", "no JSON"),
        ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "no JSON"),
        ("Not Found", "no JSON"),
        ("-----BEGIN PUBLIC KEY-----", "a PEM text"),
        ("{}", "an empty JSON object"),
        (
            r#"{"error":"not_found","error_description":"x"}"#,
            "an error object",
        ),
        (r#"{"error":{"code":404,"message":"x"}}"#, "an error object"),
        (
            r#"{"timestamp":1,"status":404,"error":"Not Found","path":"/"}"#,
            "an error object",
        ),
        (r#"{"message":"Forbidden"}"#, "an error object"),
        (
            r#"{"type":"about:blank","title":"Not Found","status":404}"#,
            "an error object",
        ),
        (
            r#"{"issuer":"https://a","jwks_uri":"https://a/keys"}"#,
            "jwks_uri",
        ),
        (
            r#"{"realm":"sip","public_key":"MIIB"}"#,
            "openid-connect/certs",
        ),
        (r#"{"a":1}"#, "a JSON object without keys"),
        (r#"{"keys":null}"#, "a JSON object without keys"),
    ] {
        let error = KeySet::parse_published(text.as_bytes()).unwrap_err();
        assert!(matches!(error, KeyError::NotAKeySet(_)), "{text}: {error}");
        let message = error.to_string();
        assert!(
            message.contains(what) && message.ends_with("not a JWK Set"),
            "{text}: {message}"
        );
    }
    for (text, what) in [
        (r#"{"keys":[{"kty":"RSA""#, "is not JSON at byte 21"),
        (r#"{"keys":[],"keys":[]}"#, "names a member twice"),
        (r#"{"keys":{}}"#, "keys is not an array"),
        (r#"{"keys":[]}"#, "it is a JWK Set without a usable key"),
        (
            r#"{"keys":[{"kty":"RSA","kid":"a","use":"enc"}]}"#,
            "key: key \"a\" is skipped",
        ),
        (r#"{"keys":[1,2,3,4,5]}"#, "; and 2 more"),
    ] {
        let error = KeySet::parse_published(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
}

#[test]
fn errors_show_nothing_of_a_secret() {
    let json = r#"{"kty":"oct","k":"hunter2!hunter2"}"#;
    let error = error(json);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn any_jwk_is_survived(
        json in r#"\{"(kty|keys)":("(RSA|EC|OKP|oct)"|\[\{"kty":"oct"\}\])(,"(n|e|x|y|k|crv|alg|use)":"[A-Za-z0-9_-]{0,9}"){0,5}\}"#,
    ) {
        let _ = Key::parse(json.as_bytes());
        let _ = KeySet::parse(json.as_bytes());
    }

    /// Whichever byte of it is altered, a public JWK never becomes a secret.
    #[test]
    fn a_damaged_jwk_never_becomes_a_secret(
        position in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        algorithm in proptest::sample::select(vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]),
    ) {
        let mut json = jwk(algorithm, r#","use":"sig","kid":"x""#).into_bytes();
        let position = position.index(json.len());
        json[position] = byte;
        if let Ok(key) = Key::parse(&json) {
            prop_assert!(!key.is_secret());
        }
    }
}
