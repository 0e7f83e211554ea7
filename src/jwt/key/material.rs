//! A parsed key: what it is made of, and what it verifies.

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;

use super::rsa::RsaKey;
use super::secret::Secret;
use crate::jwt::algorithm::{self, Algorithm, AlgorithmSet};
use crate::jwt::signatures::Signatures;

/// One key, parsed once.
pub struct Key {
    pub(super) material: Material,
    pub(super) algorithms: AlgorithmSet,
    pub(super) kid: Option<Box<str>>,
}

/// What a key is made of. The kind decides what it may verify.
pub(super) enum Material {
    Secret(Secret),
    Rsa(Box<RsaKey>),
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    P521(ParsedPublicKey),
    P256K1(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl Material {
    pub(super) fn algorithms(&self) -> AlgorithmSet {
        match self {
            Self::Secret(_) => AlgorithmSet::HMAC,
            Self::Rsa(_) => AlgorithmSet::RSA,
            Self::P256(_) => AlgorithmSet::of(&[Algorithm::ES256]),
            Self::P384(_) => AlgorithmSet::of(&[Algorithm::ES384]),
            Self::P521(_) => AlgorithmSet::of(&[Algorithm::ES512]),
            Self::P256K1(_) => AlgorithmSet::of(&[Algorithm::ES256K]),
            Self::Ed25519(_) => AlgorithmSet::ED25519,
        }
    }
}

impl Key {
    /// The algorithms that this key may verify: those of its kind, restricted to the `alg` of a
    /// JSON Web Key that has one.
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

    /// Whether this is an HMAC secret shorter than the hash of `algorithm`, which RFC 7518 section
    /// 3.2 forbids. Never true for other keys.
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
            Material::P521(_) => "EC public key on P-521",
            Material::P256K1(_) => "EC public key on secp256k1",
            Material::Ed25519(_) => "Ed25519 public key",
        }
    }

    /// Whether `signature` over `message` was made with this key and `algorithm`.
    ///
    /// False for an algorithm that does not fit this kind of key. What public keys verify is
    /// remembered; an HMAC costs no more than to remember it.
    pub(in crate::jwt) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
        signatures: &Signatures,
    ) -> bool {
        if !self.algorithms().contains(algorithm) {
            return false;
        }
        let remembered = |key: &[u8], verify: &dyn Fn() -> bool| {
            signatures.verified(algorithm::name(algorithm), key, message, signature, verify)
        };
        match &self.material {
            Material::Secret(secret) => secret.verifies(algorithm, message, signature),
            Material::Rsa(key) => {
                remembered(key.der(), &|| key.verifies(algorithm, message, signature))
            }
            Material::P256(key)
            | Material::P384(key)
            | Material::P521(key)
            | Material::P256K1(key)
            | Material::Ed25519(key) => {
                remembered(key.as_ref(), &|| key.verify_sig(message, signature).is_ok())
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Key").field(&self.kind()).finish()
    }
}
