//! The keys that a process is fetching from URLs: each URL takes one thread, however many tokens wait for it.
//! Providers that hang leave the threads to those that don't.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::notices::{self, Subject};
use crate::keys::{KeySources, SourceError, shown};
use crate::opensips::stats::{self, Statistic};
use crate::pool::{NoNotify, Notify, Pool, Promise, Ticket};

/// Most tokens of one process that wait for one URL: each of them is a request that OpenSIPS keeps in memory
/// meanwhile.
const MOST_WAITING: usize = 1024;

/// What went wrong, one line each.
type Errors = Vec<String>;

type UnderWay = Arc<Mutex<HashMap<String, Vec<Arc<Waiting>>>>>;

/// See the [module](self).
pub struct KeyFetches {
    pool: Arc<Pool>,
    /// Who waits for each URL that is being fetched.
    under_way: UnderWay,
}

/// A token that waits for some URLs.
struct Waiting(Mutex<Wanted>);

struct Wanted {
    left: usize,
    errors: Errors,
    promise: Option<Promise<Errors>>,
}

impl Waiting {
    /// One of the URLs has been fetched, or not.
    fn ended(&self, error: Option<&str>) {
        let mut wanted = lock(&self.0);
        wanted.left = wanted.left.saturating_sub(1);
        wanted.errors.extend(error.map(str::to_owned));
        if wanted.left > 0 {
            return;
        }
        let errors = std::mem::take(&mut wanted.errors);
        let promise = wanted.promise.take();
        drop(wanted);
        if let Some(promise) = promise {
            promise.complete(errors);
        }
    }
}

/// Tells all who wait, whatever becomes of the thread.
struct Ending {
    url: String,
    under_way: UnderWay,
    error: Option<String>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let waiting = lock(&self.under_way).remove(&self.url);
        for waiting in waiting.into_iter().flatten() {
            waiting.ended(self.error.as_deref());
        }
    }
}

impl KeyFetches {
    /// Fetches on the threads of this pool.
    pub fn new(pool: Arc<Pool>) -> Self {
        KeyFetches {
            pool,
            under_way: Arc::default(),
        }
    }

    /// Starts to fetch URLs, unless that is under way, until `deadline` at the latest; the ticket holds what
    /// went wrong, one line each.
    ///
    /// # Errors
    /// Fails with such a line if nothing can be waited for.
    pub fn start(
        &self,
        sources: &Arc<KeySources>,
        urls: Vec<String>,
        deadline: Instant,
        notify: impl Notify + 'static,
    ) -> Result<Ticket<Errors>, Errors> {
        let lost = |_| vec!["keys of a URL were not fetched in time (http_timeout)".to_owned()];
        let promised = self.pool.promise(deadline, lost, notify);
        let (promise, ticket) =
            promised.map_err(|error| vec![format!("keys of a URL are not fetched: {error}")])?;
        let waiting = Arc::new(Waiting(Mutex::new(Wanted {
            left: urls.len(),
            errors: Vec::new(),
            promise: Some(promise),
        })));
        for url in urls {
            self.join(sources, url, deadline, &waiting);
        }
        Ok(ticket)
    }

    fn join(&self, sources: &Arc<KeySources>, url: String, until: Instant, waiting: &Arc<Waiting>) {
        let mut under_way = lock(&self.under_way);
        if let Some(others) = under_way.get_mut(&url) {
            if others.len() < MOST_WAITING {
                others.push(Arc::clone(waiting));
                return;
            }
            drop(under_way);
            let error = format!("keys of a URL: {MOST_WAITING} requests wait for them already");
            return waiting.ended(Some(&error));
        }
        under_way.insert(url.clone(), vec![Arc::clone(waiting)]);
        drop(under_way);
        let ending = Ending {
            url,
            under_way: Arc::clone(&self.under_way),
            error: Some("keys of a URL are not fetched: too many others are".to_owned()),
        };
        let sources = Arc::clone(sources);
        // What another process was answered since then serves, however long this thread takes to begin.
        let wanted = Instant::now();
        let job = move || {
            let mut ending = ending;
            ending.error = Some("keys of a URL: fetching them broke off".to_owned());
            let failure = sources.fetch_at(&ending.url, wanted, until).err();
            if failure.as_ref().is_some_and(|error| error.is_own) {
                stats::count(Statistic::JwksFailures);
            }
            note(&ending.url, wanted, failure.as_ref());
            ending.error = failure.map(|error| error.to_string());
        };
        // Of a job that is not started, all who wait are told as it is dropped.
        drop(self.pool.submit(until, |_| (), job, NoNotify));
    }
}

impl fmt::Debug for KeyFetches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = lock(&self.under_way).len();
        formatter.debug_tuple("KeyFetches").field(&urls).finish()
    }
}

/// Notes whether the keys of a URL can be fetched.
fn note(url: &str, wanted: Instant, failure: Option<&SourceError>) {
    match failure {
        None => notices::note_as(url, &Subject::Keys(shown(url)), wanted, None),
        Some(error) => {
            let subject = Subject::Keys(error.name.clone());
            notices::note_as(url, &subject, wanted, Some(&error.cause));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
