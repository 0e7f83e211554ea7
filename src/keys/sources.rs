//! The files and JWK Sets in use, one instance of [`KeySources`] for each process.
//!
//! A file is looked at again at most once a second; a URL is asked when its set gets old or a token
//! names a key that is not in it, and never more often than [`SourceConfig::min_refresh`]. Nothing here has a thread of its own: only [`KeySources::fetch`]
//! touches the network, on the thread of whoever calls it.
//!
//! The way of a token whose key is a URL, on a thread that must not block:
//!
//! 1. [`must_fetch`](KeySources::must_fetch)? Then call [`fetch`](KeySources::fetch) on a thread
//!    that may block, and judge by what it gives, or by the last good set that comes with its error.
//! 2. Else judge by what is [`known`](KeySources::known); if that is nothing, the provider failed
//!    a moment ago, and [`failure`](KeySources::failure) says how.
//! 3. [`should_refresh`](KeySources::should_refresh)? Then call `fetch` in the background.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::error::SourceError;
use super::fetch::Fetch;
use super::file::Files;
use super::limits::SourceConfig;
use super::published::{Attempt, Publishers};
use crate::jwt::key::KeySet;
use crate::jwt::token::Token;

/// All key files and JWK Sets that a process has in use.
pub struct KeySources {
    config: SourceConfig,
    fetcher: Arc<dyn Fetch + Send + Sync>,
    files: Files,
    publishers: Publishers,
    generation: AtomicU64,
    reloads: AtomicU64,
}

impl KeySources {
    /// Knows nothing yet. `fetcher` asks the providers.
    pub fn new(config: SourceConfig, fetcher: Arc<dyn Fetch + Send + Sync>) -> Self {
        Self {
            files: Files::new(config.max_sources),
            publishers: Publishers::new(config.max_sources),
            config,
            fetcher,
            generation: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
        }
    }

    /// The keys in a file: whatever [`KeySet::parse`] reads, up to [`MAX_FILE`](super::limits::MAX_FILE) bytes.
    ///
    /// The file is looked at once in [`LOOK_INTERVAL`](super::limits::LOOK_INTERVAL), and read when its size, times, inode or
    /// device changed. One that was removed, or can't be read any more, has no keys from then on.
    /// One that can't be understood may be in the middle of being written: the keys that it held
    /// before stay in use for [`GRACE`](super::limits::GRACE). The same holds where a secret takes the place of public
    /// keys, for half a public key may look like a secret.
    ///
    /// For this reason a text in a file is no secret either if it begins with `{` and is not JSON,
    /// or is nothing but the beginning of `-----BEGIN`.
    ///
    /// White space at the end of a raw secret is not part of it, as long as it is text; a secret
    /// with control characters or anything else than UTF-8 in it is taken byte by byte.
    ///
    /// May touch the disk, never the network. `now` is the current time.
    ///
    /// # Errors
    /// [`SourceError`], with the path, and without a last good set.
    pub fn file(&self, path: &Path, now: Instant) -> Result<Arc<KeySet>, SourceError> {
        let reload = self.reloads.load(Ordering::Acquire);
        self.files.get(path, now, reload, &self.generation)
    }

    /// What is known of a URL now, old as it may be. Never blocks.
    pub fn known(&self, url: &str) -> Option<Arc<KeySet>> {
        self.publishers.find(url)?.lock().known()
    }

    /// Why the last request to a URL failed, if it did: the reason why nothing is
    /// [`known`](Self::known). Never blocks.
    pub fn failure(&self, url: &str) -> Option<SourceError> {
        self.publishers.find(url)?.lock().failure(url)
    }

    /// Whether the set should be fetched before this token is judged: nothing is known; the token
    /// names a key that is not in the set; [`reload`](Self::reload) was called since; or the set is
    /// older than twice [`SourceConfig::max_ttl`], for want of tokens that made it be refreshed.
    /// Except for a reload, at most once in [`SourceConfig::min_refresh`], apart from tokens that
    /// come while a request is under way: they wait for its result.
    pub fn must_fetch(&self, url: &str, token: &Token, now: Instant) -> bool {
        let Some(publisher) = self.publishers.find(url) else {
            return true;
        };
        let reload = self.reloads.load(Ordering::Acquire);
        publisher
            .lock()
            .must_fetch(token, now, reload, &self.config)
    }

    /// Whether the set is old and should be fetched in the background, while the known one serves.
    /// Whoever gets `true` is expected to call [`fetch`](Self::fetch): nobody else gets it until
    /// that has ended or [`SourceConfig::min_refresh`] has passed.
    pub fn should_refresh(&self, url: &str, now: Instant) -> bool {
        self.publishers
            .find(url)
            .is_some_and(|publisher| publisher.lock().should_refresh(now, &self.config))
    }

    /// Fetches the set, on the calling thread, until `deadline` at the latest. While one thread
    /// asks a URL, others that ask for the same wait for its result, until their own deadlines.
    ///
    /// Nobody is asked within [`SourceConfig::min_refresh`] of the last request, unless
    /// [`reload`](Self::reload) was called: the result of that request is given again.
    ///
    /// # Errors
    /// [`SourceError`], with the last good set, if there ever was one: it stays in use. An answer
    /// that is not a JWK Set with at least one usable public key is an error as well.
    pub fn fetch(&self, url: &str, deadline: Instant) -> Result<Arc<KeySet>, SourceError> {
        self.fetch_at(url, Instant::now(), deadline)
    }

    /// [`fetch`](Self::fetch) with the time at which it begins.
    pub(crate) fn fetch_at(
        &self,
        url: &str,
        now: Instant,
        deadline: Instant,
    ) -> Result<Arc<KeySet>, SourceError> {
        let reload = self.reloads.load(Ordering::Acquire);
        let attempt = Attempt {
            now,
            deadline,
            reload,
            config: &self.config,
            fetcher: &*self.fetcher,
            generation: &self.generation,
        };
        self.publishers.find_or_add(url).fetch(url, &attempt)
    }

    /// Believes nothing any more without having looked: files are read again at the next use, and
    /// sets fetched again before the next token is judged by them. Should that fail, the last good
    /// set of a URL stays in use.
    pub fn reload(&self) {
        self.reloads.fetch_add(1, Ordering::AcqRel);
    }

    #[cfg(test)]
    pub(super) fn remembered_files(&self) -> usize {
        self.files.len()
    }

    /// A number that grows whenever keys of any source come, change or go. What was verified under
    /// another number has to be verified again.
    ///
    /// Files are not watched: [`file`](Self::file) is what notices that one changed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

impl fmt::Debug for KeySources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySources")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
