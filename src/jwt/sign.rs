//! Making tokens (RFC 7515 section 5.1).

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use super::algorithm::{self, Algorithm, AlgorithmSet};
use super::json::{self, JsonError, Object, Value};
use super::key::{MAX_RSA_BITS, MIN_RSA_BITS, Signer, signer};

/// Why something can't sign. No message holds any of the material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// Nothing.
    #[error("the key is empty")]
    Empty,
    /// A public key, a certificate, or what looks like one.
    #[error("a public key can't sign")]
    Public,
    /// A private key under a passphrase.
    #[error("the private key is encrypted, which is not supported")]
    Encrypted,
    /// A PEM text, or a key in another format, that can't be read; or an RSA key of a size that no
    /// verifier here accepts.
    #[error(
        "the private key can't be read; allowed are PEM of PKCS#8, PKCS#1 and SEC 1, RSA keys of \
         {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
    )]
    Malformed,
    /// A kind of key that signs no known algorithm.
    #[error(
        "the private key is of an unknown kind, allowed are RSA, EC on P-256 or P-384, Ed25519"
    )]
    Unsupported,
}

/// Why no token is made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// The claims are no strict JSON object.
    #[error("the claims: the text {0}")]
    Claims(JsonError),
    /// The header is no strict JSON object.
    #[error("the header: the text {0}")]
    Header(JsonError),
    /// The header names an algorithm other than the one asked for.
    #[error("the header has another alg than {}", algorithm::name(*.0))]
    OtherAlgorithm(Algorithm),
    /// `crit` or `b64` (RFC 7797): what they ask for is not done here.
    #[error("the header has {0}, which is not supported")]
    HeaderMember(&'static str),
    /// The key is not of the kind that the algorithm needs.
    #[error("alg {} does not fit the key, which signs {fitting}", algorithm::name(*.algorithm))]
    KeyKind {
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// What the key is good for.
        fitting: AlgorithmSet,
    },
    /// The cryptographic library refused.
    #[error("the signature could not be made")]
    Failed,
}

/// A key that signs, parsed once.
pub struct SigningKey {
    material: Material,
}

enum Material {
    Secret(Zeroizing<Vec<u8>>),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads a private key in PEM (PKCS#8, RFC 5958; PKCS#1, RFC 8017; SEC 1, RFC 5915), or takes a
    /// raw HMAC secret. Whether it is a secret is decided as [`super::key::Key::parse`] does.
    ///
    /// # Errors
    /// See [`SigningKeyError`].
    pub fn parse(material: &[u8]) -> Result<Self, SigningKeyError> {
        let material = match signer(material)? {
            Signer::Secret => Material::Secret(Zeroizing::new(material.to_vec())),
            Signer::Pkcs8(der) => pkcs8(&der)?,
            Signer::Pkcs1(der) => {
                rsa(RsaKeyPair::from_der(&der).map_err(|_| SigningKeyError::Malformed)?)?
            }
            Signer::Sec1(der) => elliptic(&der).ok_or(SigningKeyError::Malformed)?,
        };
        Ok(Self { material })
    }

    /// The algorithms that this key can sign.
    pub fn algorithms(&self) -> AlgorithmSet {
        match self.material {
            Material::Secret(_) => AlgorithmSet::HMAC,
            Material::Rsa(_) => AlgorithmSet::RSA,
            Material::P256(_) => AlgorithmSet::of(&[Algorithm::ES256]),
            Material::P384(_) => AlgorithmSet::of(&[Algorithm::ES384]),
            Material::Ed25519(_) => AlgorithmSet::of(&[Algorithm::EdDSA]),
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.material {
            Material::Secret(secret) => {
                let hash = match algorithm {
                    Algorithm::HS256 => hmac::HMAC_SHA256,
                    Algorithm::HS384 => hmac::HMAC_SHA384,
                    Algorithm::HS512 => hmac::HMAC_SHA512,
                    _ => return None,
                };
                Some(
                    hmac::sign(&hmac::Key::new(hash, secret), message)
                        .as_ref()
                        .to_vec(),
                )
            }
            Material::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::RS256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &signature::RSA_PSS_SHA256,
                    Algorithm::PS384 => &signature::RSA_PSS_SHA384,
                    Algorithm::PS512 => &signature::RSA_PSS_SHA512,
                    _ => return None,
                };
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut made).ok()?;
                Some(made)
            }
            Material::P256(pair) | Material::P384(pair) => {
                Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
            }
            Material::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("SigningKey")
            .field(&self.algorithms())
            .finish()
    }
}

fn pkcs8(der: &[u8]) -> Result<Material, SigningKeyError> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        return rsa(pair);
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
        return Ok(Material::Ed25519(pair));
    }
    elliptic(der).ok_or(SigningKeyError::Unsupported)
}

fn rsa(pair: RsaKeyPair) -> Result<Material, SigningKeyError> {
    let bits = pair.public_key().modulus_len() * 8;
    if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        Ok(Material::Rsa(pair))
    } else {
        Err(SigningKeyError::Malformed)
    }
}

fn elliptic(der: &[u8]) -> Option<Material> {
    let p256 = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let p384 = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_der(p256, der)
        .map(Material::P256)
        .or_else(|_| EcdsaKeyPair::from_private_key_der(p384, der).map(Material::P384))
        .ok()
}

/// Makes a token of the claims, a text of a JSON object.
///
/// The header is `alg` and `typ` (`JWT`), and the members of `header` if it is given, of which
/// `typ` replaces ours. Both are written compact and sorted.
///
/// # Errors
/// See [`SignError`].
pub fn sign(
    claims: &[u8],
    key: &SigningKey,
    algorithm: Algorithm,
    header: Option<&[u8]>,
) -> Result<String, SignError> {
    let fitting = key.algorithms();
    if !fitting.contains(algorithm) {
        return Err(SignError::KeyKind { algorithm, fitting });
    }
    let claims = json::parse_object(claims).map_err(SignError::Claims)?;
    let header = match header {
        Some(text) => json::parse_object(text).map_err(SignError::Header)?,
        None => Object::default(),
    };
    let header = complete(header, algorithm)?;
    let mut token = String::new();
    let mut text = String::new();
    json::print::object(&mut text, &header);
    URL_SAFE_NO_PAD.encode_string(&text, &mut token);
    token.push('.');
    text.clear();
    json::print::object(&mut text, &claims);
    URL_SAFE_NO_PAD.encode_string(&text, &mut token);
    let signature = key
        .sign(algorithm, token.as_bytes())
        .ok_or(SignError::Failed)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn complete(mut header: Object, algorithm: Algorithm) -> Result<Object, SignError> {
    for member in ["crit", "b64"] {
        if header.contains(member) {
            return Err(SignError::HeaderMember(member));
        }
    }
    let name = Value::from(algorithm::name(algorithm));
    if header.get("alg").is_some_and(|given| *given != name) {
        return Err(SignError::OtherAlgorithm(algorithm));
    }
    header.insert("alg", name);
    if !header.contains("typ") {
        header.insert("typ", Value::from("JWT"));
    }
    Ok(header)
}

#[cfg(test)]
mod tests;
