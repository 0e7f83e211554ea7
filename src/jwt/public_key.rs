//! Public keys in PEM, from certificates and RSA numbers, for scripts that store them this way.
//!
//! The text is byte for byte what OpenSSL's `PEM_write_bio_PUBKEY` makes, as returned by the C
//! module's `extract_pub_key_from_cert` and `extract_pub_key_from_exp_mod`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use thiserror::Error;
use x509_cert::der::Encode;
use x509_cert::der::asn1::{AnyRef, BitStringRef};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::key::{KeyError, RSA_ENCRYPTION, certificate_spki, first_certificate, pkcs1};

/// Why no public key can be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// Neither a PEM certificate nor one in base64.
    #[error("the certificate can't be read: {0}")]
    Certificate(#[from] KeyError),
    /// A number is not base64url without padding (RFC 7518 section 6.3.1).
    #[error("{0} is not base64url without padding")]
    Base64(&'static str),
    /// A number is zero.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// A number is too long for any key.
    #[error("the numbers are too long")]
    TooLong,
}

/// The public key of a certificate, as a SubjectPublicKeyInfo in PEM.
///
/// The certificate may be PEM, or base64 of DER without armour as in `x5c` (RFC 7517 section 4.7).
///
/// # Errors
/// Fails if there is no certificate, or a malformed one.
pub fn from_certificate(certificate: &[u8]) -> Result<String, PublicKeyError> {
    let der = match bare_base64(certificate) {
        Some(der) => der,
        None => first_certificate(certificate)?,
    };
    Ok(pem_public_key(&certificate_spki(&der)?))
}

fn bare_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(digits).ok().filter(|der| !der.is_empty())
}

/// The RSA public key of an exponent and a modulus as in a JWK (RFC 7518 section 6.3.1), as a
/// SubjectPublicKeyInfo in PEM.
///
/// # Errors
/// Fails if a number is not base64url, or is zero. Whether the numbers make a good key is not
/// checked.
pub fn from_exp_mod(exponent: &[u8], modulus: &[u8]) -> Result<String, PublicKeyError> {
    let exponent_bytes = number("exponent", exponent)?;
    let modulus_bytes = number("modulus", modulus)?;
    let spki = rsa_spki(&exponent_bytes, &modulus_bytes).map_err(|_| PublicKeyError::TooLong)?;
    Ok(pem_public_key(&spki))
}

/// SubjectPublicKeyInfo around an `RSAPublicKey`.
fn rsa_spki(exponent: &[u8], modulus: &[u8]) -> x509_cert::der::Result<Vec<u8>> {
    let key = pkcs1(exponent, modulus)?;
    SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef {
            oid: RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL),
        },
        subject_public_key: BitStringRef::from_bytes(&key)?,
    }
    .to_der()
}

fn number(name: &'static str, digits: &[u8]) -> Result<Vec<u8>, PublicKeyError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(digits)
        .map_err(|_| PublicKeyError::Base64(name))?;
    if bytes.is_empty() {
        return Err(PublicKeyError::Base64(name));
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(PublicKeyError::Zero(name));
    }
    Ok(bytes)
}

fn pem_public_key(spki: &[u8]) -> String {
    let config = pem::EncodeConfig::new()
        .set_line_ending(pem::LineEnding::LF)
        .set_line_wrap(64);
    pem::encode_config(&pem::Pem::new("PUBLIC KEY", spki), config)
}

#[cfg(test)]
mod tests;
