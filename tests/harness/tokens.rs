//! Tokens, good and forged. Header and payload are given as text, so that a test can write what no
//! library would: two claims of the same name, a non-numeric claim, keys in any order.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::{Key, random};

/// Now, in UNIX seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_secs()).expect("seconds fit")
}

/// base64url without padding (RFC 7515, 2).
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with the header `{"alg":alg,"typ":"JWT"}`.
pub fn token(key: &Key, alg: &str, payload: &str) -> String {
    with_header(
        key,
        alg,
        &format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#),
        payload,
    )
}

/// A token with the given header; `alg` says how it is signed.
pub fn with_header(key: &Key, alg: &str, header: &str, payload: &str) -> String {
    sign(key, alg, &format!("{}.{}", b64(header), b64(payload)))
}

/// Appends the signature over `input`.
pub fn sign(key: &Key, alg: &str, input: &str) -> String {
    format!("{input}.{}", b64(signature(key, alg, input.as_bytes())))
}

/// The token with one bit of its signature flipped.
pub fn with_broken_signature(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').expect("a token has dots");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    bytes[7] ^= 0x10;
    format!("{input}.{}", b64(bytes))
}

/// The token with its signature replaced by these bytes.
pub fn with_signature(token: &str, signature: &[u8]) -> String {
    let (input, _) = token.rsplit_once('.').expect("a token has dots");
    format!("{input}.{}", b64(signature))
}

/// The signature of one token under the payload of another.
pub fn with_signature_of(payload_from: &str, signature_from: &str) -> String {
    let (input, _) = payload_from.rsplit_once('.').expect("a token has dots");
    let (_, signature) = signature_from.rsplit_once('.').expect("a token has dots");
    format!("{input}.{signature}")
}

fn signature(key: &Key, alg: &str, input: &[u8]) -> Vec<u8> {
    match key {
        Key::Rsa(pair) => {
            let encoding: &'static dyn RsaEncoding = match alg {
                "RS256" => &RSA_PKCS1_SHA256,
                "RS384" => &RSA_PKCS1_SHA384,
                "RS512" => &RSA_PKCS1_SHA512,
                "PS256" => &RSA_PSS_SHA256,
                "PS384" => &RSA_PSS_SHA384,
                "PS512" => &RSA_PSS_SHA512,
                _ => panic!("{alg} is not made with an RSA key"),
            };
            let mut out = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random(), input, &mut out)
                .expect("RSA signature");
            out
        }
        Key::Ec(pair) => pair
            .sign(&random(), input)
            .expect("EC signature")
            .as_ref()
            .to_vec(),
        Key::Ed(pair) => pair.sign(input).as_ref().to_vec(),
        Key::Secret(bytes) => hmac_of(alg, bytes, input),
    }
}

fn hmac_of(alg: &str, key: &[u8], input: &[u8]) -> Vec<u8> {
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => panic!("{alg} is not made with a secret"),
    };
    hmac::sign(&hmac::Key::new(algorithm, key), input)
        .as_ref()
        .to_vec()
}
