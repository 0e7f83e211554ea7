//! How jambonz encrypts what it keeps: AES-256 with a key that is made of a secret.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY: usize = 32;

/// The mode of the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `aes-256-cbc`, padded by PKCS #7.
    Cbc,
    /// `aes-256-ctr`, which jambonz has with its setting `LEGACY_CRYPTO`.
    Ctr,
}

/// A key and a mode. The key is hidden from debug output.
pub struct Cipher {
    key: Zeroizing<Vec<u8>>,
    mode: Mode,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cipher")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Cipher {
    /// With the key that jambonz makes of its `ENCRYPTION_SECRET`, or without one of its `JWT_SECRET`: the first
    /// 32 characters of the base64 of its SHA-256.
    pub fn new(secret: &[u8], mode: Mode) -> Self {
        let hash = digest::digest(&digest::SHA256, secret);
        let text = Zeroizing::new(STANDARD.encode(hash));
        let key = text.as_bytes().get(..KEY).unwrap_or_default().to_vec();
        Cipher {
            key: Zeroizing::new(key),
            mode,
        }
    }

    /// What was encrypted; `None` if that can't be, by this key and mode. In mode CTR anything can.
    pub fn decrypt(
        &self,
        iv: [u8; 16],
        mut text: Zeroizing<Vec<u8>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = UnboundCipherKey::new(&AES_256, &self.key).ok()?;
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let length = match self.mode {
            Mode::Cbc => PaddedBlockDecryptingKey::cbc_pkcs7(key)
                .ok()?
                .decrypt(&mut text, context)
                .ok()?
                .len(),
            Mode::Ctr => DecryptingKey::ctr(key)
                .ok()?
                .decrypt(&mut text, context)
                .ok()?
                .len(),
        };
        text.truncate(length);
        Some(text)
    }
}
