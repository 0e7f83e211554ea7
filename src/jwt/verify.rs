//! Verification of a token's signature (RFC 7515 section 5.2).
//!
//! The key decides. Of the header only `alg` is used, to choose among what the key may verify, and
//! `crit`, to refuse. Keys that a header contains or points to (`jwk`, `jku`, `x5c`, `x5u`) are
//! ignored: they come from the sender, who is still to be verified.

use thiserror::Error;

use super::algorithm::{self, Algorithm, AlgorithmSet};
use super::key::{Key, KeySet};
use super::signatures::Signatures;
use super::token::Token;
use super::{quote, quote_up_to};

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// `alg` is `none`, in some spelling (RFC 7518 section 3.6).
    #[error("not signed (alg is {0})")]
    Unsecured(String),
    /// `alg` is unknown.
    #[error("unknown alg {0}")]
    UnknownAlgorithm(String),
    /// `alg` is not one of the allowed ones.
    #[error("alg {} is not allowed, allowed are {allowed}", algorithm::name(*.algorithm))]
    NotAllowed {
        /// The header's algorithm.
        algorithm: Algorithm,
        /// What the administrator allows.
        allowed: AlgorithmSet,
    },
    /// The header demands extensions; none is supported (RFC 7515 section 4.1.11).
    #[error("header demands unknown extensions (crit)")]
    Critical,
    /// The key is not of the kind that `alg` needs.
    #[error("alg {} does not fit the key, which verifies {fitting}", algorithm::name(*.algorithm))]
    KeyKind {
        /// The header's algorithm.
        algorithm: Algorithm,
        /// What the key can verify.
        fitting: AlgorithmSet,
    },
    /// None of the keys has the `kid` that the header names.
    #[error("no key of kid {0}")]
    UnknownKey(String),
    /// The signature is not by this key over this token.
    #[error("signature does not match")]
    Mismatch,
}

/// Checks what a token says about its signature, without any key: the part of verification that is
/// the same for every key.
///
/// # Errors
/// Fails on unsecured tokens, on algorithms that are unknown or not allowed, and on any `crit`.
pub fn check_header(token: &Token, allowed: AlgorithmSet) -> Result<Algorithm, SignatureError> {
    let Some(algorithm) = token.algorithm() else {
        let name = token.algorithm_name();
        let quoted = quote(name);
        return Err(if name.trim().eq_ignore_ascii_case("none") {
            SignatureError::Unsecured(quoted)
        } else {
            SignatureError::UnknownAlgorithm(quoted)
        });
    };
    if !allowed.contains(algorithm) {
        return Err(SignatureError::NotAllowed { algorithm, allowed });
    }
    if token.header_member("crit").is_some() {
        return Err(SignatureError::Critical);
    }
    Ok(algorithm)
}

/// Verifies the token's signature with one key.
///
/// # Errors
/// Fails for the reasons in [`SignatureError`].
pub fn verify_signature(
    token: &Token,
    key: &Key,
    allowed: AlgorithmSet,
    signatures: &Signatures,
) -> Result<(), SignatureError> {
    let algorithm = check_header(token, allowed)?;
    let fitting = key.algorithms();
    if !fitting.contains(algorithm) {
        return Err(SignatureError::KeyKind { algorithm, fitting });
    }
    let (message, signature) = (token.signing_input(), token.signature());
    if key.verifies(algorithm, message, signature, signatures) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// Verifies the token's signature with any key of a set that may have made it, and says which one has.
///
/// # Errors
/// Fails with [`SignatureError::Mismatch`] if a key of the right kind was tried; otherwise with the
/// reason why none was.
pub fn verify_with_set<'a>(
    token: &'a Token,
    keys: &'a KeySet,
    allowed: AlgorithmSet,
    signatures: &Signatures,
) -> Result<&'a Key, SignatureError> {
    check_header(token, allowed)?;
    let mut refusal = None;
    for key in keys.candidates(token) {
        match verify_signature(token, key, allowed, signatures) {
            Ok(()) => return Ok(key),
            Err(SignatureError::Mismatch) => refusal = Some(SignatureError::Mismatch),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    // Without a kid, all keys are candidates, and a set is never empty.
    Err(refusal.unwrap_or_else(|| {
        SignatureError::UnknownKey(quote_up_to(token.kid().unwrap_or_default(), 128))
    }))
}

#[cfg(test)]
mod tests;
