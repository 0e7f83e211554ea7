//! Keys and tokens for the unit tests.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;

use super::algorithm::{self, Algorithm};
use super::token::{Limits, Token};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/", $name))
    };
}
pub(crate) use fixture;

/// A secret that is long enough for every hash.
pub(crate) const SECRET: &[u8] =
    b"a secret of the unit tests that is as long as sixty-four bytes, or a bit more";

/// The UNIX time at which the tests take place.
pub(crate) const NOW: u64 = 1_700_000_000;

/// A UNIX second as the clock gives it.
pub(crate) fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn der(pem: &[u8]) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

/// The private key, or the secret, for the algorithm in these tests.
pub(crate) fn signing_key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET),
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(fixture!("ec-p256.test-private.pem"))),
        Algorithm::ES384 => EncodingKey::from_ec_der(&der(fixture!("ec-p384.test-private.pem"))),
        Algorithm::ES512 => EncodingKey::from_ec_der(&der(fixture!("ec-p521.test-private.pem"))),
        Algorithm::ES256K => EncodingKey::from_ec_der(&der(fixture!("ec-k256.test-private.pem"))),
        Algorithm::EdDSA | Algorithm::Ed25519 => {
            EncodingKey::from_ed_der(&der(fixture!("ed25519.test-private.pem")))
        }
        _ => EncodingKey::from_rsa_der(&der(fixture!("rsa-2048.test-private.pem"))),
    }
}

/// What verifies the tokens of [`signing_key`].
pub(crate) fn verifying_material(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => SECRET,
        Algorithm::ES256 => fixture!("ec-p256.public.pem"),
        Algorithm::ES384 => fixture!("ec-p384.public.pem"),
        Algorithm::ES512 => fixture!("ec-p521.public.pem"),
        Algorithm::ES256K => fixture!("ec-k256.public.pem"),
        Algorithm::EdDSA | Algorithm::Ed25519 => fixture!("ed25519.public.pem"),
        _ => fixture!("rsa-2048.public.pem"),
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of the given JSON texts, signed with the key whatever the header says.
pub(crate) fn signed(
    header: &str,
    payload: &str,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> String {
    let input = format!("{}.{}", base64url(header), base64url(payload));
    let signature = match algorithm {
        Algorithm::ES512 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, input.as_bytes(), key),
        Algorithm::ES256K => ecdsa(&ECDSA_P256K1_SHA256_FIXED_SIGNING, input.as_bytes(), key),
        other => {
            let name = match other {
                Algorithm::Ed25519 => "EdDSA",
                other => algorithm::name(other),
            };
            jsonwebtoken::crypto::sign(input.as_bytes(), key, name.parse().unwrap()).unwrap()
        }
    };
    format!("{input}.{signature}")
}

/// What jsonwebtoken does not sign.
fn ecdsa(curve: &'static EcdsaSigningAlgorithm, input: &[u8], key: &EncodingKey) -> String {
    let pair = EcdsaKeyPair::from_pkcs8(curve, key.as_bytes()).unwrap();
    base64url(pair.sign(&SystemRandom::new(), input).unwrap())
}

/// A good token with that algorithm.
pub(crate) fn good(algorithm: Algorithm, payload: &str) -> String {
    let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, algorithm::name(algorithm));
    signed(&header, payload, algorithm, &signing_key(algorithm))
}

/// A token with that header, signed HS256 with [`SECRET`].
pub(crate) fn with_header(header: &str) -> String {
    signed(
        header,
        r#"{"tag":"x"}"#,
        Algorithm::HS256,
        &signing_key(Algorithm::HS256),
    )
}

pub(crate) fn parse(token: &str) -> Token {
    Token::parse(token.as_bytes(), &Limits::default()).unwrap()
}

/// A good HS256 token with these claims, parsed.
pub(crate) fn claiming(payload: &str) -> Token {
    parse(&good(Algorithm::HS256, payload))
}
