//! Counters shared by all processes, or by all machines of a cluster.
//!
//! This is the part of OpenSIPS's CacheDB interface (`cachedb_funcs`) that returns no memory of the
//! core; bans and nonce counts are built on it.

use std::time::Duration;

/// Something that can be used once, such as a count of a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its name: ASCII without spaces.
    pub key: String,
    /// For how many seconds it is remembered, at least 1.
    pub ttl: u32,
}

/// A store of named integers. Names are ASCII without spaces.
pub trait Counters {
    /// Why an operation failed.
    type Error: std::error::Error;

    /// Whether this is the first time that the claim is made. Of several at once exactly one is the
    /// first.
    ///
    /// # Errors
    /// Fails if the store can't be reached or refuses.
    fn claim(&self, claim: &Claim) -> Result<bool, Self::Error>;

    /// Sets a counter that is forgotten after `ttl` seconds (0: never).
    ///
    /// # Errors
    /// Fails like [`claim`](Self::claim).
    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), Self::Error>;

    /// The value of a counter, if there is one.
    ///
    /// # Errors
    /// Fails like [`claim`](Self::claim).
    fn get_counter(&self, key: &str) -> Result<Option<i64>, Self::Error>;

    /// [`get_counter`](Self::get_counter) and [`claim`](Self::claim), in one round trip where
    /// possible.
    ///
    /// # Errors
    /// Fails like [`claim`](Self::claim).
    fn get_and_claim(
        &self,
        counter: &str,
        claim: &Claim,
    ) -> Result<(Option<i64>, bool), Self::Error> {
        Ok((self.get_counter(counter)?, self.claim(claim)?))
    }
}

impl<C: Counters + ?Sized> Counters for &C {
    type Error = C::Error;

    fn claim(&self, claim: &Claim) -> Result<bool, C::Error> {
        (**self).claim(claim)
    }

    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), C::Error> {
        (**self).set(key, value, ttl)
    }

    fn get_counter(&self, key: &str) -> Result<Option<i64>, C::Error> {
        (**self).get_counter(key)
    }

    fn get_and_claim(&self, counter: &str, claim: &Claim) -> Result<(Option<i64>, bool), C::Error> {
        (**self).get_and_claim(counter, claim)
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

        fn claim(&self, Claim { key, ttl }: &Claim) -> Result<bool, Infallible> {
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
            let ends = self.ends(*ttl);
            let mut values = self.values.borrow_mut();
            let is_first = !values.contains_key(key);
            values.entry(key.clone()).or_insert((1, ends));
            Ok(is_first)
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
