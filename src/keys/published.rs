//! Published keys: JWK Sets at URLs, and those of issuers.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Digest, SHA256, digest};
use lru::LruCache;

use super::discovery;
use super::error::{SourceCause, SourceError};
use super::fetch::{Fetch, FetchError, Fetched};
use super::limits::SourceConfig;
use super::metadata::{self, Metadata};
use super::shared::{Lease, News, Place, SharedFetches, Turn};
use crate::http::EndpointUrl;
use crate::jwt::key::KeySet;
use crate::jwt::token::Token;

/// The most threads that wait for one answer while there is a set to fall back on: tokens that name
/// nonexistent keys must not tie up all threads of a pool while a provider hangs.
pub(super) const MOST_WAITING: usize = 32;

/// The same while there is none: one provider that hangs must leave threads for others.
const MOST_WAITING_FIRST: usize = 128;

/// The URLs in use.
pub(super) struct Publishers {
    entries: Mutex<LruCache<String, Arc<Publisher>>>,
    shared: Arc<SharedFetches>,
}

impl Publishers {
    pub(super) fn new(most: usize, shared: Arc<SharedFetches>) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: Mutex::new(LruCache::new(most)),
            shared,
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
        let publisher = Arc::new(Publisher {
            place: self.shared.place(url),
            shared: Arc::clone(&self.shared),
            state: Mutex::default(),
            ended: Condvar::new(),
        });
        entries.put(url.to_owned(), Arc::clone(&publisher));
        publisher
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, Arc<Publisher>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One URL.
pub(super) struct Publisher {
    shared: Arc<SharedFetches>,
    /// Where all processes find its answers; `None` if there was no place left.
    place: Option<&'static Place>,
    state: Mutex<State>,
    ended: Condvar,
}

/// The state needed by an attempt to fetch.
pub(super) struct Attempt<'a> {
    pub(super) now: Instant,
    pub(super) deadline: Instant,
    /// How many reloads there have been.
    pub(super) reload: u64,
    /// Whether the provider is asked however soon after the last request.
    pub(super) must_ask: bool,
    pub(super) config: &'a SourceConfig,
    pub(super) fetcher: &'a (dyn Fetch + Send + Sync),
    pub(super) generation: &'a AtomicU64,
}

/// A fetched set.
struct Good {
    keys: Arc<KeySet>,
    /// What the metadata that named it say.
    metadata: Option<Arc<Metadata>>,
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
    /// Until when the provider has asked to be left alone.
    not_before: Option<Instant>,
    /// The number of reloads at that time.
    reload: u64,
    /// The shared answer that this is.
    version: u64,
    /// The number of the last change of its keys: no other change, of whatever source, has the same.
    generation: u64,
    /// When a caller of [`should_refresh`](Self::should_refresh) was last told to refresh it.
    refresh_requested: Option<Instant>,
    under_way: bool,
    waiting: usize,
}

/// What is known of a file or URL of keys.
#[derive(Debug, Default)]
pub struct Description {
    /// The keys, if there are any.
    pub keys: Option<Arc<KeySet>>,
    /// How long ago they were fetched.
    pub age: Option<Duration>,
    /// When they become old, and are fetched again by the next token; zero if that is due.
    pub fresh: Option<Duration>,
    /// How long ago it was last asked for.
    pub asked: Option<Duration>,
    /// For how long nobody asks because the provider wants that (`Retry-After`).
    pub held: Option<Duration>,
    /// Why the last request failed, if it did.
    pub error: Option<String>,
}

impl State {
    pub(super) fn describe(&self, now: Instant) -> Description {
        let since = |time: Instant| now.saturating_duration_since(time);
        let good = self.good.as_ref();
        let held = self
            .not_before
            .map(|time| time.saturating_duration_since(now));
        Description {
            keys: self.known(),
            age: good.map(|good| since(good.asked)),
            fresh: good.map(|good| good.ttl.saturating_sub(since(good.asked))),
            asked: self.asked.map(since),
            held: held.filter(|held| !held.is_zero()),
            error: self.failed.as_ref().map(ToString::to_string),
        }
    }

    pub(super) fn known(&self) -> Option<Arc<KeySet>> {
        self.good.as_ref().map(|good| Arc::clone(&good.keys))
    }

    pub(super) fn metadata(&self) -> Option<Arc<Metadata>> {
        self.good.as_ref()?.metadata.clone()
    }

    /// The number of the last change of its keys; `None` without keys, or if they are to be fetched
    /// again because of a later reload.
    pub(super) fn generation(&self, reload: u64) -> Option<u64> {
        (self.good.is_some() && self.reload >= reload).then_some(self.generation)
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
        // Another process may have heard of a reload earlier.
        if self.reload < reload {
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
        self.not_before.is_none_or(|time| now >= time)
            && self
                .asked
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
        let last_good = self.known();
        // A secret may look like a URL. It is none once a server has answered.
        let name = match last_good.is_some() || cause.is_answer() || discovery::shown(url).is_some()
        {
            true => shown(url),
            false => UNPROVEN_URL.to_owned(),
        };
        SourceError {
            name,
            cause,
            last_good,
            is_own: false,
        }
    }

    /// Takes what came of a request.
    fn take(
        &mut self,
        read: Result<Read, SourceCause>,
        asked: Instant,
        reload: u64,
        config: &SourceConfig,
        generation: &AtomicU64,
    ) {
        self.asked = Some(asked);
        self.reload = reload;
        self.refresh_requested = None;
        self.not_before = match &read {
            Err(SourceCause::Fetch(FetchError::Later { time, .. })) => asked.checked_add(*time),
            _ => None,
        };
        let Read {
            keys,
            metadata,
            digest,
            max_age,
        } = match read {
            Ok(read) => read,
            Err(cause) => {
                self.failed = Some(cause);
                return;
            }
        };
        self.failed = None;
        let before = self.good.take();
        // What has not changed is not reported again.
        let known = before.as_ref().and_then(|good| good.metadata.clone());
        let metadata = match known.filter(|known| Some(&**known) == metadata.as_ref()) {
            Some(known) => Some(known),
            None => metadata.map(Arc::new),
        };
        // An unchanged set stays the same object, so that verifications made with it remain valid.
        let same = before
            .filter(|good| good.digest.as_ref() == digest.as_ref())
            .map(|good| good.keys);
        if same.is_none() {
            self.generation = generation.fetch_add(1, Ordering::AcqRel) + 1;
        }
        self.good = Some(Good {
            keys: same.unwrap_or(keys),
            metadata,
            digest,
            asked,
            ttl: max_age
                .unwrap_or(config.min_ttl)
                .max(config.min_ttl)
                .min(config.max_ttl),
        });
    }
}

/// A document, read.
struct Read {
    keys: Arc<KeySet>,
    metadata: Option<Metadata>,
    digest: Digest,
    max_age: Option<Duration>,
}

fn read(url: &str, answer: Result<Fetched, FetchError>) -> Result<Read, SourceCause> {
    let fetched = answer?;
    let (metadata, set) = metadata::split(url, &fetched.body);
    Ok(Read {
        keys: Arc::new(KeySet::parse_published(set)?),
        metadata,
        digest: digest(&SHA256, set),
        max_age: fetched.max_age,
    })
}

/// What is shown in place of a text that begins like a URL, and may be a secret.
const UNPROVEN_URL: &str = "a URL that has never answered";

/// A URL without the parts that may be secret.
pub fn shown(url: &str) -> String {
    if let Some(place) = discovery::shown(url) {
        return place;
    }
    url.parse::<EndpointUrl>()
        .map_or_else(|_| "a URL".to_owned(), |url| url.to_string())
}

impl Publisher {
    /// Whether its answers could be shared, and there was no place left for them.
    pub(super) fn lacks_place(&self) -> bool {
        self.place.is_none() && self.shared.is_sharing()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with what other processes were answered.
    pub(super) fn state(
        &self,
        url: &str,
        config: &SourceConfig,
        generation: &AtomicU64,
    ) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let Some(place) = self.place else {
            return state;
        };
        let version = place.version();
        if version == state.version {
            return state;
        }
        // Even if it can't be read: the next answer will have another version.
        state.version = version;
        if let Some(news) = self.shared.news(place, url) {
            let News {
                asked,
                reload,
                answer,
            } = news;
            state.take(read(url, answer), asked, reload, config, generation);
        }
        state
    }

    pub(super) fn fetch(
        &self,
        url: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<KeySet>, SourceError> {
        loop {
            let state = self.state(url, attempt.config, attempt.generation);
            if state.under_way {
                return self.wait(state, url, attempt.deadline);
            }
            let must_ask = attempt.must_ask || state.reload < attempt.reload;
            if !must_ask && !state.may_ask(attempt.now, attempt.config) {
                return state.result(url);
            }
            if attempt.deadline <= Instant::now() {
                return Err(state.error(url, SourceCause::NoTime));
            }
            let heard = state.version;
            let ending = Ending::begin(self, state);
            let Some(place) = self.place else {
                return self.ask(url, attempt, None, ending);
            };
            match self.shared.wait(place, heard, attempt.deadline) {
                Turn::Ours(lease) => return self.ask(url, attempt, Some(lease), ending),
                Turn::Late => return Err(self.lock().error(url, SourceCause::StillAsking)),
                // Read before the threads that wait go on.
                Turn::Told => drop(self.state(url, attempt.config, attempt.generation)),
            }
        }
    }

    /// Sends the request, and tells the other processes.
    fn ask(
        &self,
        url: &str,
        attempt: &Attempt<'_>,
        lease: Option<Lease<'_>>,
        ending: Ending<'_>,
    ) -> Result<Arc<KeySet>, SourceError> {
        let Attempt { now, reload, .. } = *attempt;
        self.lock().asked = Some(now);
        let answer = match metadata::get(attempt.fetcher, url, attempt.deadline) {
            // Counted from when it was asked.
            Err(FetchError::Later { status, time }) => Err(FetchError::Later {
                status,
                time: time.saturating_add(now.elapsed()),
            }),
            answer => answer,
        };
        let version = lease.map(|lease| self.shared.tell(&lease, url, now, reload, &answer));
        // Parsed before taking the lock, so that no one waits for it.
        let read = read(url, answer);
        let mut state = self.lock();
        if let Some(version) = version {
            state.version = version;
        }
        state.take(read, now, reload, attempt.config, attempt.generation);
        let result = state.result(url);
        drop(state);
        drop(ending);
        result.map_err(|error| SourceError {
            is_own: true,
            ..error
        })
    }

    /// Waits for the request made by another thread.
    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        url: &str,
        deadline: Instant,
    ) -> Result<Arc<KeySet>, SourceError> {
        let most = match state.good {
            Some(_) => MOST_WAITING,
            None => MOST_WAITING_FIRST,
        };
        if state.waiting >= most {
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

impl<'a> Ending<'a> {
    fn begin(publisher: &'a Publisher, mut state: MutexGuard<'_, State>) -> Self {
        state.under_way = true;
        Ending(publisher)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
        self.0.ended.notify_all();
    }
}
