//! What several trials share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Created by the first trial that needs it, dropped with the last.
pub struct Shared<T>(Mutex<Option<Result<T, String>>>);

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared(Mutex::new(None))
    }
}

impl<T> Shared<T> {
    /// Works with it; `make` creates it if necessary. Why it cannot be created is reported only
    /// once, to keep the log short.
    pub fn with<R>(
        &self,
        make: impl FnOnce() -> Result<T, String>,
        work: impl FnOnce(&mut T) -> R,
    ) -> Result<R, String> {
        let mut slot = self.lock();
        if slot.is_none() {
            match make() {
                Ok(made) => *slot = Some(Ok(made)),
                Err(reason) => {
                    *slot = Some(Err("it did not start, as said above".to_string()));
                    return Err(reason);
                }
            }
        }
        match slot.as_mut().expect("just set") {
            Ok(made) => Ok(work(made)),
            Err(reason) => Err(reason.clone()),
        }
    }

    /// Works with it if it exists.
    pub fn look<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        match self.lock().as_mut() {
            Some(Ok(made)) => Some(work(made)),
            _ => None,
        }
    }

    /// Drops it; it can be created again.
    pub fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Result<T, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
