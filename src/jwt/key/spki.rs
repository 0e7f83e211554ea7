//! Public keys in ASN.1: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), `RSAPublicKey`
//! (RFC 8017 appendix A.1.1), and certificates.

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::error::KeyError;
use super::material::Material;
use super::rsa::RsaKey;

pub(in crate::jwt) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads DER that is only known to look like a key.
pub(super) fn any_public_key(der: &[u8]) -> Result<Material, KeyError> {
    if SubjectPublicKeyInfoRef::from_der(der).is_ok() {
        return public_key(der);
    }
    if let Ok(spki) = certificate_spki(der) {
        return public_key(&spki);
    }
    if is_private_key(der) {
        return Err(KeyError::PrivateKey);
    }
    RsaKey::from_pkcs1(der).map(Box::new).map(Material::Rsa)
}

/// Reads a SubjectPublicKeyInfo.
pub(super) fn public_key(der: &[u8]) -> Result<Material, KeyError> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
    let bits = spki
        .subject_public_key
        .as_bytes()
        .ok_or(KeyError::Malformed)?;
    match spki.algorithm.oid {
        RSA_ENCRYPTION => RsaKey::from_pkcs1(bits).map(Box::new).map(Material::Rsa),
        EC_PUBLIC_KEY => {
            let curve = spki
                .algorithm
                .parameters_oid()
                .map_err(|_| KeyError::Malformed)?;
            match curve {
                P256 => p256(bits),
                P384 => p384(bits),
                P521 => p521(bits),
                SECP256K1 => secp256k1(bits),
                other => Err(KeyError::Unsupported(format!("EC on curve {other}"))),
            }
        }
        ED25519 => ed25519(bits),
        other => Err(KeyError::Unsupported(format!("object identifier {other}"))),
    }
}

/// The SubjectPublicKeyInfo of a certificate, in DER.
pub(in crate::jwt) fn certificate_spki(der: &[u8]) -> Result<Vec<u8>, KeyError> {
    let certificate = Certificate::from_der(der).map_err(|_| KeyError::Certificate)?;
    certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| KeyError::Certificate)
}

/// Reads a point on P-256 (SEC 1 section 2.3.4).
pub(super) fn p256(point: &[u8]) -> Result<Material, KeyError> {
    parsed(&signature::ECDSA_P256_SHA256_FIXED, point).map(Material::P256)
}

/// Reads a point on P-384 (SEC 1 section 2.3.4).
pub(super) fn p384(point: &[u8]) -> Result<Material, KeyError> {
    parsed(&signature::ECDSA_P384_SHA384_FIXED, point).map(Material::P384)
}

/// Reads a point on P-521 (SEC 1 section 2.3.4).
pub(super) fn p521(point: &[u8]) -> Result<Material, KeyError> {
    parsed(&signature::ECDSA_P521_SHA512_FIXED, point).map(Material::P521)
}

/// Reads a point on secp256k1 (SEC 1 section 2.3.4).
pub(super) fn secp256k1(point: &[u8]) -> Result<Material, KeyError> {
    parsed(&signature::ECDSA_P256K1_SHA256_FIXED, point).map(Material::P256K1)
}

/// Reads an Ed25519 public key (RFC 8032 section 5.1.5).
pub(super) fn ed25519(bytes: &[u8]) -> Result<Material, KeyError> {
    parsed(&signature::ED25519, bytes).map(Material::Ed25519)
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, KeyError> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyError::Malformed)
}

/// PKCS#8, PKCS#1 and SEC 1 private keys begin with a small version number; a PKCS#1 public key
/// begins with its modulus.
fn is_private_key(der: &[u8]) -> bool {
    let Ok(sequence) = AnyRef::from_der(der) else {
        return false;
    };
    sequence.tag() == Tag::Sequence && matches!(sequence.value(), [0x02, 0x01, 0 | 1, ..])
}
