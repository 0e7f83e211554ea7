//! What may verify a token: HMAC secrets and public keys, told apart by their content.
//!
//! What a key is decides what it may verify, never the token (RFC 8725 section 3.1): a public key
//! is no secret, so everything that looks like one, damaged or wrapped as it may be, is either
//! read as a public key or refused. It never becomes an HMAC secret, for anybody could then sign.

mod detect;
mod jwk;
mod rsa;
mod secret;
mod set;
mod signer;
mod spki;
mod textual;

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use thiserror::Error;

use super::algorithm::{Algorithm, AlgorithmSet};
use detect::Shape;
use rsa::RsaKey;
use secret::Secret;

pub use set::KeySet;
pub(super) use signer::{Signer, signer};
pub(super) use spki::{RSA_ENCRYPTION, certificate_spki};
pub(super) use textual::first_certificate;

/// The shortest RSA modulus that is accepted, in bits (RFC 7518 section 3.3).
pub const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus that is accepted, in bits: beyond it, a signature costs so much time
/// that a token would be a means to keep a worker busy.
pub const MAX_RSA_BITS: usize = 8192;
/// The most keys that a JWK Set may hold: providers publish fewer than twenty, and a token without
/// `kid` is tried with each.
pub const MAX_SET_SIZE: usize = 100;

/// Why something can't be a key. No message holds any of the material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Nothing: an HMAC with an empty secret is everybody's.
    #[error("the secret is empty")]
    Empty,
    /// Has the mark of a PEM text (RFC 7468) and can't be read as one.
    #[error("it looks like PEM and can't be read: {0}")]
    Pem(&'static str),
    /// A private key, which a verifier must not have.
    #[error("it is a private key, where a public key or a secret belongs")]
    PrivateKey,
    /// A PEM text of something else.
    #[error("it is a PEM text of {0:?}, allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE")]
    PemLabel(String),
    /// A certificate that can't be read (RFC 5280).
    #[error("it is a certificate that can't be read")]
    Certificate,
    /// A public key that can't be read.
    #[error("it looks like a public key and can't be read as one")]
    Malformed,
    /// A kind of key that verifies no known algorithm.
    #[error("it is a key of kind {0}, allowed are RSA, EC on P-256 or P-384, and Ed25519")]
    Unsupported(String),
    /// An RSA key under [`MIN_RSA_BITS`] or over [`MAX_RSA_BITS`].
    #[error("it is an RSA key of {0} bits, allowed are {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaSize(usize),
    /// A key in the format of SSH, PuTTY or XML.
    #[error("it is a key in the format of {0}, which is not supported; convert it to PEM")]
    ForeignFormat(&'static str),
    /// An address: whoever knows it would know the secret.
    #[error("it is a URL, not a key")]
    Url,
    /// A JSON Web Key that can't be read (RFC 7517).
    #[error("it is a JSON Web Key that can't be read: {0}")]
    Jwk(&'static str),
    /// A JSON Web Key whose `use`, `key_ops` or `alg` rules out what it is asked for.
    #[error("it is a JSON Web Key that may not verify signatures: {0}")]
    JwkUse(&'static str),
    /// A JWK Set, where one key belongs.
    #[error("it is a JWK Set, where one key belongs")]
    JwkSet,
    /// A JWK Set of which no key can be used.
    #[error("it is a JWK Set without a usable key ({0} were skipped)")]
    NoUsableKey(usize),
    /// A JWK Set of more keys than a token could be tried with.
    #[error("it is a JWK Set of {0} keys, at most {MAX_SET_SIZE} are allowed")]
    TooManyKeys(usize),
}

/// One key, parsed once.
pub struct Key {
    material: Material,
    algorithms: AlgorithmSet,
    kid: Option<Box<str>>,
}

/// What a key is made of. The kind decides what it may verify.
pub(super) enum Material {
    Secret(Secret),
    Rsa(Box<RsaKey>),
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl Material {
    fn algorithms(&self) -> AlgorithmSet {
        match self {
            Self::Secret(_) => AlgorithmSet::HMAC,
            Self::Rsa(_) => AlgorithmSet::RSA,
            Self::P256(_) => AlgorithmSet::of(&[Algorithm::ES256]),
            Self::P384(_) => AlgorithmSet::of(&[Algorithm::ES384]),
            Self::Ed25519(_) => AlgorithmSet::of(&[Algorithm::EdDSA]),
        }
    }
}

impl Key {
    /// Reads key material, deciding by its content what it is: PEM or DER of a public key (SPKI,
    /// RFC 5280 section 4.1; or PKCS#1, RFC 8017 appendix A.1.1) or of a certificate, also in bare
    /// base64; a JSON Web Key (RFC 7517 section 4); everything that looks like no key at all is a raw HMAC secret, taken byte by byte.
    ///
    /// The validity dates of a certificate are not looked at: it is but the envelope of its key.
    ///
    /// # Errors
    /// See [`KeyError`]. Above all, whatever looks like a key and can't be read as one.
    pub fn parse(material: &[u8]) -> Result<Self, KeyError> {
        let material = match detect::shape(material) {
            Shape::Empty => return Err(KeyError::Empty),
            Shape::Pem(text) => textual::public_key(&text)?,
            Shape::Der(der) => spki::any_public_key(&der)?,
            Shape::Foreign(format) => return Err(KeyError::ForeignFormat(format)),
            Shape::Jwk(json) => return jwk::key(&json),
            Shape::Url => return Err(KeyError::Url),
            Shape::Damaged => return Err(KeyError::Malformed),
            Shape::Secret => Material::Secret(Secret::new(material)),
        };
        let algorithms = material.algorithms();
        Ok(Self {
            material,
            algorithms,
            kid: None,
        })
    }

    /// The algorithms that this key may verify: those of its kind, and of these only the `alg` of
    /// a JSON Web Key that has one.
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// The `kid` of a JSON Web Key (RFC 7517 section 4.5).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether this is an HMAC secret.
    pub fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    /// Whether this is an HMAC secret shorter than the hash of `algorithm`, which RFC 7518
    /// section 3.2 rules out. Never true for other keys.
    pub fn weak_for(&self, algorithm: Algorithm) -> bool {
        let hash_length = match algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => return false,
        };
        matches!(&self.material, Material::Secret(secret) if secret.len() < hash_length)
    }

    /// What kind of key this is, for logs and MI.
    pub fn kind(&self) -> &'static str {
        match self.material {
            Material::Secret(_) => "HMAC secret",
            Material::Rsa(_) => "RSA public key",
            Material::P256(_) => "EC public key on P-256",
            Material::P384(_) => "EC public key on P-384",
            Material::Ed25519(_) => "Ed25519 public key",
        }
    }

    /// Whether `signature` over `message` was made with this key and `algorithm`.
    ///
    /// False for an algorithm that is not of this key's kind.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.algorithms().contains(algorithm) {
            return false;
        }
        match &self.material {
            Material::Secret(secret) => secret.verifies(algorithm, message, signature),
            Material::Rsa(key) => key.verifies(algorithm, message, signature),
            Material::P256(key) | Material::P384(key) | Material::Ed25519(key) => {
                key.verify_sig(message, signature).is_ok()
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Key").field(&self.kind()).finish()
    }
}

#[cfg(test)]
mod tests;
