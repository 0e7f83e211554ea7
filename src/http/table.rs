//! The endpoints of the realms, from a table, cached for a while.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::{Endpoint, EndpointDefaults, EndpointRow};

/// The most realms that are remembered. Realms come from requests, so there must be a limit.
const MOST_REALMS: usize = 4096;

#[derive(Debug, Clone)]
struct Entry {
    fetched: Instant,
    endpoint: Option<Arc<Endpoint>>,
}

/// The result of [`EndpointTable::lookup`].
#[derive(Debug, Clone)]
pub struct Found {
    /// The realm's endpoint; `None` if the table has none for it.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Why this may be out of date, for the log: the store failed, or the row has become invalid.
    pub outdated: Option<String>,
}

/// A table of endpoints with a cache.
#[derive(Debug)]
pub struct EndpointTable {
    defaults: EndpointDefaults,
    ttl: Duration,
    entries: Mutex<LruCache<String, Entry>>,
}

impl EndpointTable {
    /// Rows are fetched again after `ttl`; so is the absence of a row.
    pub fn new(defaults: EndpointDefaults, ttl: Duration) -> Self {
        let most = NonZeroUsize::new(MOST_REALMS).unwrap_or(NonZeroUsize::MIN);
        EndpointTable {
            defaults,
            ttl,
            entries: Mutex::new(LruCache::new(most)),
        }
    }

    fn remembered(&self, realm: &str) -> Option<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(realm).cloned()
    }

    /// The endpoint of `realm` if it is cached and fresh; then the store need not be queried.
    pub fn cached(&self, realm: &str, now: Instant) -> Option<Found> {
        let entry = self.remembered(realm)?;
        let fresh = now.saturating_duration_since(entry.fetched) < self.ttl;
        fresh.then_some(Found {
            endpoint: entry.endpoint,
            outdated: None,
        })
    }

    /// The endpoint of `realm`, from the cache or from the row that `fetch` returns. If that fails,
    /// the cached one stays in use, however old.
    ///
    /// # Errors
    /// Fails with a message for the log if `fetch` failed, or the row is invalid, and nothing is
    /// cached.
    pub fn lookup<E: std::fmt::Display>(
        &self,
        realm: &str,
        now: Instant,
        fetch: impl FnOnce() -> Result<Option<EndpointRow>, E>,
    ) -> Result<Found, String> {
        if let Some(found) = self.cached(realm, now) {
            return Ok(found);
        }
        let fetched = fetch().map_err(|error| error.to_string()).and_then(|row| {
            let endpoint = row
                .map(|row| Endpoint::from_row(&row, &self.defaults))
                .transpose();
            endpoint.map_err(|error| error.to_string())
        });
        match fetched {
            Ok(endpoint) => {
                let endpoint = endpoint.map(Arc::new);
                let entry = Entry {
                    fetched: now,
                    endpoint: endpoint.clone(),
                };
                let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.put(realm.to_owned(), entry);
                Ok(Found {
                    endpoint,
                    outdated: None,
                })
            }
            Err(error) => match self.remembered(realm) {
                Some(entry) => Ok(Found {
                    endpoint: entry.endpoint,
                    outdated: Some(error),
                }),
                None => Err(error),
            },
        }
    }

    /// Forgets everything, so that changes to the table take effect at once.
    #[cfg(test)]
    fn clear(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    struct Rows {
        url: RefCell<Result<Option<&'static str>, &'static str>>,
        asked: Cell<usize>,
    }

    impl Rows {
        fn fetch(&self) -> Result<Option<EndpointRow>, &'static str> {
            self.asked.set(self.asked.get() + 1);
            let url = (*self.url.borrow())?;
            Ok(url.map(|url| EndpointRow {
                url: url.to_owned(),
                ..EndpointRow::default()
            }))
        }
    }

    fn rows(url: Option<&'static str>) -> Rows {
        Rows {
            url: RefCell::new(Ok(url)),
            asked: Cell::new(0),
        }
    }

    fn table() -> EndpointTable {
        EndpointTable::new(EndpointDefaults::default(), Duration::from_secs(60))
    }

    fn shown(found: &Found) -> Option<String> {
        found.endpoint.as_ref().map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn a_row_is_fetched_again_when_its_time_is_over() {
        let (table, rows, start) = (table(), rows(Some("http://a/")), Instant::now());
        let at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            shown(
                &table
                    .lookup("r", now, || rows.fetch())
                    .expect("the store works"),
            )
        };
        assert_eq!(at(0).as_deref(), Some("http://a/"));
        *rows.url.borrow_mut() = Ok(Some("http://b/"));
        assert_eq!(at(59).as_deref(), Some("http://a/"));
        assert_eq!(rows.asked.get(), 1);
        assert_eq!(at(60).as_deref(), Some("http://b/"));
        *rows.url.borrow_mut() = Ok(None);
        table.clear();
        assert_eq!(at(61), None);
        assert_eq!(at(62), None);
        assert_eq!(
            rows.asked.get(),
            3,
            "that there is no row is remembered too"
        );
    }

    #[test]
    fn a_store_that_fails_changes_nothing_that_is_known() {
        let (table, rows, start) = (table(), rows(Some("http://a/")), Instant::now());
        table
            .lookup("r", start, || rows.fetch())
            .expect("the store works");
        let later = start + Duration::from_secs(61);
        for failure in [Err("it is down"), Ok(Some("no url"))] {
            *rows.url.borrow_mut() = failure;
            let found = table
                .lookup("r", later, || rows.fetch())
                .expect("it is remembered");
            assert_eq!(shown(&found).as_deref(), Some("http://a/"));
            assert!(found.outdated.is_some());
            assert!(table.lookup("unknown", later, || rows.fetch()).is_err());
        }
    }
}
