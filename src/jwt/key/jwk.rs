//! JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use super::detect::{self, Shape};
use super::error::KeyError;
use super::material::{Key, Material};
use super::secret::Secret;
use super::{rsa, spki};
use crate::jwt::algorithm::{self, Algorithm, AlgorithmSet};
use crate::jwt::json::{self, Object, Value};

/// Reads one key.
pub(super) fn key(text: &[u8]) -> Result<Key, KeyError> {
    let object = object(text)?;
    if object.0.contains("keys") {
        return Err(KeyError::JwkSet);
    }
    key_of(&object.0)
}

/// The `kid` of a member of a set, whatever else is wrong with it.
pub(super) fn kid(member: &Value) -> Option<&str> {
    member.as_object()?.get("kid")?.as_str()
}

/// JSON of keys, whose strings are overwritten on drop, since one may be a secret.
pub(super) struct Sensitive(pub(super) Object);

impl Drop for Sensitive {
    fn drop(&mut self) {
        self.0.values_mut().for_each(overwrite);
    }
}

fn overwrite(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(elements) => elements.iter_mut().for_each(overwrite),
        Value::Object(members) => members.values_mut().for_each(overwrite),
        _ => {}
    }
}

pub(super) fn object(text: &[u8]) -> Result<Sensitive, KeyError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    json::parse_object(text)
        .map(Sensitive)
        .map_err(KeyError::Json)
}

pub(super) fn key_of(jwk: &Object) -> Result<Key, KeyError> {
    let kind = text(jwk, "kty")?.ok_or(KeyError::Jwk("kty is missing"))?;
    if PRIVATE.iter().any(|name| member(jwk, name).is_some()) {
        return Err(KeyError::PrivateKey);
    }
    check_use(jwk)?;
    let material = match kind {
        "RSA" => rsa_key(jwk)?,
        "EC" => elliptic(jwk)?,
        "OKP" => octet_pair(jwk)?,
        "oct" => octets(jwk)?,
        other => return Err(KeyError::Unsupported(other.chars().take(20).collect())),
    };
    let mut algorithms = material.algorithms();
    if let Some(name) = text(jwk, "alg")? {
        let algorithm = algorithm::by_name(name)
            .ok_or(KeyError::JwkUse("alg is not a known signature algorithm"))?;
        // Both names of EdDSA on this curve mean the same signature: a provider that changes from
        // one to the other changes keys and tokens at different times.
        let named = match algorithm {
            Algorithm::EdDSA | Algorithm::Ed25519 => AlgorithmSet::ED25519,
            other => AlgorithmSet::of(&[other]),
        };
        algorithms = algorithms.intersection(named);
        if algorithms.is_empty() {
            return Err(KeyError::JwkUse("alg does not fit kty and crv"));
        }
    }
    Ok(Key {
        material,
        algorithms,
        kid: text(jwk, "kid")?.map(Into::into),
    })
}

/// Members that only a private key has (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A member of a key. Libraries that write what they have, set or not, publish null and empty lists:
/// both mean that there is nothing.
fn member<'a>(jwk: &'a Object, name: &str) -> Option<&'a Value> {
    jwk.get(name).filter(|value| match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        _ => true,
    })
}

/// RFC 7517 sections 4.2 and 4.3.
fn check_use(jwk: &Object) -> Result<(), KeyError> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyError::JwkUse("use is not sig"));
    }
    match member(jwk, "key_ops") {
        None => Ok(()),
        Some(Value::Array(operations))
            if operations
                .iter()
                .any(|name| name.as_str() == Some("verify")) =>
        {
            Ok(())
        }
        Some(Value::Array(_)) => Err(KeyError::JwkUse("key_ops lacks verify")),
        Some(_) => Err(KeyError::Jwk("key_ops is not an array")),
    }
}

/// RFC 7518 section 6.3.1.
fn rsa_key(jwk: &Object) -> Result<Material, KeyError> {
    let (modulus, exponent) = (public_bytes(jwk, "n")?, public_bytes(jwk, "e")?);
    let der = rsa::pkcs1(&exponent, &modulus).map_err(|_| KeyError::Malformed)?;
    rsa::RsaKey::from_pkcs1(&der)
        .map(Box::new)
        .map(Material::Rsa)
}

/// RFC 7518 section 6.2.1.
fn elliptic(jwk: &Object) -> Result<Material, KeyError> {
    let curve = text(jwk, "crv")?.ok_or(KeyError::Jwk("crv is missing"))?;
    let (size, read): (_, fn(&[u8]) -> _) = match curve {
        "P-256" => (32, spki::p256),
        "P-384" => (48, spki::p384),
        "P-521" => (66, spki::p521),
        // RFC 8812 section 3.1.
        "secp256k1" => (32, spki::secp256k1),
        _ => return Err(unsupported_curve(curve)),
    };
    let (x, y) = (coordinate(jwk, "x", size)?, coordinate(jwk, "y", size)?);
    // SEC 1 section 2.3.3, uncompressed.
    read(&[&[4], &x[..], &y[..]].concat())
}

/// A coordinate, in `size` bytes as RFC 7518 section 6.2.1.2 requires. Providers that write numbers leave
/// out leading zeros, or put one in front as a sign; the number is the same, and has to be on the curve.
fn coordinate(jwk: &Object, name: &str, size: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = public_bytes(jwk, name)?;
    let number = match bytes.split_first() {
        Some((0, number)) if number.len() == size => Some(number),
        Some(_) if bytes.len() <= size => Some(&bytes[..]),
        _ => None,
    };
    let number = number.ok_or(KeyError::Jwk("x or y does not have the size of the curve"))?;
    let mut coordinate = vec![0; size - number.len()];
    coordinate.extend_from_slice(number);
    Ok(coordinate)
}

/// RFC 8037 section 2.
fn octet_pair(jwk: &Object) -> Result<Material, KeyError> {
    let curve = text(jwk, "crv")?.ok_or(KeyError::Jwk("crv is missing"))?;
    if curve != "Ed25519" {
        return Err(unsupported_curve(curve));
    }
    let x = public_bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(KeyError::Jwk("x does not have the size of the curve"));
    }
    spki::ed25519(&x)
}

/// RFC 7518 section 6.4.
fn octets(jwk: &Object) -> Result<Material, KeyError> {
    let secret = secret_bytes(jwk, "k")?;
    // A public key is not a secret in this wrapping either.
    match detect::shape(&secret) {
        Shape::Secret => Ok(Material::Secret(Secret::new(&secret))),
        Shape::Empty => Err(KeyError::Empty),
        _ => Err(KeyError::Jwk("k is a key of another kind")),
    }
}

fn unsupported_curve(curve: &str) -> KeyError {
    KeyError::Unsupported(format!(
        "on curve {}",
        curve.chars().take(20).collect::<String>()
    ))
}

fn text<'a>(jwk: &'a Object, name: &'static str) -> Result<Option<&'a str>, KeyError> {
    match member(jwk, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyError::Jwk("kty, use, alg, kid or crv is not a string")),
    }
}

/// The bytes of a member of a public key. Some providers pad them, which changes nothing.
fn public_bytes(jwk: &Object, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    decode(digits(jwk, name)?.trim_end_matches('='))
}

/// The bytes of a secret.
fn secret_bytes(jwk: &Object, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    decode(digits(jwk, name)?)
}

fn digits<'a>(jwk: &'a Object, name: &str) -> Result<&'a str, KeyError> {
    let digits = jwk.get(name).and_then(Value::as_str);
    digits.ok_or(KeyError::Jwk(
        "a member of the key is missing or not a string",
    ))
}

/// RFC 7515 section 2.
fn decode(digits: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    URL_SAFE_NO_PAD
        .decode(digits)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Jwk("a member of the key is not base64url without padding"))
}

#[cfg(test)]
mod tests;
