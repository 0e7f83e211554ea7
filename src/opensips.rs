//! The safe Rust interface to the OpenSIPS core.
//!
//! Everything here may only be called from a SIP worker's own thread (or at start, before the
//! fork), never from a thread of ours: the core is not thread-safe.
#![allow(unsafe_code)]

pub mod arguments;
pub mod avp;
pub mod cachedb;
pub mod db;
pub mod ffi;
pub mod fork;
pub mod guard;
pub mod log;
pub mod mi;
pub mod pvar;
pub mod reactor;
pub mod registration;
pub mod request;
pub mod resume;
pub mod segment;
pub mod shared;
pub mod stats;

use ffi::aw_str;

/// Release of the hosting core as `major * 100 + minor`, 0 outside a supported one.
pub fn core_release() -> i32 {
    // SAFETY: reads an int that is written once, by the constructor.
    unsafe { ffi::aw_core_release() }
}

/// Asks the core for the process that runs the loader. Only in `mod_init`.
pub fn want_loader() {
    // SAFETY: sets a number of the shim's, which the core reads later.
    unsafe { ffi::aw_want_loader() }
}

/// Lends bytes to the shim for the duration of a call.
fn lend(bytes: &[u8]) -> aw_str {
    aw_str {
        s: bytes.as_ptr().cast(),
        len: bytes.len(),
    }
}

impl aw_str {
    /// The bytes behind a string that the core lent us for the duration of a call.
    ///
    /// # Safety
    /// `s` must point to `len` bytes that stay unchanged while the result is in use.
    pub unsafe fn as_bytes<'a>(&self) -> &'a [u8] {
        if self.s.is_null() {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(self.s.cast(), self.len) }
    }
}
