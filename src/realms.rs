//! What a table says of realms, cached for a while.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// The most realms that are remembered. Realms come from requests, so there must be a limit.
const MOST_REALMS: usize = 4096;

/// For how long after a row was asked for again, what is known of it serves all others.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Entry<T> {
    fetched: Instant,
    /// When it was last asked for again.
    asked: Option<Instant>,
    value: Option<Arc<T>>,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Entry {
            fetched: self.fetched,
            asked: self.asked,
            value: self.value.clone(),
        }
    }
}

/// The result of [`Realms::lookup`].
#[derive(Debug)]
pub struct Found<T> {
    /// What the table says of the realm; `None` if it does not know it.
    pub value: Option<Arc<T>>,
    /// Why this may be out of date, for the log: the store failed, or the row has become invalid.
    pub outdated: Option<String>,
}

/// A cache of what a table says of realms.
#[derive(Debug)]
pub struct Realms<T> {
    ttl: Duration,
    grace: Duration,
    entries: Mutex<LruCache<String, Entry<T>>>,
}

impl<T> Realms<T> {
    /// Rows are fetched again after `ttl`, and so is the absence of a row; while that fails, what is
    /// known stays in use until it is as old as `grace`.
    pub fn new(ttl: Duration, grace: Duration) -> Self {
        let most = NonZeroUsize::new(MOST_REALMS).unwrap_or(NonZeroUsize::MIN);
        Realms {
            ttl,
            grace,
            entries: Mutex::new(LruCache::new(most)),
        }
    }

    fn remembered(&self, realm: &str) -> Option<Entry<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(realm).cloned()
    }

    /// What is known of `realm` if the store need not be queried: it is fresh, or somebody else
    /// asks for it just now. `None` makes the caller the one who asks.
    pub fn cached(&self, realm: &str, now: Instant) -> Option<Found<T>> {
        if let Some(found) = self.fresh(realm, now) {
            return Some(found);
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get_mut(realm)?;
        let since = |time: Instant| now.saturating_duration_since(time);
        let is_usable = !self.ttl.is_zero() && since(entry.fetched) < self.grace;
        if is_usable && entry.asked.is_some_and(|asked| since(asked) < PATIENCE) {
            return Some(Found {
                value: entry.value.clone(),
                outdated: None,
            });
        }
        entry.asked = Some(now);
        None
    }

    fn fresh(&self, realm: &str, now: Instant) -> Option<Found<T>> {
        let entry = self.remembered(realm)?;
        let fresh = now.saturating_duration_since(entry.fetched) < self.ttl;
        fresh.then_some(Found {
            value: entry.value,
            outdated: None,
        })
    }

    /// Forgets a realm.
    pub fn forget(&self, realm: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.pop(realm);
    }

    /// What is known of `realm`, from the cache or from what `fetch` returns.
    ///
    /// # Errors
    /// Fails with the message of `fetch` if nothing is cached, or it is too old.
    pub fn lookup(
        &self,
        realm: &str,
        now: Instant,
        fetch: impl FnOnce() -> Result<Option<T>, String>,
    ) -> Result<Found<T>, String> {
        if let Some(found) = self.fresh(realm, now) {
            return Ok(found);
        }
        match fetch() {
            Ok(value) => {
                let value = value.map(Arc::new);
                let entry = Entry {
                    fetched: now,
                    asked: None,
                    value: value.clone(),
                };
                let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.put(realm.to_owned(), entry);
                Ok(Found {
                    value,
                    outdated: None,
                })
            }
            Err(error) => match self.remembered(realm) {
                Some(entry) if now.saturating_duration_since(entry.fetched) < self.grace => {
                    Ok(Found {
                        value: entry.value,
                        outdated: Some(error),
                    })
                }
                _ => Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    struct Rows {
        row: RefCell<Result<Option<&'static str>, &'static str>>,
        asked: Cell<usize>,
    }

    impl Rows {
        fn new(row: Option<&'static str>) -> Self {
            Rows {
                row: RefCell::new(Ok(row)),
                asked: Cell::new(0),
            }
        }

        fn fetch(&self) -> Result<Option<&'static str>, String> {
            self.asked.set(self.asked.get() + 1);
            (*self.row.borrow()).map_err(str::to_owned)
        }
    }

    fn realms() -> Realms<&'static str> {
        Realms::new(Duration::from_secs(60), Duration::from_secs(600))
    }

    #[test]
    fn a_row_is_fetched_again_when_its_time_is_over() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            let found = realms.lookup("r", now, || rows.fetch());
            found.expect("the store works").value.as_deref().copied()
        };
        assert_eq!(at(0), Some("a"));
        *rows.row.borrow_mut() = Ok(Some("b"));
        assert_eq!(at(59), Some("a"));
        assert_eq!(rows.asked.get(), 1);
        assert_eq!(at(60), Some("b"));
        *rows.row.borrow_mut() = Ok(None);
        assert_eq!(at(120), None);
        assert_eq!(at(121), None);
        assert_eq!(
            rows.asked.get(),
            3,
            "that there is no row is remembered, too"
        );
    }

    #[test]
    fn while_one_asks_again_what_is_known_serves_all_others() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let cached = |seconds| {
            let found = realms.cached("r", at(seconds));
            found.map(|found| found.value.as_deref().copied())
        };
        assert_eq!(cached(0), None);
        assert_eq!(cached(0), None, "nothing is known");
        realms.lookup("r", start, || rows.fetch()).unwrap();
        assert_eq!(cached(60), None, "this one asks");
        assert_eq!(cached(60), Some(Some("a")));
        // He had no answer, or it failed.
        assert_eq!(cached(61), None);
        assert_eq!(cached(61), Some(Some("a")));
        *rows.row.borrow_mut() = Ok(Some("b"));
        realms.lookup("r", at(61), || rows.fetch()).unwrap();
        assert_eq!(cached(61), Some(Some("b")));
        // What is too old serves nobody.
        assert_eq!((cached(661), cached(661)), (None, None));
    }

    #[test]
    fn a_store_that_fails_changes_nothing_that_is_known_for_a_while() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let at = |realm, seconds| {
            let now = start + Duration::from_secs(seconds);
            realms.lookup(realm, now, || rows.fetch())
        };
        at("r", 0).expect("the store works");
        *rows.row.borrow_mut() = Err("it is down");
        let found = at("r", 61).expect("it is remembered");
        assert_eq!(found.value.as_deref(), Some(&"a"));
        assert_eq!(found.outdated.as_deref(), Some("it is down"));
        assert!(at("unknown", 61).is_err());
        assert!(at("r", 600).is_err());
    }
}
