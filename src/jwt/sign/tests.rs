use super::*;
use crate::jwt::key::Key;
use crate::jwt::signatures::Signatures;
use crate::jwt::signing_key::SigningKeyError;
use crate::jwt::testing::{SECRET, fixture, parse, verifying_material};
use crate::jwt::verify::verify_signature;

fn key_for(algorithm: Algorithm) -> SigningKey {
    SigningKey::parse(match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => SECRET,
        Algorithm::ES256 => fixture!("ec-p256.test-private.pem"),
        Algorithm::ES384 => fixture!("ec-p384.test-private.pem"),
        Algorithm::ES512 => fixture!("ec-p521.test-private.pem"),
        Algorithm::ES256K => fixture!("ec-k256.test-private.pem"),
        Algorithm::EdDSA | Algorithm::Ed25519 => fixture!("ed25519.test-private.pem"),
        _ => fixture!("rsa-2048.test-private.pem"),
    })
    .unwrap()
}

fn error(material: impl AsRef<[u8]>) -> SigningKeyError {
    SigningKey::parse(material.as_ref()).unwrap_err()
}

#[test]
fn what_is_signed_verifies_with_the_public_key() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let claims = br#" {"sub":"john", "exp": 4102444800} "#;
        let token = sign(claims, &key_for(algorithm), algorithm, None).unwrap();
        let token = parse(&token);
        let name = algorithm::name(algorithm);
        assert_eq!(
            token.decoded().into_string(),
            format!(r#"{{"alg":"{name}","typ":"JWT"}}.{{"exp":4102444800,"sub":"john"}}"#)
        );
        let key = Key::parse(verifying_material(algorithm)).unwrap();
        assert_eq!(
            verify_signature(&token, &key, AlgorithmSet::ALL, &Signatures::none()),
            Ok(()),
            "{name}"
        );
    }
}

/// The expected signature was made with `openssl dgst -sha256 -hmac secret`.
#[test]
fn hmac_is_what_openssl_makes() {
    let key = SigningKey::parse(b"secret").unwrap();
    let token = sign(br#"{"sub":"1234567890"}"#, &key, Algorithm::HS256, None).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(
        input,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0"
    );
    assert_eq!(signature, HS256_BY_OPENSSL);
}

const HS256_BY_OPENSSL: &str = "Rq8IxqeX7eA6GgYxlcHdPFVRNFFZc5rEI3MQTZZbK3I";

#[test]
fn every_form_of_private_key_signs() {
    for (material, algorithm) in [
        (&fixture!("rsa-2048.test-private.pem")[..], Algorithm::RS256),
        (
            fixture!("rsa-2048-pkcs8.test-private.pem"),
            Algorithm::RS256,
        ),
        (fixture!("ec-p256-sec1.test-private.pem"), Algorithm::ES256),
        (fixture!("ec-p384-sec1.test-private.pem"), Algorithm::ES384),
        (fixture!("ec-p521-sec1.test-private.pem"), Algorithm::ES512),
        (fixture!("ec-k256-sec1.test-private.pem"), Algorithm::ES256K),
    ] {
        let key = SigningKey::parse(material).unwrap();
        let token = parse(&sign(b"{}", &key, algorithm, None).unwrap());
        let public = Key::parse(verifying_material(algorithm)).unwrap();
        assert_eq!(
            verify_signature(&token, &public, AlgorithmSet::ALL, &Signatures::none()),
            Ok(())
        );
    }
    // With the certificate next to it, and with the line endings of another system.
    let both = [
        fixture!("ec-p256.certificate.pem"),
        &fixture!("ec-p256.test-private.pem")[..],
    ]
    .concat();
    assert!(SigningKey::parse(&both).is_ok());
    let text = str::from_utf8(fixture!("ec-p256-sec1.test-private.pem")).unwrap();
    assert!(SigningKey::parse(text.replace('\n', "\r\n").as_bytes()).is_ok());
}

#[test]
fn a_key_signs_its_own_kind_alone() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let key = key_for(algorithm);
        for other in AlgorithmSet::ALL
            .iter()
            .filter(|other| !key.algorithms().contains(*other))
        {
            let error = sign(b"{}", &key, other, None).unwrap_err();
            assert!(matches!(error, SignError::KeyKind { .. }));
        }
    }
}

#[test]
fn what_can_not_sign_is_told_apart() {
    assert_eq!(error(b""), SigningKeyError::Empty);
    for public in [
        &fixture!("rsa-2048.public.pem")[..],
        fixture!("ec-p256.certificate.pem"),
        pem::parse(fixture!("ed25519.public.pem"))
            .unwrap()
            .contents(),
    ] {
        assert_eq!(error(public), SigningKeyError::Public);
    }
    let text = str::from_utf8(fixture!("ec-p256.test-private.pem")).unwrap();
    assert_eq!(
        error(text.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        SigningKeyError::Encrypted
    );
    let rsa = str::from_utf8(fixture!("rsa-2048.test-private.pem")).unwrap();
    let old = rsa.replacen(
        "-----\n",
        "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
        1,
    );
    assert_eq!(error(old), SigningKeyError::Encrypted);
    for malformed in [
        "-----BEGIN PRIVATE KEY-----".to_owned(),
        text.replacen("MI", "AA", 1),
        rsa.replacen("MII", "AAA", 1),
        "ssh-ed25519 AAAA".to_owned(),
        r#"{"kty":"oct"}"#.to_owned(),
        "https://idp.example/keys".to_owned(),
    ] {
        let error = error(&malformed);
        assert!(
            matches!(
                error,
                SigningKeyError::Malformed | SigningKeyError::Unsupported
            ),
            "{malformed}"
        );
    }
    assert_eq!(
        error(fixture!("rsa-1024.test-private.pem")),
        SigningKeyError::Malformed
    );
}

#[test]
fn the_header_can_be_added_to() {
    let key = key_for(Algorithm::HS256);
    let header = |text: &str| sign(b"{}", &key, Algorithm::HS256, Some(text.as_bytes()));
    let token = parse(&header(r#"{"kid":"k","typ":"at+jwt","alg":"HS256"}"#).unwrap());
    assert_eq!(
        token.decoded().into_string(),
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}.{}"#
    );
    for alg in ["\"none\"", "\"HS512\"", "null", "1"] {
        let error = header(&format!(r#"{{"alg":{alg}}}"#));
        assert_eq!(
            error,
            Err(SignError::OtherAlgorithm(Algorithm::HS256)),
            "{alg}"
        );
    }
    assert_eq!(
        header(r#"{"crit":["b64"]}"#),
        Err(SignError::HeaderMember("crit"))
    );
    assert_eq!(
        header(r#"{"b64":false}"#),
        Err(SignError::HeaderMember("b64"))
    );
    for text in ["", "null", "[]", "{", r#"{"a":1,"a":2}"#] {
        assert!(matches!(header(text), Err(SignError::Header(_))), "{text}");
        let claims = sign(text.as_bytes(), &key, Algorithm::HS256, None);
        assert!(matches!(claims, Err(SignError::Claims(_))), "{text}");
    }
}

#[test]
fn debug_shows_nothing_of_the_key() {
    let shown = format!("{:?}", SigningKey::parse(b"hunter2").unwrap());
    assert_eq!(shown, "SigningKey({HS256, HS384, HS512})");
}
