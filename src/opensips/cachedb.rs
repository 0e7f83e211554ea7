//! CacheDB engines (`cachedb_bind_mod`), used only for counters.

use std::{
    ffi::{c_int, c_void},
    ptr::NonNull,
};

use thiserror::Error;

use super::{ffi, lend};
use crate::counters::{Claim, Counters};

/// An engine failed; it has logged why.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the CacheDB engine of cachedb_url failed, see its message above")]
pub struct CacheDbError;

/// An engine that the core bound to a URL's scheme. Made at start, inherited by all processes.
#[derive(Clone, Copy, Debug)]
pub struct Engine(NonNull<ffi::aw_cachedb>);

// SAFETY: a table of function pointers that nobody changes; used only in the worker's own thread.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

/// A connection of this process.
#[derive(Debug)]
pub struct Connection {
    engine: Engine,
    raw: NonNull<c_void>,
}

impl Engine {
    /// Binds the engine of a URL. `None` if no loaded module serves it with counters.
    pub fn bind(url: &str) -> Option<Self> {
        // SAFETY: the URL lives through the call.
        NonNull::new(unsafe { ffi::aw_cachedb_bind(lend(url.as_bytes())) }).map(Engine)
    }

    /// Opens a connection. `None` if that fails; the engine has logged why.
    pub fn open(self, url: &str) -> Option<Connection> {
        // SAFETY: the engine is never freed, the URL lives through the call.
        let raw = unsafe { ffi::aw_cachedb_open(self.0.as_ptr(), lend(url.as_bytes())) };
        NonNull::new(raw).map(|raw| Connection { engine: self, raw })
    }
}

/// Lifetimes are passed as signed seconds, 0 meaning forever.
fn lifetime(ttl: u32) -> c_int {
    c_int::try_from(ttl).unwrap_or(c_int::MAX)
}

impl Counters for Connection {
    type Error = CacheDbError;

    fn claim(&self, Claim { key, ttl }: &Claim) -> Result<bool, CacheDbError> {
        let mut sum = 0;
        // SAFETY: engine and connection are open, the key lives through the call.
        let code = unsafe {
            ffi::aw_cachedb_add(
                self.engine.0.as_ptr(),
                self.raw.as_ptr(),
                lend(key.as_bytes()),
                1,
                lifetime((*ttl).max(1)),
                &mut sum,
            )
        };
        if code < 0 {
            Err(CacheDbError)
        } else {
            Ok(sum <= 1)
        }
    }

    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), CacheDbError> {
        let value = value.to_string();
        // SAFETY: engine and connection are open, key and value live through the call.
        let code = unsafe {
            ffi::aw_cachedb_set(
                self.engine.0.as_ptr(),
                self.raw.as_ptr(),
                lend(key.as_bytes()),
                lend(value.as_bytes()),
                lifetime(ttl),
            )
        };
        if code < 0 { Err(CacheDbError) } else { Ok(()) }
    }

    fn get_counter(&self, key: &str) -> Result<Option<i64>, CacheDbError> {
        let mut value = 0;
        // SAFETY: engine and connection are open, the key lives through the call.
        let code = unsafe {
            ffi::aw_cachedb_counter(
                self.engine.0.as_ptr(),
                self.raw.as_ptr(),
                lend(key.as_bytes()),
                &mut value,
            )
        };
        match code {
            1 => Ok(Some(i64::from(value))),
            0 => Ok(None),
            _ => Err(CacheDbError),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by this engine, closed once.
        unsafe { ffi::aw_cachedb_close(self.engine.0.as_ptr(), self.raw.as_ptr()) }
    }
}
