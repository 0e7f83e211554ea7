//! Counters shared by all processes, or by all machines of a cluster.
//!
//! This is the part of OpenSIPS's CacheDB interface (`cachedb_funcs`) that returns no memory of the
//! core; bans and nonce counts are built on it.

use std::time::Duration;

/// A store of named integers. Names are ASCII without spaces.
pub trait Counters {
    /// Why an operation failed.
    type Error: std::error::Error;

    /// Adds `number` to a counter, which starts at 0; it is forgotten after `ttl` seconds (0:
    /// never). Returns the sum.
    ///
    /// # Errors
    /// Fails if the store can't be reached or refuses.
    fn add(&self, key: &str, number: i32, ttl: u32) -> Result<i64, Self::Error>;

    /// Sets a counter that is forgotten after `ttl` seconds (0: never).
    ///
    /// # Errors
    /// Fails like [`add`](Self::add).
    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), Self::Error>;

    /// The value of a counter, if there is one.
    ///
    /// # Errors
    /// Fails like [`add`](Self::add).
    fn get_counter(&self, key: &str) -> Result<Option<i64>, Self::Error>;
}

impl<C: Counters + ?Sized> Counters for &C {
    type Error = C::Error;

    fn add(&self, key: &str, number: i32, ttl: u32) -> Result<i64, C::Error> {
        (**self).add(key, number, ttl)
    }

    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), C::Error> {
        (**self).set(key, value, ttl)
    }

    fn get_counter(&self, key: &str) -> Result<Option<i64>, C::Error> {
        (**self).get_counter(key)
    }
}

/// A time to live in whole seconds, rounded up, at least 1: 0 would mean forever.
pub fn seconds(duration: Duration) -> u32 {
    let up = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    u32::try_from(up).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;

    /// Counters with a clock that only advances when told to.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        values: RefCell<HashMap<String, (i64, Option<u64>)>>,
        now: Cell<u64>,
    }

    impl Memory {
        /// Advances the clock.
        pub(crate) fn pass(&self, seconds: u64) {
            self.now.set(self.now.get() + seconds);
            self.values
                .borrow_mut()
                .retain(|_, (_, ends)| ends.is_none_or(|ends| ends > self.now.get()));
        }

        fn ends(&self, ttl: u32) -> Option<u64> {
            (ttl > 0).then(|| self.now.get() + u64::from(ttl))
        }
    }

    impl Counters for Memory {
        type Error = Infallible;

        fn add(&self, key: &str, number: i32, ttl: u32) -> Result<i64, Infallible> {
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
            let ends = self.ends(ttl);
            let mut values = self.values.borrow_mut();
            let entry = values.entry(key.to_owned()).or_insert((0, ends));
            entry.0 += i64::from(number);
            Ok(entry.0)
        }

        fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), Infallible> {
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
            let ends = self.ends(ttl);
            self.values
                .borrow_mut()
                .insert(key.to_owned(), (i64::from(value), ends));
            Ok(())
        }

        fn get_counter(&self, key: &str) -> Result<Option<i64>, Infallible> {
            Ok(self.values.borrow().get(key).map(|(value, _)| *value))
        }
    }

    #[test]
    fn a_time_to_live_is_never_for_ever() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
        assert_eq!(seconds(Duration::from_secs(30)), 30);
        assert_eq!(seconds(Duration::MAX), u32::MAX);
    }
}
