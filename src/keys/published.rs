//! Published keys: JWK Sets at URLs.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Digest, SHA256, digest};
use lru::LruCache;

use super::error::{SourceCause, SourceError};
use super::fetch::Fetch;
use super::limits::SourceConfig;
use crate::http::EndpointUrl;
use crate::jwt::key::KeySet;
use crate::jwt::token::Token;

/// The most threads that wait for one answer while there is a set to fall back on: tokens that name
/// nonexistent keys must not tie up all threads of a pool while a provider hangs.
pub(super) const MOST_WAITING: usize = 32;

/// The URLs in use.
pub(super) struct Publishers {
    entries: Mutex<LruCache<String, Arc<Publisher>>>,
}

impl Publishers {
    pub(super) fn new(most: usize) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: Mutex::new(LruCache::new(most)),
        }
    }

    pub(super) fn find(&self, url: &str) -> Option<Arc<Publisher>> {
        self.lock().get(url).cloned()
    }

    pub(super) fn find_or_add(&self, url: &str) -> Arc<Publisher> {
        let mut entries = self.lock();
        if let Some(publisher) = entries.get(url) {
            return Arc::clone(publisher);
        }
        let publisher = Arc::default();
        entries.put(url.to_owned(), Arc::clone(&publisher));
        publisher
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, Arc<Publisher>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One URL.
#[derive(Default)]
pub(super) struct Publisher {
    state: Mutex<State>,
    ended: Condvar,
}

/// The state needed by an attempt to fetch.
pub(super) struct Attempt<'a> {
    pub(super) now: Instant,
    pub(super) deadline: Instant,
    /// How many reloads there have been.
    pub(super) reload: u64,
    pub(super) config: &'a SourceConfig,
    pub(super) fetcher: &'a (dyn Fetch + Send + Sync),
    pub(super) generation: &'a AtomicU64,
}

/// A fetched set.
struct Good {
    keys: Arc<KeySet>,
    digest: Digest,
    /// When it was requested, and how long it is fresh from then on.
    asked: Instant,
    ttl: Duration,
}

#[derive(Default)]
pub(super) struct State {
    good: Option<Good>,
    /// Why the last request failed, if it did.
    failed: Option<SourceCause>,
    /// When the last request began.
    asked: Option<Instant>,
    /// The number of reloads at that time.
    reload: u64,
    /// When a caller of [`should_refresh`](Self::should_refresh) was last told to refresh it.
    refresh_requested: Option<Instant>,
    under_way: bool,
    waiting: usize,
}

impl State {
    pub(super) fn known(&self) -> Option<Arc<KeySet>> {
        self.good.as_ref().map(|good| Arc::clone(&good.keys))
    }

    pub(super) fn failure(&self, url: &str) -> Option<SourceError> {
        let cause = self.failed.clone()?;
        Some(self.error(url, cause))
    }

    pub(super) fn must_fetch(
        &self,
        token: &Token,
        now: Instant,
        reload: u64,
        config: &SourceConfig,
    ) -> bool {
        if self.reload != reload {
            return true;
        }
        let wanted = match &self.good {
            None => true,
            Some(good) => {
                let neglected = now.saturating_duration_since(good.asked)
                    >= config.max_ttl.saturating_mul(2)
                    && self.failed.is_none();
                neglected || good.keys.lacks_key_of(token)
            }
        };
        wanted && (self.under_way || self.may_ask(now, config))
    }

    pub(super) fn may_have_changed(&self, now: Instant, config: &SourceConfig) -> bool {
        self.good.is_some() && (self.under_way || self.may_ask(now, config))
    }

    pub(super) fn should_refresh(&mut self, now: Instant, config: &SourceConfig) -> bool {
        let old = self
            .good
            .as_ref()
            .is_some_and(|good| now.saturating_duration_since(good.asked) >= good.ttl);
        let requested = self
            .refresh_requested
            .is_some_and(|at| now.saturating_duration_since(at) < config.min_refresh);
        let refresh = old && !requested && !self.under_way && self.may_ask(now, config);
        if refresh {
            self.refresh_requested = Some(now);
        }
        refresh
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn may_ask(&self, now: Instant, config: &SourceConfig) -> bool {
        self.asked
            .is_none_or(|asked| now.saturating_duration_since(asked) >= config.min_refresh)
    }

    /// The result of the last request.
    fn result(&self, url: &str) -> Result<Arc<KeySet>, SourceError> {
        match (self.failure(url), self.known()) {
            (None, Some(keys)) => Ok(keys),
            (Some(error), _) => Err(error),
            // No request has finished.
            (None, None) => Err(self.error(url, SourceCause::StillAsking)),
        }
    }

    fn error(&self, url: &str, cause: SourceCause) -> SourceError {
        SourceError {
            name: shown(url),
            cause,
            last_good: self.known(),
        }
    }
}

/// A URL without the parts that may be secret.
fn shown(url: &str) -> String {
    url.parse::<EndpointUrl>()
        .map_or_else(|_| "a URL".to_owned(), |url| url.to_string())
}

impl Publisher {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fetch(
        &self,
        url: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<KeySet>, SourceError> {
        let mut state = self.lock();
        if state.under_way {
            return self.wait(state, url, attempt.deadline);
        }
        if state.reload == attempt.reload && !state.may_ask(attempt.now, attempt.config) {
            return state.result(url);
        }
        if attempt.deadline <= Instant::now() {
            return Err(state.error(url, SourceCause::NoTime));
        }
        state.under_way = true;
        state.asked = Some(attempt.now);
        drop(state);
        let ending = Ending(self);
        let fetched = attempt
            .fetcher
            .get(url, attempt.deadline)
            .map_err(SourceCause::from);
        // Parsed before taking the lock, so that no one waits for it.
        let parsed = fetched.and_then(|fetched| {
            let digest = digest(&SHA256, &fetched.body);
            let keys = KeySet::parse_published(&fetched.body)?;
            Ok((Arc::new(keys), digest, fetched.max_age))
        });
        let mut state = self.lock();
        state.reload = attempt.reload;
        state.refresh_requested = None;
        match parsed {
            Ok((keys, digest, max_age)) => {
                state.failed = None;
                // An unchanged set stays the same object, so that verifications made with it remain
                // valid.
                let same = state
                    .good
                    .as_ref()
                    .filter(|good| good.digest.as_ref() == digest.as_ref())
                    .map(|good| Arc::clone(&good.keys));
                if same.is_none() {
                    attempt.generation.fetch_add(1, Ordering::AcqRel);
                }
                let config = attempt.config;
                state.good = Some(Good {
                    keys: same.unwrap_or(keys),
                    digest,
                    asked: attempt.now,
                    ttl: max_age
                        .unwrap_or(config.min_ttl)
                        .max(config.min_ttl)
                        .min(config.max_ttl),
                });
            }
            Err(cause) => state.failed = Some(cause),
        }
        let result = state.result(url);
        drop(state);
        drop(ending);
        result
    }

    /// Waits for the request made by another thread.
    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        url: &str,
        deadline: Instant,
    ) -> Result<Arc<KeySet>, SourceError> {
        if state.good.is_some() && state.waiting >= MOST_WAITING {
            return Err(state.error(url, SourceCause::TooManyWait));
        }
        state.waiting += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) = self
            .ended
            .wait_timeout_while(state, left, |state| state.under_way)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if state.under_way {
            Err(state.error(url, SourceCause::StillAsking))
        } else {
            state.result(url)
        }
    }
}

/// Ends a request, even one that panics: no thread may wait forever.
struct Ending<'a>(&'a Publisher);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
        self.0.ended.notify_all();
    }
}
