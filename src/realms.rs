//! What a table says of realms, cached for a while.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// The most realms that have a row, and the most other names, that are remembered. Realms come from
/// requests, so there must be a limit.
const MOST_REALMS: usize = 4096;

/// For how long what is known of a row serves all others once it has been asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// When something was learned.
#[derive(Clone, Copy, Debug)]
struct Known {
    fetched: Instant,
    /// When it was last asked for again.
    asked: Option<Instant>,
}

impl Known {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.fetched)
    }
}

/// What is known of realms. Anybody can make up names that have no row of their own, below a realm that
/// has one or not: they can only displace each other.
#[derive(Debug)]
struct Entries<T> {
    /// Realms with a row of their own.
    rows: LruCache<String, (Known, Arc<T>)>,
    /// Names without one, and the realm whose row they have.
    others: LruCache<String, (Known, Option<String>)>,
}

impl<T> Entries<T> {
    /// What is known of a realm, and since when: as long ago as the older of what it consists of.
    fn get(&mut self, realm: &str) -> Option<(Known, Option<Arc<T>>)> {
        if let Some((known, row)) = self.rows.get(realm) {
            return Some((*known, Some(row.clone())));
        }
        let (known, above) = self.others.get(realm)?;
        let (mut known, above) = (*known, above.clone());
        let Some(above) = above else {
            return Some((known, None));
        };
        let (of_row, row) = self.rows.get(&above)?;
        known.fetched = known.fetched.min(of_row.fetched);
        Some((known, Some(row.clone())))
    }

    fn known(&mut self, realm: &str) -> Option<&mut Known> {
        if self.rows.contains(realm) {
            return self.rows.get_mut(realm).map(|(known, _)| known);
        }
        self.others.get_mut(realm).map(|(known, _)| known)
    }

    fn put(&mut self, realm: &str, row: Option<(String, Arc<T>)>, fetched: Instant) {
        let known = Known {
            fetched,
            asked: None,
        };
        let of = row.map(|(of, row)| {
            self.rows.put(of.clone(), (known, row));
            of
        });
        if of.as_deref() == Some(realm) {
            self.others.pop(realm);
            return;
        }
        self.rows.pop(realm);
        self.others.put(realm.to_owned(), (known, of));
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
    entries: Mutex<Entries<T>>,
}

impl<T> Realms<T> {
    /// Rows are fetched again after `ttl`, and so is the absence of a row; while that fails, what is
    /// known stays in use until it is as old as `grace`.
    pub fn new(ttl: Duration, grace: Duration) -> Self {
        let most = NonZeroUsize::new(MOST_REALMS).unwrap_or(NonZeroUsize::MIN);
        Realms {
            ttl,
            grace,
            entries: Mutex::new(Entries {
                rows: LruCache::new(most),
                others: LruCache::new(most),
            }),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of `realm` if the store need not be queried: it is fresh, or somebody else is
    /// asking for it. `None` makes the caller the one that asks.
    pub fn cached(&self, realm: &str, now: Instant) -> Option<Found<T>> {
        let mut entries = self.entries();
        let (known, value) = entries.get(realm)?;
        let found = Found {
            value,
            outdated: None,
        };
        if known.age(now) < self.ttl {
            return Some(found);
        }
        let since = |time: Instant| now.saturating_duration_since(time);
        let is_usable = !self.ttl.is_zero() && known.age(now) < self.grace;
        if is_usable && known.asked.is_some_and(|asked| since(asked) < PATIENCE) {
            return Some(found);
        }
        if let Some(known) = entries.known(realm) {
            known.asked = Some(now);
        }
        None
    }

    /// Forgets that a realm has no row.
    pub fn forget(&self, realm: &str) {
        self.entries().others.pop(realm);
    }

    /// What is known of `realm`, from the cache or from what `fetch` returns: a row, and the realm
    /// whose row it is, in lower case as `realm` is; and when that was asked for.
    ///
    /// # Errors
    /// Fails with the message of `fetch` if nothing is cached, or it is too old.
    pub fn lookup(
        &self,
        realm: &str,
        now: Instant,
        fetch: impl FnOnce() -> Result<(Option<(String, T)>, Instant), String>,
    ) -> Result<Found<T>, String> {
        let fresh = self.entries().get(realm);
        if let Some((_, value)) = fresh.filter(|(known, _)| known.age(now) < self.ttl) {
            return Ok(Found {
                value,
                outdated: None,
            });
        }
        match fetch() {
            Ok((row, since)) => {
                let row = row.map(|(of, row)| (of, Arc::new(row)));
                let value = row.as_ref().map(|(_, row)| row.clone());
                self.entries().put(realm, row, since);
                Ok(Found {
                    value,
                    outdated: None,
                })
            }
            Err(error) => {
                let remembered = self.entries().get(realm);
                match remembered {
                    Some((known, value)) if known.age(now) < self.grace => Ok(Found {
                        value,
                        outdated: Some(error),
                    }),
                    _ => Err(error),
                }
            }
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

        fn fetch(&self) -> Result<Option<(String, &'static str)>, String> {
            self.fetch_of("r")
        }

        fn fetch_of(&self, realm: &str) -> Result<Option<(String, &'static str)>, String> {
            self.asked.set(self.asked.get() + 1);
            let row = (*self.row.borrow()).map_err(str::to_owned)?;
            Ok(row.map(|row| (realm.to_owned(), row)))
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
            let found = realms.lookup("r", now, || Ok((rows.fetch()?, now)));
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
        realms
            .lookup("r", start, || Ok((rows.fetch()?, start)))
            .unwrap();
        assert_eq!(cached(60), None, "this one asks");
        assert_eq!(cached(60), Some(Some("a")));
        // That one had no answer, or it failed.
        assert_eq!(cached(61), None);
        assert_eq!(cached(61), Some(Some("a")));
        *rows.row.borrow_mut() = Ok(Some("b"));
        realms
            .lookup("r", at(61), || Ok((rows.fetch()?, at(61))))
            .unwrap();
        assert_eq!(cached(61), Some(Some("b")));
        // What is too old serves nobody.
        assert_eq!((cached(661), cached(661)), (None, None));
    }

    #[test]
    fn a_store_that_fails_changes_nothing_that_is_known_for_a_while() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let at = |realm, seconds| {
            let now = start + Duration::from_secs(seconds);
            realms.lookup(realm, now, || Ok((rows.fetch()?, now)))
        };
        at("r", 0).expect("the store works");
        *rows.row.borrow_mut() = Err("it is down");
        let found = at("r", 61).expect("it is remembered");
        assert_eq!(found.value.as_deref(), Some(&"a"));
        assert_eq!(found.outdated.as_deref(), Some("it is down"));
        assert!(at("unknown", 61).is_err());
        assert!(at("r", 600).is_err());
    }

    #[test]
    fn names_that_are_made_up_displace_no_realm() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let lookup = |realm: &str, of: &str| {
            let found = realms.lookup(realm, start, || Ok((rows.fetch_of(of)?, start)));
            found.expect("the store works").value.as_deref().copied()
        };
        assert_eq!(lookup("a.example", "a.example"), Some("a"));
        assert_eq!(lookup("c.example", "c.example"), Some("a"));
        for number in 0..2 * MOST_REALMS {
            assert_eq!(
                lookup(&format!("{number}.a.example"), "a.example"),
                Some("a")
            );
        }
        *rows.row.borrow_mut() = Ok(None);
        for number in 0..2 * MOST_REALMS {
            assert_eq!(lookup(&format!("{number}.b.example"), ""), None);
        }
        for realm in ["a.example", "c.example"] {
            let found = realms.cached(realm, start).expect("it is remembered");
            assert_eq!(found.value.as_deref(), Some(&"a"), "{realm}");
        }
        let entries = realms.entries();
        assert_eq!((entries.rows.len(), entries.others.len()), (2, MOST_REALMS));
    }

    #[test]
    fn a_name_below_has_the_row_as_long_as_both_are_known() {
        let (realms, rows, start) = (realms(), Rows::new(Some("a")), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let lookup = |realm: &str, of: &str, seconds| {
            let found = realms.lookup(realm, at(seconds), || Ok((rows.fetch_of(of)?, at(seconds))));
            found.map(|found| found.value.as_deref().copied())
        };
        let cached = |realm: &str, seconds| {
            let found = realms.cached(realm, at(seconds));
            found.map(|found| found.value.as_deref().copied())
        };
        assert_eq!(cached("x.r", 0), None, "it may have a row of its own");
        assert_eq!(lookup("x.r", "r", 0), Ok(Some("a")));
        assert_eq!(
            (cached("x.r", 1), cached("r", 1)),
            (Some(Some("a")), Some(Some("a")))
        );
        // What is newer above does not make it newer below.
        *rows.row.borrow_mut() = Ok(Some("b"));
        assert_eq!(lookup("r", "r", 60), Ok(Some("b")));
        assert_eq!(cached("x.r", 60), None, "this one asks");
        assert_eq!(cached("x.r", 60), Some(Some("b")));
        assert_eq!(lookup("x.r", "r", 60), Ok(Some("b")));
        // It gets a row, and loses it.
        *rows.row.borrow_mut() = Ok(Some("own"));
        assert_eq!(lookup("x.r", "x.r", 120), Ok(Some("own")));
        assert_eq!(cached("x.r", 120), Some(Some("own")));
        *rows.row.borrow_mut() = Ok(Some("c"));
        assert_eq!(lookup("x.r", "r", 180), Ok(Some("c")));
        assert_eq!(
            (cached("x.r", 180), cached("r", 180)),
            (Some(Some("c")), Some(Some("c")))
        );
        // It serves while the store fails, as any other.
        *rows.row.borrow_mut() = Err("it is down");
        assert_eq!(lookup("x.r", "r", 241), Ok(Some("c")));
        assert!(lookup("y.r", "r", 241).is_err());
        assert!(lookup("x.r", "r", 780).is_err());
    }
}
