//! Reads keys of every kind.

use super::detect::{self, Shape};
use super::error::KeyError;
use super::material::{Key, Material};
use super::secret::Secret;
use super::{jwk, spki, textual};

impl Key {
    /// Reads key material, recognized by its content: PEM or DER of a public key (SPKI, RFC 5280
    /// section 4.1; or PKCS#1, RFC 8017 appendix A.1.1) or of a certificate, also in bare base64; a
    /// JSON Web Key (RFC 7517 section 4). Anything that does not look like a key is a raw HMAC
    /// secret, taken byte by byte.
    ///
    /// The validity dates of a certificate are ignored: it is only the envelope of its key.
    ///
    /// # Errors
    /// Fails for the reasons in [`KeyError`], above all on anything that looks like a key but can't
    /// be read as one.
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
}
