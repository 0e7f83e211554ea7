//! Public keys in PEM (RFC 7468).

use super::error::KeyError;
use super::material::Material;
use super::rsa::RsaKey;
use super::spki;

/// Labels of certificates; the second is OpenSSL's older form.
const CERTIFICATES: [&str; 2] = ["CERTIFICATE", "X509 CERTIFICATE"];

/// Reads the first public key or certificate of a PEM text, which may be surrounded by other text.
///
/// # Errors
/// Fails if there is a private key anywhere in the text, no block at all, or a damaged one.
pub(super) fn public_key(text: &[u8]) -> Result<Material, KeyError> {
    let blocks = blocks(text)?;
    if blocks
        .iter()
        .any(|block| block.tag().contains("PRIVATE KEY"))
    {
        return Err(KeyError::PrivateKey);
    }
    for block in &blocks {
        match block.tag() {
            "PUBLIC KEY" => return spki::public_key(block.contents()),
            "RSA PUBLIC KEY" => {
                return RsaKey::from_pkcs1(block.contents())
                    .map(Box::new)
                    .map(Material::Rsa);
            }
            label if CERTIFICATES.contains(&label) => {
                return spki::public_key(&spki::certificate_spki(block.contents())?);
            }
            _ => {}
        }
    }
    let label = blocks
        .first()
        .map(|block| block.tag().chars().take(40).collect());
    Err(label.map_or(KeyError::Pem("no complete block"), KeyError::PemLabel))
}

/// The first certificate of a PEM text, in DER.
pub(in crate::jwt) fn first_certificate(text: &[u8]) -> Result<Vec<u8>, KeyError> {
    blocks(text)?
        .into_iter()
        .find(|block| CERTIFICATES.contains(&block.tag()))
        .map(pem::Pem::into_contents)
        .ok_or(KeyError::Pem("no certificate in it"))
}

fn blocks(text: &[u8]) -> Result<Vec<pem::Pem>, KeyError> {
    pem::parse_many(text).map_err(|error| {
        KeyError::Pem(match error {
            pem::PemError::InvalidData(_) => "its content is not base64",
            pem::PemError::MismatchedTags(..) => "its first and last line differ",
            pem::PemError::NotUtf8(_) => "it is not UTF-8",
            pem::PemError::InvalidHeader(_) => "a header line is malformed",
            _ => "no complete block",
        })
    })
}
