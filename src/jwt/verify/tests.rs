use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;

use super::*;
use crate::jwt::testing::{
    SECRET, base64url, fixture, good, parse, signed, signing_key, verifying_material, with_header,
};
use crate::jwt::token::Limits;

const PAYLOAD: &str = r#"{"tag":"subscriber","exp":4102444800}"#;

fn key(material: &[u8]) -> Key {
    Key::parse(material).unwrap()
}

fn verify(token: &str, material: &[u8]) -> Result<(), SignatureError> {
    verify_signature(
        &parse(token),
        &key(material),
        AlgorithmSet::ALL,
        &Signatures::none(),
    )
}

#[test]
fn every_algorithm_verifies_with_its_key_and_with_no_other() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let token = good(algorithm, PAYLOAD);
        assert_eq!(
            verify(&token, verifying_material(algorithm)),
            Ok(()),
            "{algorithm:?}"
        );
        for other in AlgorithmSet::ALL.iter() {
            let material = verifying_material(other);
            if material == verifying_material(algorithm) {
                continue;
            }
            let error = verify(&token, material).unwrap_err();
            assert!(
                matches!(error, SignatureError::KeyKind { .. }),
                "{algorithm:?} {other:?}"
            );
        }
    }
}

#[test]
fn certificates_and_other_forms_verify_as_their_key() {
    for (algorithm, material) in [
        (Algorithm::RS256, &fixture!("rsa-2048.certificate.pem")[..]),
        (Algorithm::PS512, fixture!("rsa-2048.pkcs1-public.pem")),
        (Algorithm::ES256, fixture!("ec-p256.certificate.pem")),
        (Algorithm::ES384, fixture!("ec-p384.certificate.pem")),
        (Algorithm::ES512, fixture!("ec-p521.certificate.pem")),
        (Algorithm::ES256K, fixture!("ec-k256.certificate.pem")),
        (Algorithm::EdDSA, fixture!("ed25519.certificate.pem")),
        (Algorithm::Ed25519, fixture!("ed25519.certificate.pem")),
    ] {
        assert_eq!(
            verify(&good(algorithm, PAYLOAD), material),
            Ok(()),
            "{algorithm:?}"
        );
    }
}

#[test]
fn the_same_kind_of_key_is_not_the_same_key() {
    let rsa = good(Algorithm::RS256, PAYLOAD);
    let other = fixture!("rsa-2048-other.public.pem");
    assert_eq!(verify(&rsa, other), Err(SignatureError::Mismatch));
    let hmac = good(Algorithm::HS256, PAYLOAD);
    for secret in [
        &b"another secret"[..],
        &SECRET[1..],
        &[SECRET, b"\n"].concat(),
    ] {
        assert_eq!(verify(&hmac, secret), Err(SignatureError::Mismatch));
    }
}

/// The classic attack on verifiers that let the header choose: the public key used as HMAC secret.
#[test]
fn nothing_public_works_as_an_hmac_secret() {
    for public in [
        &fixture!("rsa-2048.public.pem")[..],
        fixture!("rsa-2048.pkcs1-public.pem"),
        fixture!("rsa-2048.certificate.pem"),
        fixture!("ec-p256.public.pem"),
        fixture!("ec-p384.public.pem"),
        fixture!("ec-p521.public.pem"),
        fixture!("ec-p521.certificate.pem"),
        fixture!("ec-k256.public.pem"),
        fixture!("ed25519.public.pem"),
        fixture!("ed25519.certificate.pem"),
    ] {
        let der = pem::parse(public).unwrap().into_contents();
        let text = str::from_utf8(public).unwrap();
        let variants: Vec<Vec<u8>> = vec![
            public.to_vec(),
            text.trim_end().into(),
            text.replace('\n', "\r\n").into(),
            text.replace('\n', "").into(),
            text.replace('\n', " ").into(),
            text.replace('\n', "\\n").into(),
            format!("\n\n  {text}").into(),
            format!("{text}\n\n").into(),
            text.lines().skip(1).collect::<Vec<_>>().join("\n").into(),
            text.lines()
                .rev()
                .skip(1)
                .collect::<Vec<_>>()
                .join("\n")
                .into(),
            text.replace("-----", "----").into(),
            text.to_lowercase().into(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            STANDARD.encode(public).into(),
            STANDARD.encode(&der).into(),
            base64url(&der).into(),
            der.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
            [der.as_slice(), b"\n"].concat(),
            der[..der.len() - 4].to_vec(),
            STANDARD.encode(&der)[..STANDARD.encode(&der).len() - 5].into(),
            der,
        ];
        for material in variants {
            for algorithm in AlgorithmSet::HMAC.iter() {
                let header = format!(r#"{{"alg":"{}"}}"#, algorithm::name(algorithm));
                let forger = EncodingKey::from_secret(&material);
                let forged = parse(&signed(&header, PAYLOAD, algorithm, &forger));
                let shown = String::from_utf8_lossy(&material);
                if let Ok(key) = Key::parse(&material) {
                    assert!(
                        key.algorithms().intersection(AlgorithmSet::HMAC).is_empty(),
                        "{shown}"
                    );
                    assert!(
                        verify_signature(&forged, &key, AlgorithmSet::ALL, &Signatures::none())
                            .is_err(),
                        "{shown}"
                    );
                }
            }
        }
    }
}

#[test]
fn none_is_refused_in_any_spelling_and_with_any_signature() {
    for alg in [
        "none",
        "None",
        "nOnE",
        "NONE",
        "none ",
        " none",
        "none\\u0009",
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let unsigned = format!("{}.{}.", base64url(&header), base64url(PAYLOAD));
        for token in [unsigned, with_header(&header)] {
            for algorithm in AlgorithmSet::ALL.iter() {
                let error = verify(&token, verifying_material(algorithm)).unwrap_err();
                assert!(
                    matches!(error, SignatureError::Unsecured(_)),
                    "{alg}: {error}"
                );
            }
        }
    }
    // Without a signature, no algorithm helps.
    let header = base64url(r#"{"alg":"HS256"}"#);
    let empty = format!("{header}.{}.", base64url(PAYLOAD));
    assert_eq!(verify(&empty, SECRET), Err(SignatureError::Mismatch));
}

#[test]
fn unknown_algorithms_are_named_harmlessly() {
    for alg in [
        "hs256",
        "HS256 ",
        "Ed448",
        "ES512K",
        "HS1",
        "RS256\\u0000",
        "",
        "null",
    ] {
        let error = verify(&with_header(&format!(r#"{{"alg":"{alg}"}}"#)), SECRET).unwrap_err();
        assert!(
            matches!(error, SignatureError::UnknownAlgorithm(_)),
            "{alg}: {error}"
        );
    }
    let nasty = format!(r#"{{"alg":"x\r\nVia: {}\u001b\u00e9"}}"#, "y".repeat(100));
    let message = verify(&with_header(&nasty), SECRET)
        .unwrap_err()
        .to_string();
    assert!(
        message.is_ascii() && !message.contains(char::is_control),
        "{message:?}"
    );
    assert!(message.len() < 80, "{message}");
}

#[test]
fn only_allowed_algorithms_verify() {
    let token = parse(&good(Algorithm::HS256, PAYLOAD));
    let allowed = AlgorithmSet::of(&[Algorithm::HS384, Algorithm::RS256]);
    let error = verify_signature(&token, &key(SECRET), allowed, &Signatures::none()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "alg HS256 is not allowed, allowed are HS384, RS256"
    );
}

#[test]
fn any_crit_is_refused() {
    for crit in [
        r#"["exp"]"#,
        r#"["b64"]"#,
        "[]",
        "null",
        "\"b64\"",
        "{}",
        "1",
        r#"["http://x"]"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","b64":true,"crit":{crit}}}"#);
        assert_eq!(
            verify(&with_header(&header), SECRET),
            Err(SignatureError::Critical),
            "{crit}"
        );
    }
}

#[test]
fn keys_in_the_header_are_ignored() {
    let attacker = fixture!("rsa-2048-other.test-private.pem");
    let attacker = EncodingKey::from_rsa_der(pem::parse(attacker).unwrap().contents());
    let certificate = pem::parse(fixture!("rsa-2048.certificate.pem")).unwrap();
    let x5c = STANDARD.encode(certificate.contents());
    for member in [
        r#""jwk":{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
        r#""jku":"https://attacker.example/keys""#.to_owned(),
        r#""x5u":"https://attacker.example/certificate""#.to_owned(),
        format!(r#""x5c":["{x5c}"]"#),
        r#""kid":"../../../../dev/null""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"RS256",{member}}}"#);
        let material = verifying_material(Algorithm::RS256);
        let forged = signed(&header, PAYLOAD, Algorithm::RS256, &attacker);
        assert_eq!(
            verify(&forged, material),
            Err(SignatureError::Mismatch),
            "{member}"
        );
        let genuine = signed(
            &header,
            PAYLOAD,
            Algorithm::RS256,
            &signing_key(Algorithm::RS256),
        );
        assert_eq!(verify(&genuine, material), Ok(()), "{member}");
    }
    let header = r#"{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0"}}"#;
    let forged = signed(
        header,
        PAYLOAD,
        Algorithm::HS256,
        &EncodingKey::from_secret(b"secret"),
    );
    assert_eq!(verify(&forged, SECRET), Err(SignatureError::Mismatch));
}

#[test]
fn es256_signatures_are_the_raw_form_of_the_right_size_alone() {
    let token = good(Algorithm::ES256, PAYLOAD);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap();
    assert_eq!(raw.len(), 64);
    let with = |signature: &[u8]| {
        verify(
            &format!("{input}.{}", base64url(signature)),
            verifying_material(Algorithm::ES256),
        )
    };
    assert_eq!(with(&raw), Ok(()));
    // If both numbers are zero, anything verifies unless that is ruled out.
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    for bad in [
        vec![0; 64],
        [order, order].concat(),
        [&raw[..32], &[0; 32]].concat(),
        [&[0; 32], &raw[32..]].concat(),
        der_signature(&raw),
        raw[..63].to_vec(),
        [&raw[..], &[0]].concat(),
        [&[0], &raw[..32], &[0], &raw[32..]].concat(),
        raw[..32].to_vec(),
        vec![],
    ] {
        assert_eq!(with(&bad), Err(SignatureError::Mismatch), "{bad:02x?}");
    }
}

/// ECDSA-Sig-Value (RFC 3279 section 2.2.3), as OpenSSL makes it.
fn der_signature(raw: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    for number in raw.chunks(32) {
        let sign = u8::from(number[0] >= 0x80);
        content.extend([0x02, 32 + sign]);
        content.extend(std::iter::repeat_n(0, usize::from(sign)));
        content.extend(number);
    }
    [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

#[test]
fn hmac_signatures_must_be_complete() {
    let token = good(Algorithm::HS512, PAYLOAD);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap();
    for bad in [&raw[..32], &raw[..63], &[&raw[..], &[0]].concat()] {
        let altered = format!("{input}.{}", base64url(bad));
        assert_eq!(verify(&altered, SECRET), Err(SignatureError::Mismatch));
    }
}

#[test]
fn one_signature_is_not_good_for_another_padding_or_hash() {
    let material = verifying_material(Algorithm::RS256);
    for (said, signed_with) in [
        ("PS256", Algorithm::RS256),
        ("RS256", Algorithm::PS256),
        ("RS512", Algorithm::RS256),
    ] {
        let token = signed(
            &format!(r#"{{"alg":"{said}"}}"#),
            PAYLOAD,
            signed_with,
            &signing_key(signed_with),
        );
        assert_eq!(
            verify(&token, material),
            Err(SignatureError::Mismatch),
            "{said}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_token_altered_in_one_byte_is_refused(
        algorithm in proptest::sample::select(AlgorithmSet::ALL.iter().collect::<Vec<_>>()),
        position in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut altered = good(algorithm, PAYLOAD).into_bytes();
        let position = position.index(altered.len());
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        // A space at an end is not part of the token: the rest lacks a byte.
        if let Ok(token) = Token::parse(&altered, &Limits::default()) {
            let key = key(verifying_material(algorithm));
            prop_assert!(verify_signature(&token, &key, AlgorithmSet::ALL, &Signatures::none()).is_err());
        }
    }
}
