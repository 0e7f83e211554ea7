//! What a row's secret, or a script's key, stands for: the keys themselves, or where they are.

use std::{sync::Arc, time::Instant};

use thiserror::Error;

use super::error::SourceError;
use super::metadata::Metadata;
use super::published::Description;
use super::reference::{KeyReference, KeyReferenceError};
use super::sources::KeySources;
use crate::jwt::authorize::CandidateSecret;
use crate::jwt::key::{KeyError, KeySet};
use crate::jwt::token::Token;

/// A secret that was parsed once.
#[derive(Debug)]
pub enum KeyHolder {
    /// The keys.
    Keys(KeySet),
    /// Where they are.
    Reference(KeyReference),
    /// Neither.
    Unusable(KeyError),
    /// An invalid file or URL.
    BadReference(KeyReferenceError),
}

/// Why there are no keys now. Contains no secret.
#[derive(Clone, Debug, Error)]
pub enum HolderError {
    /// The text is not a key.
    #[error("it can't be used: {0}")]
    Key(KeyError),
    /// The text names a place that can't be used.
    #[error("it can't be used: {0}")]
    Reference(KeyReferenceError),
    /// The file has no keys.
    #[error("{0}")]
    File(SourceError),
    /// The provider returns no keys.
    #[error("{0}")]
    Provider(SourceError),
    /// Nothing has been fetched yet.
    #[error("the keys of its URL have not been fetched yet")]
    NotFetched,
}

impl HolderError {
    /// Whether a provider failed to return its keys: nothing at all, or a document of another kind.
    /// Whoever sent the token can't help that.
    pub fn is_outage(&self) -> bool {
        match self {
            HolderError::NotFetched | HolderError::Provider(_) => true,
            HolderError::Key(_) | HolderError::Reference(_) | HolderError::File(_) => false,
        }
    }
}

/// The keys that a holder has now.
#[derive(Debug)]
pub enum Keys<'a> {
    /// Its own.
    Own(&'a KeySet),
    /// Those of a file or URL.
    Shared(Arc<KeySet>),
}

impl std::ops::Deref for Keys<'_> {
    type Target = KeySet;

    fn deref(&self) -> &KeySet {
        match self {
            Keys::Own(keys) => keys,
            Keys::Shared(keys) => keys,
        }
    }
}

impl KeyHolder {
    /// Parses a secret or key.
    pub fn parse(material: &[u8]) -> Self {
        match KeyReference::of(material) {
            Some(Ok(reference)) => KeyHolder::Reference(reference),
            Some(Err(error)) => KeyHolder::BadReference(error),
            None => match KeySet::parse(material) {
                Ok(keys) => KeyHolder::Keys(keys),
                Err(error) => KeyHolder::Unusable(error),
            },
        }
    }

    /// The keys, as far as they are known now: may access the disk, never the network.
    ///
    /// # Errors
    /// Fails for the reasons in [`HolderError`].
    pub fn keys(
        &self,
        sources: &KeySources,
        now: impl FnOnce() -> Instant,
    ) -> Result<Keys<'_>, HolderError> {
        match self {
            KeyHolder::Keys(keys) => Ok(Keys::Own(keys)),
            KeyHolder::Unusable(error) => Err(HolderError::Key(error.clone())),
            KeyHolder::BadReference(error) => Err(HolderError::Reference(error.clone())),
            KeyHolder::Reference(KeyReference::File(path)) => sources
                .file(path, now())
                .map(Keys::Shared)
                .map_err(HolderError::File),
            KeyHolder::Reference(KeyReference::Url(_) | KeyReference::Issuer(_)) => {
                let name = self.published().unwrap_or_default();
                sources.known(name).map(Keys::Shared).ok_or_else(|| {
                    sources
                        .failure(name)
                        .map_or(HolderError::NotFetched, HolderError::Provider)
                })
            }
        }
    }

    /// A number that changes with the keys, and with nothing else; `None` if there are none now, or they
    /// have to be fetched again first. May access the disk, never the network.
    pub fn generation(&self, sources: &KeySources, now: Instant) -> Option<u64> {
        match self {
            KeyHolder::Keys(_) | KeyHolder::Unusable(_) | KeyHolder::BadReference(_) => Some(0),
            KeyHolder::Reference(KeyReference::File(path)) => sources.generation_of_file(path, now),
            KeyHolder::Reference(KeyReference::Url(_) | KeyReference::Issuer(_)) => {
                sources.generation_of(self.published()?)
            }
        }
    }

    /// What is known of the file or URL that the keys are in; `None` if they are here. May access the disk, never
    /// the network.
    pub fn describe(&self, sources: &KeySources, now: Instant) -> Option<Description> {
        if let KeyHolder::Reference(KeyReference::File(path)) = self {
            let read = sources.file(path, now);
            let error = read.as_ref().err().map(ToString::to_string);
            let keys = read.ok();
            return Some(Description {
                keys,
                error,
                ..Description::default()
            });
        }
        Some(sources.describe(self.published()?, now))
    }

    /// What is to be fetched, if the keys are not here or in a file: a URL, or an issuer.
    pub fn published(&self) -> Option<&str> {
        match self {
            KeyHolder::Reference(reference) => reference.published(),
            _ => None,
        }
    }

    /// What has to be fetched before this token can be judged.
    pub fn must_fetch(&self, sources: &KeySources, token: &Token, now: Instant) -> Option<&str> {
        self.published()
            .filter(|name| sources.must_fetch(name, token, now))
    }

    /// What should be fetched in the background.
    pub fn should_refresh(&self, sources: &KeySources, now: Instant) -> Option<&str> {
        self.published()
            .filter(|name| sources.should_refresh(name, now))
    }

    /// What may have other keys by now than those known, and may be asked: see
    /// [`KeySources::may_have_changed`].
    pub fn may_have_changed(&self, sources: &KeySources, now: Instant) -> Option<&str> {
        self.published()
            .filter(|name| sources.may_have_changed(name, now))
    }

    /// Why the last request for the keys failed, if it did.
    pub fn failure(&self, sources: &KeySources) -> Option<SourceError> {
        sources.failure(self.published()?)
    }

    /// What the metadata of the keys' issuer say, if they are those of an issuer.
    pub fn metadata(&self, sources: &KeySources) -> Option<Arc<Metadata>> {
        sources.metadata(self.published()?)
    }

    /// Where the keys are, fit for a log; `None` if they are here.
    pub fn place(&self) -> Option<String> {
        match self {
            KeyHolder::Reference(reference) => Some(reference.to_string()),
            _ => None,
        }
    }

    /// Whether the keys are elsewhere, where they may change.
    pub fn is_reference(&self) -> bool {
        matches!(self, KeyHolder::Reference(_))
    }
}

/// A secret's keys as a candidate, given what [`KeyHolder::keys`] found.
pub fn candidate<'a>(
    keys: &'a Result<Keys<'_>, HolderError>,
    start_ts: i64,
    end_ts: i64,
) -> CandidateSecret<'a> {
    /// The details of each are in the log; the outcome only counts them.
    static UNUSABLE: KeyError = KeyError::Malformed;
    let keys = match keys {
        Ok(keys) => Ok(&**keys),
        Err(HolderError::Key(error)) => Err(error),
        Err(_) => Err(&UNUSABLE),
    };
    CandidateSecret {
        keys,
        start_ts,
        end_ts,
    }
}
