//! The keys of one secret: a single one, or those of a JWK Set.

use std::sync::atomic::{AtomicBool, Ordering};

use super::detect::{self, Shape};
use super::document;
use super::error::{KeyError, SkippedKey};
use super::material::Key;
use crate::jwt::algorithm::Algorithm;
use crate::jwt::token::Token;

/// The contents of a row's `secret`, of the key argument of `jwt_script_authorize`, or of a JWK
/// Set's URL.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
    /// Whether the skipped keys were reported.
    reported: AtomicBool,
}

impl KeySet {
    /// Reads key material: whatever [`Key::parse`] reads; or a JWK Set (RFC 7517 section 5) or a map
    /// of certificates, of which the unusable keys are skipped.
    ///
    /// # Errors
    /// Fails for the reasons in [`KeyError`], and if a set has no usable key.
    pub fn parse(material: &[u8]) -> Result<Self, KeyError> {
        match detect::shape(material) {
            Shape::Jwk(json) => Self::from_document(&json, |_| true),
            Shape::Pem(text) if document::is_map_of_pem(&text) => {
                Self::from_document(&text, |_| true)
            }
            _ => Ok(Self::new(vec![Key::parse(material)?], Vec::new())),
        }
    }

    /// Reads a published document: a JWK Set, one JSON Web Key, or a map of certificates by `kid`.
    /// HMAC secrets in it are skipped, since what anyone can fetch is not a secret.
    ///
    /// # Errors
    /// Fails on anything but such a text with at least one usable public key, and says what it is
    /// instead.
    pub fn parse_published(text: &[u8]) -> Result<Self, KeyError> {
        Self::from_document(text, |key| !key.is_secret())
    }

    fn new(keys: Vec<Key>, skipped: Vec<SkippedKey>) -> Self {
        Self {
            keys,
            skipped,
            reported: AtomicBool::new(false),
        }
    }

    fn from_document(text: &[u8], wanted: impl Fn(&Key) -> bool) -> Result<Self, KeyError> {
        let document::Keys { keys, skipped } = document::keys(text, wanted)?;
        if keys.is_empty() {
            return Err(KeyError::NoUsableKey(skipped));
        }
        Ok(Self::new(keys, skipped))
    }

    /// All usable keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys of a JWK Set that were skipped, and why.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The same for whoever is to report them: they are handed out once.
    pub fn take_report(&self) -> &[SkippedKey] {
        if self.skipped.is_empty() || self.reported.swap(true, Ordering::Relaxed) {
            return &[];
        }
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
