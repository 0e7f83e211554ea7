//! What may verify a token: HMAC secrets and public keys, told apart by their content.
//!
//! What a key may verify is decided by the key, never by the token (RFC 8725 section 3.1). A public
//! key is not secret, so everything that looks like one, however damaged or wrapped, is either read
//! as a public key or refused. It never becomes an HMAC secret, as anyone could then sign.

pub(super) mod detect;
mod document;
mod error;
mod jwk;
mod material;
mod parse;
mod rsa;
mod secret;
mod set;
mod spki;
mod textual;

pub(crate) use document::is_web_document;
pub use error::{KeyError, MAX_RSA_BITS, MAX_SET_SIZE, MIN_RSA_BITS, SkippedKey};
pub use material::Key;
pub(super) use rsa::pkcs1;
pub use set::KeySet;
pub(super) use spki::{RSA_ENCRYPTION, certificate_spki};
pub(super) use textual::first_certificate;

#[cfg(test)]
mod tests;
