//! Documents of keys: JWK Sets (RFC 7517 section 5), maps of certificates, and what else is found
//! where they should be.

use super::detect::{self, Shape};
use super::error::{KeyError, MAX_SET_SIZE, SkippedKey};
use super::jwk::{self, Sensitive};
use super::material::Key;
use super::textual;
use crate::jwt::json::{Object, Value};

/// The keys of a document.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
    /// What can't be used, in the order of the document.
    pub(super) skipped: Vec<SkippedKey>,
}

/// Reads a JWK Set, one JSON Web Key, or a map of certificates or public keys by `kid`, as Google
/// publishes them. Keys that can't be used, or are not wanted, are skipped (RFC 7517 section 5).
pub(super) fn keys(text: &[u8], wanted: impl Fn(&Key) -> bool) -> Result<Keys, KeyError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if let Some(other) = other_than_json(text) {
        return Err(KeyError::NotAKeySet(other));
    }
    let object = jwk::object(text)?;
    let members = &object.0;
    if let Some(set) = members.get("keys").filter(|keys| **keys != Value::Null) {
        let Value::Array(set) = set else {
            return Err(KeyError::Jwk("keys is not an array"));
        };
        return read(set.len(), set.iter().map(|member| (None, member)), wanted);
    }
    if is_map(members) {
        let by_kid = members.iter().map(|(kid, member)| (Some(kid), member));
        return read(members.len(), by_kid, wanted);
    }
    if !members.contains("kty")
        && let Some(other) = other_object(&object)
    {
        return Err(KeyError::NotAKeySet(other));
    }
    let key = jwk::key_of(members)?;
    match wanted(&key) {
        true => Ok(Keys {
            keys: vec![key],
            skipped: Vec::new(),
        }),
        false => Err(UNWANTED),
    }
}

/// What anyone can fetch is not a secret.
const UNWANTED: KeyError = KeyError::JwkUse("it is a secret, and published");

/// Whether a text, though it contains PEM, is a map of certificates: a JSON object.
pub(super) fn is_map_of_pem(text: &[u8]) -> bool {
    jwk::object(text).is_ok_and(|object| is_map(&object.0))
}

/// Whether a text is a web page or a JSON document other than a key: the answer of a server that was
/// saved as a key, and that others get as well.
pub(crate) fn is_web_document(text: &[u8]) -> bool {
    let start = text.trim_ascii_start();
    let is_json = matches!(start.first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(start).is_ok();
    is_markup(start) || is_json && matches!(detect::shape(text), Shape::Secret)
}

fn read<'a>(
    size: usize,
    members: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    wanted: impl Fn(&Key) -> bool,
) -> Result<Keys, KeyError> {
    if size > MAX_SET_SIZE {
        return Err(KeyError::TooManyKeys(size));
    }
    let mut read = Keys {
        keys: Vec::with_capacity(size),
        skipped: Vec::new(),
    };
    for (index, (kid, member)) in members.enumerate() {
        let key = match (kid, member) {
            (None, Value::Object(jwk)) => jwk::key_of(jwk),
            (None, _) => Err(KeyError::Jwk("it is not an object")),
            (Some(kid), Value::String(pem)) => {
                textual::public_key(pem.as_bytes()).map(|material| Key {
                    algorithms: material.algorithms(),
                    material,
                    kid: Some(kid.into()),
                })
            }
            (Some(_), _) => Err(KeyError::Pem("it is not a string")),
        };
        match key.and_then(|key| if wanted(&key) { Ok(key) } else { Err(UNWANTED) }) {
            Ok(key) => read.keys.push(key),
            Err(error) => read.skipped.push(SkippedKey {
                number: index + 1,
                kid: kid.or_else(|| jwk::kid(member)).map(Into::into),
                error,
            }),
        }
    }
    Ok(read)
}

/// A map has a PEM text for some `kid`, and nothing but texts.
fn is_map(members: &Object) -> bool {
    let is_pem = |value: &Value| {
        let text = value.as_str().map(str::trim_start);
        text.is_some_and(|text| text.starts_with("-----BEGIN "))
    };
    let mut values = members.iter().map(|(_, value)| value);
    let all_texts = values.clone().all(|value| value.as_str().is_some());
    all_texts && values.any(is_pem)
}

fn is_markup(text: &[u8]) -> bool {
    let begins = |mark: &[u8]| {
        let start = text.get(..mark.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(mark))
    };
    [&b"<!"[..], b"<?xml", b"<html", b"<head", b"<body"]
        .iter()
        .any(|mark| begins(mark))
}

/// What a text is, if not JSON of an object.
fn other_than_json(text: &[u8]) -> Option<&'static str> {
    let text = text.trim_ascii();
    match text.first() {
        None => Some("empty"),
        Some(b'{') => None,
        Some(b'[') => Some("a JSON array"),
        Some(b'<') if is_markup(text) && !text.starts_with(b"<?") => Some("an HTML page"),
        Some(b'<') => Some("an XML document"),
        Some(_) if text.starts_with(b"-----BEGIN") => Some("a PEM text"),
        Some(_) => Some("no JSON"),
    }
}

/// What an object is that has neither keys nor certificates.
fn other_object(object: &Sensitive) -> Option<&'static str> {
    let has = |name: &str| {
        let member = object.0.get(name);
        member.is_some_and(|member| *member != Value::Null)
    };
    if has("jwks_uri") {
        Some("the metadata of a provider, which names its JWK Set in jwks_uri")
    } else if has("realm") && has("public_key") {
        Some("a description of a realm, whose JWK Set is at protocol/openid-connect/certs below it")
    } else if ["error", "errors", "message", "Message", "fault", "detail"]
        .iter()
        .any(|name| has(name))
        || has("title") && has("status")
    {
        Some("an error object")
    } else if object.0.is_empty() {
        Some("an empty JSON object")
    } else {
        (!has("kty")).then_some("a JSON object without keys")
    }
}
