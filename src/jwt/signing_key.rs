//! Keys that sign: HMAC secrets and private keys.
//!
//! They are parsed once, and an unusable key is refused at that point. The crate jsonwebtoken is not
//! an alternative: it keeps the text of a key and parses it for each signature, so that a wrong curve
//! or a modulus that is too short only surfaces with the first token; and it does not read SEC 1.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, AlgorithmSet};
use super::key::detect::{self, Shape};
use super::key::{Key, MAX_RSA_BITS, MIN_RSA_BITS};

/// Why something can't sign. No message contains any of the material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// Empty.
    #[error("the key is empty")]
    Empty,
    /// A public key, a certificate, or what looks like one.
    #[error("a public key can't sign")]
    Public,
    /// A private key encrypted with a passphrase.
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
        "the private key is of an unknown kind, allowed are RSA, EC on P-256, P-384, P-521 or \
         secp256k1, Ed25519"
    )]
    Unsupported,
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
    P521(EcdsaKeyPair),
    P256K1(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads a private key in PEM (PKCS#8, RFC 5958; PKCS#1, RFC 8017; SEC 1, RFC 5915), or takes a
    /// raw HMAC secret. Secrets are recognized as in [`Key::parse`].
    ///
    /// # Errors
    /// Fails for the reasons in [`SigningKeyError`].
    pub fn parse(material: &[u8]) -> Result<Self, SigningKeyError> {
        let material = match form(material)? {
            Form::Secret => Material::Secret(Zeroizing::new(material.to_vec())),
            Form::Pkcs8(der) => pkcs8(&der)?,
            Form::Pkcs1(der) => {
                rsa(RsaKeyPair::from_der(&der).map_err(|_| SigningKeyError::Malformed)?)?
            }
            Form::Sec1(der) => elliptic(&der).ok_or(SigningKeyError::Malformed)?,
        };
        Ok(Self { material })
    }

    /// The algorithms that this key can sign with.
    pub fn algorithms(&self) -> AlgorithmSet {
        match self.material {
            Material::Secret(_) => AlgorithmSet::HMAC,
            Material::Rsa(_) => AlgorithmSet::RSA,
            Material::P256(_) => AlgorithmSet::of(&[Algorithm::ES256]),
            Material::P384(_) => AlgorithmSet::of(&[Algorithm::ES384]),
            Material::P521(_) => AlgorithmSet::of(&[Algorithm::ES512]),
            Material::P256K1(_) => AlgorithmSet::of(&[Algorithm::ES256K]),
            Material::Ed25519(_) => AlgorithmSet::ED25519,
        }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
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
            Material::P256(pair)
            | Material::P384(pair)
            | Material::P521(pair)
            | Material::P256K1(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
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

/// The form of a signing key, with its DER if it has one.
enum Form {
    Secret,
    Pkcs8(Zeroizing<Vec<u8>>),
    Pkcs1(Zeroizing<Vec<u8>>),
    Sec1(Zeroizing<Vec<u8>>),
}

/// Decides by content, as carefully as for a verifying key: what looks like a public key must not
/// sign as a secret, since anyone could do the same.
fn form(material: &[u8]) -> Result<Form, SigningKeyError> {
    match detect::shape(material) {
        Shape::Empty => Err(SigningKeyError::Empty),
        Shape::Secret => Ok(Form::Secret),
        Shape::Pem(text) => private_block(&text),
        _ if Key::parse(material).is_ok() => Err(SigningKeyError::Public),
        _ => Err(SigningKeyError::Malformed),
    }
}

fn private_block(text: &[u8]) -> Result<Form, SigningKeyError> {
    let blocks = pem::parse_many(text).map_err(|_| SigningKeyError::Malformed)?;
    let labels = blocks.iter().map(pem::Pem::tag).collect::<Vec<_>>();
    let has_private = labels.iter().any(|label| label.ends_with("PRIVATE KEY"));
    let has_public = labels
        .iter()
        .any(|label| label.ends_with("PUBLIC KEY") || label.ends_with("CERTIFICATE"));
    if has_public && !has_private {
        return Err(SigningKeyError::Public);
    }
    for block in blocks {
        let make = match block.tag() {
            "PRIVATE KEY" => Form::Pkcs8,
            "RSA PRIVATE KEY" => Form::Pkcs1,
            "EC PRIVATE KEY" => Form::Sec1,
            "ENCRYPTED PRIVATE KEY" => return Err(SigningKeyError::Encrypted),
            // Parameters, or the certificate that goes with the key.
            _ => continue,
        };
        // RFC 1421: the older form of encryption, with headers.
        if block
            .headers()
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("DEK-Info"))
        {
            return Err(SigningKeyError::Encrypted);
        }
        return Ok(make(Zeroizing::new(block.into_contents())));
    }
    Err(SigningKeyError::Malformed)
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
    type Curve = (&'static EcdsaSigningAlgorithm, fn(EcdsaKeyPair) -> Material);
    // Each reads only the keys of its own curve.
    const CURVES: [Curve; 4] = [
        (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, Material::P256),
        (&signature::ECDSA_P384_SHA384_FIXED_SIGNING, Material::P384),
        (&signature::ECDSA_P521_SHA512_FIXED_SIGNING, Material::P521),
        (
            &signature::ECDSA_P256K1_SHA256_FIXED_SIGNING,
            Material::P256K1,
        ),
    ];
    CURVES.iter().find_map(|(curve, material)| {
        let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
        Some(material(pair))
    })
}
