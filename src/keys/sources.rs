//! The files and JWK Sets in use, one instance of [`KeySources`] for each process.
//!
//! A file is checked at most once a second; a URL is fetched when its set becomes stale or a token
//! names a key that is not in it, and never more often than [`SourceConfig::min_refresh`]. Processes
//! that [share](KeySources::sharing) what they fetch count as one here: what one is answered, all
//! know at once. Nothing here has its own thread: only [`KeySources::fetch`] touches the network,
//! on the caller's thread.
//!
//! Wherever a URL is asked for here, the name of an issuer's [`Discovery`](super::Discovery) may take its
//! place.
//!
//! The steps for a token whose key is a URL, on a thread that must not block:
//!
//! 1. [`must_fetch`](KeySources::must_fetch)? Then call [`fetch`](KeySources::fetch) on a thread
//!    that may block, and judge by its result, or by the last good set that comes with its error.
//! 2. Otherwise judge by what is [`known`](KeySources::known); if that is nothing, the provider
//!    failed a moment ago, and [`failure`](KeySources::failure) says how.
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
use super::metadata::Metadata;
use super::published::{Attempt, Description, Publishers, shown};
use super::shared::SharedFetches;
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
    /// Starts empty. `fetcher` queries the providers.
    pub fn new(config: SourceConfig, fetcher: Arc<dyn Fetch + Send + Sync>) -> Self {
        Self {
            files: Files::new(config.max_sources),
            publishers: Publishers::new(config.max_sources, Arc::new(SharedFetches::none())),
            config,
            fetcher,
            generation: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
        }
    }

    /// Shares what is fetched with other processes, which do the same.
    pub fn sharing(self, shared: Arc<SharedFetches>) -> Self {
        let publishers = Publishers::new(self.config.max_sources, shared);
        Self { publishers, ..self }
    }

    /// The keys in a file: whatever [`KeySet::parse`] reads, up to
    /// [`MAX_FILE`](super::limits::MAX_FILE) bytes.
    ///
    /// The file is checked once per [`LOOK_INTERVAL`](super::limits::LOOK_INTERVAL), and read if
    /// its size, times, inode or device changed. A file that was removed, or can no longer be read,
    /// has no keys from then on. A file that can't be understood may be in the middle of being
    /// written: its previous keys stay in use for [`GRACE`](super::limits::GRACE). The same holds
    /// if a secret takes the place of public keys, since half a public key may look like a secret.
    ///
    /// For this reason a text in a file is not taken for a secret if it begins with `{` and is not
    /// JSON, or is nothing but the beginning of `-----BEGIN`. Nor are web pages and JSON documents:
    /// they are what a server answered in place of the key, and gives to others as well.
    ///
    /// White space at the end of a raw secret is not part of it, provided that it is text; a secret
    /// that contains control characters or is not UTF-8 is taken byte by byte.
    ///
    /// May access the disk, never the network. `now` is the current time.
    ///
    /// # Errors
    /// Fails with [`SourceError`], with the path, and without a last good set.
    pub fn file(&self, path: &Path, now: Instant) -> Result<Arc<KeySet>, SourceError> {
        let reload = self.reloads.load(Ordering::Acquire);
        self.files.get(path, now, reload, &self.generation)
    }

    /// What is known of a URL now, however old. Never blocks.
    pub fn known(&self, url: &str) -> Option<Arc<KeySet>> {
        let publisher = self.publishers.find(url)?;
        let state = publisher.state(url, &self.config, &self.generation);
        state.known()
    }

    /// What the metadata of an issuer say, if they were fetched. Never blocks.
    pub fn metadata(&self, url: &str) -> Option<Arc<Metadata>> {
        let publisher = self.publishers.find(url)?;
        let state = publisher.state(url, &self.config, &self.generation);
        state.metadata()
    }

    /// Why the last request to a URL failed, if it did: the reason why nothing is
    /// [`known`](Self::known). Never blocks.
    pub fn failure(&self, url: &str) -> Option<SourceError> {
        let publisher = self.publishers.find(url)?;
        let state = publisher.state(url, &self.config, &self.generation);
        state.failure(url).map(|error| self.named(url, error))
    }

    /// Whether the set must be fetched before this token is judged: nothing is known; the token
    /// names a key that is not in the set; [`reload`](Self::reload) was called since; or the set is
    /// older than twice [`SourceConfig::max_ttl`], as no token caused a refresh. Except after a
    /// reload, at most once per [`SourceConfig::min_refresh`], apart from tokens that arrive while
    /// a request is in progress: they wait for its result.
    pub fn must_fetch(&self, url: &str, token: &Token, now: Instant) -> bool {
        let Some(publisher) = self.publishers.find(url) else {
            return true;
        };
        let reload = self.reloads.load(Ordering::Acquire);
        publisher
            .state(url, &self.config, &self.generation)
            .must_fetch(token, now, reload, &self.config)
    }

    /// Whether a set is known, but may be asked for again: no token that it verifies is in doubt, but
    /// one that it does not verify may be signed with a key that replaced another under its `kid`.
    /// As for an unknown `kid`, at most once per [`SourceConfig::min_refresh`], apart from tokens
    /// that arrive while a request is in progress.
    pub fn may_have_changed(&self, url: &str, now: Instant) -> bool {
        self.publishers.find(url).is_some_and(|publisher| {
            publisher
                .state(url, &self.config, &self.generation)
                .may_have_changed(now, &self.config)
        })
    }

    /// Whether the set is stale and should be fetched in the background, while the known one stays
    /// in use. The caller that gets `true` is expected to call [`fetch`](Self::fetch): no other
    /// gets it until that has ended or [`SourceConfig::min_refresh`] has passed.
    pub fn should_refresh(&self, url: &str, now: Instant) -> bool {
        self.publishers.find(url).is_some_and(|publisher| {
            publisher
                .state(url, &self.config, &self.generation)
                .should_refresh(now, &self.config)
        })
    }

    /// Fetches the set, on the calling thread, until `deadline` at the latest. While one thread
    /// queries a URL, others that ask for the same one wait for its result, until their own
    /// deadlines.
    ///
    /// No request is sent within [`SourceConfig::min_refresh`] of the last one, unless
    /// [`reload`](Self::reload) was called: the result of the last request is returned again.
    ///
    /// # Errors
    /// Fails with [`SourceError`], with the last good set, if there ever was one: it stays in use.
    /// An answer that is not a JWK Set with at least one usable public key is an error as well.
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
        self.fetch_with(url, now, deadline, false)
    }

    /// [`fetch`](Self::fetch), however soon after the last request, and also if the provider wants to be left alone.
    ///
    /// # Errors
    /// Fails as that does.
    pub fn fetch_now(&self, url: &str, deadline: Instant) -> Result<Arc<KeySet>, SourceError> {
        self.fetch_with(url, Instant::now(), deadline, true)
    }

    fn fetch_with(
        &self,
        url: &str,
        now: Instant,
        deadline: Instant,
        must_ask: bool,
    ) -> Result<Arc<KeySet>, SourceError> {
        let reload = self.reloads.load(Ordering::Acquire);
        let attempt = Attempt {
            now,
            deadline,
            reload,
            must_ask,
            config: &self.config,
            fetcher: &*self.fetcher,
            generation: &self.generation,
        };
        let fetched = self.publishers.find_or_add(url).fetch(url, &attempt);
        fetched.map_err(|error| self.named(url, error))
    }

    /// Names the URL of a parameter, which is no secret, whether it has ever answered or not.
    fn named(&self, url: &str, error: SourceError) -> SourceError {
        match self.config.named.as_deref() == Some(url) {
            true => SourceError {
                name: shown(url),
                ..error
            },
            false => error,
        }
    }

    /// What is known of a URL now, also if it was another process that asked. Never blocks.
    pub fn describe(&self, url: &str, now: Instant) -> Description {
        let publisher = self.publishers.find_or_add(url);
        let state = publisher.state(url, &self.config, &self.generation);
        state.describe(now)
    }

    /// Forces everything to be checked again: files are read again on next use, and sets fetched
    /// again before the next token is judged by them. If that fails, the last good set of a URL
    /// stays in use. `number` is how many reloads there have been, in all processes that share what
    /// they fetch.
    pub fn reload(&self, number: u64) {
        self.reloads.fetch_max(number, Ordering::AcqRel);
    }

    #[cfg(test)]
    pub(super) fn remembered_files(&self) -> usize {
        self.files.len()
    }

    /// A number that another takes the place of whenever keys of a URL change: what was verified under
    /// another number has to be verified again. Whatever becomes of other sources does not matter. `None`
    /// if no keys are known, or they have to be fetched first because of a [`reload`](Self::reload). Never
    /// blocks.
    pub fn generation_of(&self, url: &str) -> Option<u64> {
        let reload = self.reloads.load(Ordering::Acquire);
        let publisher = self.publishers.find(url)?;
        let state = publisher.state(url, &self.config, &self.generation);
        state.generation(reload)
    }

    /// The same of a file, which is [looked at](Self::file) for it; `None` if it has no keys.
    pub fn generation_of_file(&self, path: &Path, now: Instant) -> Option<u64> {
        self.file(path, now).ok()?;
        Some(self.files.generation(path))
    }

    /// Whether each process has to fetch this URL for itself, although others share what they fetch: there
    /// is no place left for it.
    pub fn lacks_place(&self, url: &str) -> bool {
        let publisher = self.publishers.find(url);
        publisher.is_some_and(|publisher| publisher.lacks_place())
    }

    #[cfg(test)]
    pub(super) fn generation(&self) -> u64 {
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
