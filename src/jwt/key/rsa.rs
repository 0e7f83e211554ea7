//! RSA public keys (RFC 8017).

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaSubjectPublicKey};
use once_cell::sync::OnceCell;
use x509_cert::der::asn1::{AnyRef, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader, Tag};

use super::error::{KeyError, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::jwt::algorithm::Algorithm;

/// A checked RSA key, parsed for each algorithm on first use.
pub(in crate::jwt) struct RsaKey {
    pkcs1: Box<[u8]>,
    parsed: [OnceCell<ParsedPublicKey>; 6],
}

impl RsaKey {
    /// Reads `RSAPublicKey` (RFC 8017 appendix A.1.1).
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        // aws-lc refuses a key over its own limit without a reason, so the size is checked first.
        let bits = modulus_bits(der).ok_or(KeyError::Malformed)?;
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyError::RsaSize(bits));
        }
        RsaSubjectPublicKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        Ok(Self {
            pkcs1: der.into(),
            parsed: Default::default(),
        })
    }

    /// `RSAPublicKey` in DER.
    pub(super) fn der(&self) -> &[u8] {
        &self.pkcs1
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let (slot, parameters): (_, &'static RsaParameters) = match algorithm {
            Algorithm::RS256 => (0, &signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => (1, &signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => (2, &signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => (3, &signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => (4, &signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => (5, &signature::RSA_PSS_2048_8192_SHA512),
            _ => return false,
        };
        self.parsed[slot]
            .get_or_try_init(|| ParsedPublicKey::new(parameters, &self.pkcs1))
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1) of two big-endian numbers.
pub(in crate::jwt) fn pkcs1(exponent: &[u8], modulus: &[u8]) -> x509_cert::der::Result<Vec<u8>> {
    let mut members = Vec::with_capacity(modulus.len() + exponent.len() + 16);
    UintRef::new(modulus)?.encode_to_vec(&mut members)?;
    UintRef::new(exponent)?.encode_to_vec(&mut members)?;
    AnyRef::new(Tag::Sequence, &members)?.to_der()
}

fn modulus_bits(der: &[u8]) -> Option<usize> {
    let sequence = AnyRef::from_der(der).ok()?;
    let mut members = SliceReader::new(sequence.value()).ok()?;
    let modulus: UintRef<'_> = members.decode().ok()?;
    let bytes = modulus.as_bytes();
    let first = bytes.first()?;
    Some(bytes.len() * 8 - usize::try_from(first.leading_zeros()).ok()?)
}
