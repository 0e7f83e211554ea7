use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::jwt::testing::{base64url, fixture};

#[test]
fn the_key_of_a_certificate_is_that_of_openssl() {
    for (certificate, public) in [
        (
            &fixture!("rsa-2048.certificate.pem")[..],
            &fixture!("rsa-2048.public.pem")[..],
        ),
        (
            fixture!("ec-p256.certificate.pem"),
            fixture!("ec-p256.public.pem"),
        ),
        (
            fixture!("ec-p384.certificate.pem"),
            fixture!("ec-p384.public.pem"),
        ),
        (
            fixture!("ed25519.certificate.pem"),
            fixture!("ed25519.public.pem"),
        ),
    ] {
        let expected = str::from_utf8(public).unwrap();
        assert_eq!(from_certificate(certificate).unwrap(), expected);
        let text = str::from_utf8(certificate).unwrap();
        let der = pem::parse(certificate).unwrap().into_contents();
        for variant in [
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            format!("subject: somebody\n{text}{text}"),
            text.replace("CERTIFICATE", "X509 CERTIFICATE"),
            STANDARD.encode(&der),
            STANDARD
                .encode(&der)
                .as_bytes()
                .chunks(64)
                .map(|line| str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
                .join("\n"),
        ] {
            assert_eq!(
                from_certificate(variant.as_bytes()).unwrap(),
                expected,
                "{variant}"
            );
        }
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let certificate = str::from_utf8(fixture!("rsa-2048.certificate.pem")).unwrap();
    let cut = certificate.replacen("MII", "", 1);
    for text in [
        "",
        "garbage",
        "c2VjcmV0",
        "-----BEGIN CERTIFICATE-----",
        cut.as_str(),
        str::from_utf8(fixture!("rsa-2048.public.pem")).unwrap(),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    ] {
        assert!(from_certificate(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn exponent_and_modulus_make_the_key_of_openssl() {
    for public in [
        &fixture!("rsa-1024.public.pem")[..],
        fixture!("rsa-2047.public.pem"),
        fixture!("rsa-2048.public.pem"),
        fixture!("rsa-4096.public.pem"),
        fixture!("rsa-8192.public.pem"),
    ] {
        let (exponent, modulus) = numbers(public);
        let expected = str::from_utf8(public).unwrap();
        let made = from_exp_mod(
            base64url(&exponent).as_bytes(),
            base64url(&modulus).as_bytes(),
        );
        assert_eq!(made.unwrap(), expected);
        // Leading zeros are not part of a number.
        let padded = base64url([&[0, 0], &modulus[..]].concat());
        let made = from_exp_mod(b"AAEAAQ", padded.as_bytes());
        assert_eq!(made.unwrap(), expected);
    }
}

fn numbers(public: &[u8]) -> (Vec<u8>, Vec<u8>) {
    use aws_lc_rs::signature::{RsaPublicKeyComponents, RsaSubjectPublicKey};
    let der = pem::parse(public).unwrap().into_contents();
    let key = RsaSubjectPublicKey::from_der(&der).unwrap();
    let components = RsaPublicKeyComponents::from(&key);
    (components.e, components.n)
}

#[test]
fn wrong_numbers_are_refused_by_name() {
    let modulus = base64url([0x80; 256]);
    let error = |exponent: &str, modulus: &str| {
        from_exp_mod(exponent.as_bytes(), modulus.as_bytes()).unwrap_err()
    };
    for bad in ["", "AQAB=", "AQ AB", "AQA+", "A", "AQB", "é"] {
        assert_eq!(
            error(bad, &modulus),
            PublicKeyError::Base64("exponent"),
            "{bad:?}"
        );
        assert_eq!(
            error("AQAB", bad),
            PublicKeyError::Base64("modulus"),
            "{bad:?}"
        );
    }
    assert_eq!(error("AA", &modulus), PublicKeyError::Zero("exponent"));
    assert_eq!(error("AQAB", "AAAA"), PublicKeyError::Zero("modulus"));
}
