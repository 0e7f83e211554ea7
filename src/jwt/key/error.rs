//! Why something can't be a key.

use std::fmt;

use thiserror::Error;

use crate::jwt::json::JsonError;
use crate::jwt::quote_up_to;

/// The shortest accepted RSA modulus, in bits (RFC 7518 section 3.3).
pub const MIN_RSA_BITS: usize = 2048;
/// The longest accepted RSA modulus, in bits: beyond it, verifying a signature takes so long that
/// tokens could be used to keep a worker busy.
pub const MAX_RSA_BITS: usize = 8192;
/// The most keys that a JWK Set may hold: providers publish fewer than twenty, and a token without
/// `kid` is tried with every one.
pub const MAX_SET_SIZE: usize = 100;

/// The longest `kid` that is shown whole, in characters. Providers use hashes and timestamps.
const SHOWN_KID: usize = 128;

/// How many skipped keys an error names.
const SHOWN_SKIPPED: usize = 3;

/// A key of a set that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SkippedKey {
    /// Its place in the set, from 1.
    pub number: usize,
    /// Its `kid`, if it has one.
    pub kid: Option<Box<str>>,
    /// Why it can't be used.
    pub error: KeyError,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(formatter, "key {}", quote_up_to(kid, SHOWN_KID))?,
            None => write!(formatter, "key number {}, which has no kid,", self.number)?,
        }
        write!(formatter, " is skipped: {}", self.error)
    }
}

/// A list of skipped keys in words.
struct Several<'a>(&'a [SkippedKey]);

impl fmt::Display for Several<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(SHOWN_SKIPPED);
        for (position, skipped) in shown.enumerate() {
            let separator = if position == 0 { ": " } else { "; " };
            write!(formatter, "{separator}{skipped}")?;
        }
        match self.0.len().checked_sub(SHOWN_SKIPPED + 1) {
            Some(more) => write!(formatter, "; and {} more", more + 1),
            None => Ok(()),
        }
    }
}

/// Why something can't be a key. No message contains any of the material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Empty: anyone can make an HMAC with an empty secret.
    #[error("the secret is empty")]
    Empty,
    /// Looks like a PEM text (RFC 7468) but can't be read as one.
    #[error("it looks like PEM but can't be read: {0}")]
    Pem(&'static str),
    /// A private key, which a verifier must not have.
    #[error("it is a private key, where a public key or a secret belongs")]
    PrivateKey,
    /// A PEM text of another kind.
    #[error("it is a PEM text of {0:?}, allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE")]
    PemLabel(String),
    /// A certificate that can't be read (RFC 5280).
    #[error("it is a certificate that can't be read")]
    Certificate,
    /// A public key that can't be read.
    #[error("it looks like a public key but can't be read as one")]
    Malformed,
    /// A kind of key that verifies no known algorithm.
    #[error(
        "it is a key of kind {0}, allowed are RSA, EC on P-256, P-384, P-521 or secp256k1, and \
         Ed25519"
    )]
    Unsupported(String),
    /// An RSA key under [`MIN_RSA_BITS`] or over [`MAX_RSA_BITS`].
    #[error("it is an RSA key of {0} bits, allowed are {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaSize(usize),
    /// A key in the format of SSH, PuTTY or XML.
    #[error("it is a key in the format of {0}, which is not supported; convert it to PEM")]
    ForeignFormat(&'static str),
    /// A URL: whoever knows it would know the secret.
    #[error("it is a URL, not a key")]
    Url,
    /// A JSON Web Key that can't be read (RFC 7517).
    #[error("it is a JSON Web Key that can't be read: {0}")]
    Jwk(&'static str),
    /// A JSON Web Key whose `use`, `key_ops` or `alg` rules out the requested use.
    #[error("it is a JSON Web Key that may not verify signatures: {0}")]
    JwkUse(&'static str),
    /// A JWK Set where a single key belongs.
    #[error("it is a JWK Set, where one key belongs")]
    JwkSet,
    /// A JWK Set, or a map of certificates, without any usable key.
    #[error("it is a JWK Set without a usable key{}", Several(.0))]
    NoUsableKey(Vec<SkippedKey>),
    /// A document that has no keys in any known form.
    #[error("it is {0}, not a JWK Set")]
    NotAKeySet(&'static str),
    /// JSON of a key or of keys that is not strict JSON.
    #[error("it is JSON of keys that can't be read: the text {0}")]
    Json(JsonError),
    /// A JWK Set of more keys than a token could be tried with.
    #[error("it is a JWK Set of {0} keys, at most {MAX_SET_SIZE} are allowed")]
    TooManyKeys(usize),
}
