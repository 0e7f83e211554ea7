//! Tells what a key that is to sign is made of.

use zeroize::Zeroizing;

use super::detect::{self, Shape};
use crate::jwt::sign::SigningKeyError;

/// The form of a signing key, with its DER where it has some.
pub(in crate::jwt) enum Signer {
    Secret,
    Pkcs8(Zeroizing<Vec<u8>>),
    Pkcs1(Zeroizing<Vec<u8>>),
    Sec1(Zeroizing<Vec<u8>>),
}

/// Decides by content, with the same care as for a verifying key: what looks like a public key must
/// not sign as a secret, for everybody could do the same.
pub(in crate::jwt) fn signer(material: &[u8]) -> Result<Signer, SigningKeyError> {
    match detect::shape(material) {
        Shape::Empty => Err(SigningKeyError::Empty),
        Shape::Secret => Ok(Signer::Secret),
        Shape::Pem(text) => private_block(&text),
        _ if super::Key::parse(material).is_ok() => Err(SigningKeyError::Public),
        _ => Err(SigningKeyError::Malformed),
    }
}

fn private_block(text: &[u8]) -> Result<Signer, SigningKeyError> {
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
            "PRIVATE KEY" => Signer::Pkcs8,
            "RSA PRIVATE KEY" => Signer::Pkcs1,
            "EC PRIVATE KEY" => Signer::Sec1,
            "ENCRYPTED PRIVATE KEY" => return Err(SigningKeyError::Encrypted),
            // Parameters, or the certificate that goes with the key.
            _ => continue,
        };
        // RFC 1421: the older way to encrypt, with headers.
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
