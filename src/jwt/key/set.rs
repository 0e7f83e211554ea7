//! The keys of one secret: a single one, or those of a JWK Set.

use super::detect::{self, Shape};
use super::error::KeyError;
use super::jwk;
use super::material::Key;
use crate::jwt::algorithm::Algorithm;
use crate::jwt::token::Token;

/// The contents of a row's `secret`, of the key argument of `jwt_script_authorize`, or of a JWK
/// Set's URL.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<KeyError>,
}

impl KeySet {
    /// Reads key material: whatever [`Key::parse`] reads, or a JWK Set (RFC 7517 section 5), of
    /// which the unusable keys are skipped.
    ///
    /// # Errors
    /// Fails for the reasons in [`KeyError`], also if a set has no usable key.
    pub fn parse(material: &[u8]) -> Result<Self, KeyError> {
        match detect::shape(material) {
            Shape::Jwk(json) => Self::from_json(&json, |_| true),
            _ => Ok(Self {
                keys: vec![Key::parse(material)?],
                skipped: Vec::new(),
            }),
        }
    }

    /// Reads a published JWK Set, or one published JSON Web Key: HMAC secrets in it are skipped,
    /// since what anyone can fetch is not a secret.
    ///
    /// # Errors
    /// Fails on anything but such a text with at least one usable public key.
    pub fn parse_published(json: &[u8]) -> Result<Self, KeyError> {
        Self::from_json(json, |key| !key.is_secret())
    }

    fn from_json(json: &[u8], wanted: impl Fn(&Key) -> bool) -> Result<Self, KeyError> {
        let jwk::Keys {
            mut keys,
            mut skipped,
        } = jwk::keys(json)?;
        let read = keys.len();
        keys.retain(wanted);
        let unwanted = KeyError::JwkUse("it is a secret, and published");
        skipped.extend(std::iter::repeat_n(unwanted, read - keys.len()));
        if keys.is_empty() {
            return Err(KeyError::NoUsableKey(skipped.len()));
        }
        Ok(Self { keys, skipped })
    }

    /// All usable keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Why keys of a JWK Set were skipped.
    pub fn skipped(&self) -> &[KeyError] {
        &self.skipped
    }

    /// Whether a key has this `kid`.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// Whether the token names a key that is not in this set: a sign that the provider may have
    /// published a new one. Never true for a set that has a key without `kid`.
    pub fn lacks_key_of(&self, token: &Token) -> bool {
        token.kid().is_some_and(|kid| !self.has_kid(kid))
            && self.keys.iter().all(|key| key.kid().is_some())
    }

    /// The keys that may have signed this token: if it names a `kid` (RFC 7515 section 4.1.4),
    /// those with that `kid`, or failing that those without any; otherwise all.
    pub fn candidates<'a>(&'a self, token: &'a Token) -> impl Iterator<Item = &'a Key> {
        let wanted = token.kid();
        let known = wanted.is_some_and(|kid| self.has_kid(kid));
        self.keys
            .iter()
            .filter(move |key| match (wanted, key.kid()) {
                (None, _) => true,
                (Some(wanted), Some(kid)) => kid == wanted,
                (Some(_), None) => !known,
            })
    }

    /// Whether an HMAC secret of the set is shorter than the hash of `algorithm`, see
    /// [`Key::weak_for`].
    pub fn weak_for(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.weak_for(algorithm))
    }
}
