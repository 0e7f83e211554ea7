//! Keys in files.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use lru::LruCache;
use zeroize::Zeroizing;

use super::error::{SourceCause, SourceError};
use super::limits::{GRACE, LOOK_INTERVAL, MAX_FILE};
use crate::files::{self, FileError, Stamp};
use crate::jwt::key::{Key, KeySet, is_web_document};

/// The files in use.
pub(super) struct Files {
    entries: Mutex<LruCache<PathBuf, Arc<Mutex<Watched>>>>,
}

impl Files {
    pub(super) fn new(most: usize) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: Mutex::new(LruCache::new(most)),
        }
    }

    /// The keys of a file at `now`; `reload` counts how often re-reading all files was requested.
    pub(super) fn get(
        &self,
        path: &Path,
        now: Instant,
        reload: u64,
        generation: &AtomicU64,
    ) -> Result<Arc<KeySet>, SourceError> {
        let watched = self.entry(path);
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_due(now, reload) {
            let before = watched.in_use.clone();
            watched.look(path, now);
            watched.looked = Some((now, reload));
            let same = match (&before, &watched.in_use) {
                (Some(before), Some(after)) => Arc::ptr_eq(before, after),
                (before, after) => before.is_none() && after.is_none(),
            };
            if !same {
                watched.generation = generation.fetch_add(1, Ordering::AcqRel) + 1;
            }
        }
        watched.keys().map_err(|cause| SourceError {
            name: match std::fs::symlink_metadata(path) {
                Ok(_) => path.display().to_string().escape_debug().to_string(),
                // A secret may look like a path.
                Err(_) => "a file that is not there".to_owned(),
            },
            cause,
            last_good: None,
            is_own: true,
        })
    }

    /// The number of the last change of the keys in a file that [`get`](Self::get) found.
    pub(super) fn generation(&self, path: &Path) -> u64 {
        let watched = self.entry(path);
        let watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.generation
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.len()
    }

    fn entry(&self, path: &Path) -> Arc<Mutex<Watched>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = entries.get(path) {
            return Arc::clone(watched);
        }
        let watched = Arc::default();
        entries.put(path.to_owned(), Arc::clone(&watched));
        watched
    }
}

/// A file.
#[derive(Default)]
struct Watched {
    /// When it was last checked, and after how many reloads.
    looked: Option<(Instant, u64)>,
    /// The stamp of what was read; `None` if it could not be read.
    stamp: Option<Stamp>,
    /// The digest of what was read.
    digest: Option<Digest>,
    /// What it contains.
    found: Option<Result<Arc<KeySet>, SourceCause>>,
    /// The keys in use.
    in_use: Option<Arc<KeySet>>,
    /// Since when `found` differs from what is in use.
    doubtful: Option<Instant>,
    /// The number of the last change of the keys in use: no other change, of whatever source, has the same.
    generation: u64,
}

impl Watched {
    fn is_due(&self, now: Instant, reload: u64) -> bool {
        self.looked.is_none_or(|(at, reloads)| {
            reloads != reload || now.saturating_duration_since(at) >= LOOK_INTERVAL
        })
    }

    fn keys(&self) -> Result<Arc<KeySet>, SourceCause> {
        match (&self.in_use, &self.found) {
            (Some(keys), _) => Ok(Arc::clone(keys)),
            (None, Some(Err(cause))) => Err(cause.clone()),
            // Nothing is in use only if nothing good was found.
            (None, _) => Err(SourceCause::Incomplete),
        }
    }

    fn look(&mut self, path: &Path, now: Instant) {
        match read(path, self.stamp) {
            Ok(None) => {}
            Ok(Some((stamp, content))) => {
                self.stamp = Some(stamp);
                let digest = digest(&SHA256, &content);
                let same = self
                    .digest
                    .is_some_and(|before| before.as_ref() == digest.as_ref());
                if !same {
                    self.digest = Some(digest);
                    self.found = Some(parse(&content).map(Arc::new));
                }
            }
            Err(cause) => {
                *self = Self {
                    found: Some(Err(cause)),
                    ..Self::default()
                };
                return;
            }
        }
        let found = match &self.found {
            Some(Ok(found)) => Some(found),
            _ => None,
        };
        let clear = found.is_some_and(|found| {
            let becomes_secret = has_secret(found)
                && self
                    .in_use
                    .as_ref()
                    .is_some_and(|in_use| !has_secret(in_use));
            !becomes_secret
        });
        let over = |since: Instant| now.saturating_duration_since(since) >= GRACE;
        if clear || self.in_use.is_none() || self.doubtful.is_some_and(over) {
            self.in_use = found.cloned();
            self.doubtful = None;
        } else {
            self.doubtful.get_or_insert(now);
        }
    }
}

fn has_secret(keys: &KeySet) -> bool {
    keys.keys().iter().any(Key::is_secret)
}

/// The content of a file with this stamp.
type Content = (Stamp, Zeroizing<Vec<u8>>);

/// Reads the file, unless it is still the one with stamp `known`.
fn read(path: &Path, known: Option<Stamp>) -> Result<Option<Content>, SourceCause> {
    if known == Some(Stamp::at(path)) {
        return Ok(None);
    }
    match files::read(path, MAX_FILE) {
        Ok(content) => Ok(Some(content)),
        Err(FileError::Read(error)) => Err(SourceCause::Read(error.to_string())),
        Err(FileError::NotAFile) => Err(SourceCause::NotAFile),
        Err(FileError::TooLarge(_)) => Err(SourceCause::TooLarge),
    }
}

/// Parses the content of a file.
fn parse(content: &[u8]) -> Result<KeySet, SourceCause> {
    if !is_text(content) {
        return Ok(KeySet::parse(content)?);
    }
    let text = content.trim_ascii_end();
    let keys = KeySet::parse(text)?;
    if has_secret(&keys) && begins_a_key(text) {
        return Err(SourceCause::Incomplete);
    }
    if has_secret(&keys) && is_web_document(text) {
        return Err(SourceCause::NotASecret);
    }
    Ok(keys)
}

fn is_text(content: &[u8]) -> bool {
    str::from_utf8(content).is_ok_and(|text| {
        !text
            .chars()
            .any(|char| char.is_control() && !char.is_ascii_whitespace())
    })
}

/// Whether what looks like a secret could be the partially written beginning of a public key.
fn begins_a_key(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    b"-----BEGIN".starts_with(text) || (text.starts_with(b"{") && !is_json())
}

#[cfg(test)]
mod tests;
