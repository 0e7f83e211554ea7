//! HMAC secrets (RFC 7518 section 3.2).

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::jwt::algorithm::Algorithm;

/// A raw secret, and what is derived from it for each hash on first use.
///
/// The bytes are overwritten on drop, and so are aws-lc's contexts.
pub(in crate::jwt) struct Secret {
    bytes: Zeroizing<Box<[u8]>>,
    // Boxed, since most secrets are used with one hash and many are kept.
    sha256: OnceLock<Box<hmac::Key>>,
    sha384: OnceLock<Box<hmac::Key>>,
    sha512: OnceLock<Box<hmac::Key>>,
}

impl Secret {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: Zeroizing::new(bytes.into()),
            sha256: OnceLock::new(),
            sha384: OnceLock::new(),
            sha512: OnceLock::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Compares in constant time.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let (slot, hash) = match algorithm {
            Algorithm::HS256 => (&self.sha256, hmac::HMAC_SHA256),
            Algorithm::HS384 => (&self.sha384, hmac::HMAC_SHA384),
            Algorithm::HS512 => (&self.sha512, hmac::HMAC_SHA512),
            _ => return false,
        };
        let key = slot.get_or_init(|| Box::new(hmac::Key::new(hash, &self.bytes)));
        hmac::verify(key, message, signature).is_ok()
    }
}
