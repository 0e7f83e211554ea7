//! The safe Rust interface to the OpenSIPS core.
//!
//! Everything here may only be called from a SIP worker's own thread (or at start, before the
//! fork), never from a thread of ours: the core is not thread-safe.
#![allow(unsafe_code)]

pub mod arguments;
pub mod avp;
pub mod cachedb;
pub mod checkin;
pub mod db;
pub mod events;
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
pub mod uac;
pub mod workers;

use ffi::aw_str;

/// Release of the hosting core as `major * 100 + minor`, 0 outside a supported one.
pub fn core_release() -> i32 {
    // SAFETY: reads an int that is written once, by the constructor.
    unsafe { ffi::aw_core_release() }
}

/// The path of another copy of this module, or of OpenSIPS's auth_jwt, that is loaded as well. Only in `mod_init`.
pub fn other_module() -> Option<String> {
    // SAFETY: what it returns is a string that lives until the next call, or NULL.
    let path = unsafe { ffi::aw_other_module() };
    if path.is_null() {
        return None;
    }
    // SAFETY: as above; copied here.
    let path = unsafe { core::ffi::CStr::from_ptr(path) };
    Some(path.to_string_lossy().into_owned())
}

/// Whether the script is only to be checked, by `opensips -C`: there is no `mod_init` then.
pub fn is_check() -> bool {
    // SAFETY: reads an int of the core's, which is set before any script is read.
    unsafe { ffi::aw_is_check() != 0 }
}

/// The names of all parameters.
pub fn parameters() -> Vec<&'static str> {
    // SAFETY: takes a number, and gives a string of the shim's that is never freed, or NULL.
    let name = |number| unsafe { ffi::aw_parameter_name(number) };
    let names = (0..).map(name).take_while(|name| !name.is_null());
    // SAFETY: as above.
    let names = names.map(|name| unsafe { core::ffi::CStr::from_ptr(name) });
    names.filter_map(|name| name.to_str().ok()).collect()
}

/// Asks the core for the process that runs the loader. Only in `mod_init`.
pub fn want_loader() {
    // SAFETY: sets a number of the shim's, which the core reads later.
    unsafe { ffi::aw_want_loader() }
}

/// Asks the core for the process of what is done at intervals. Only in `mod_init`.
pub fn want_chores() {
    // SAFETY: as above.
    unsafe { ffi::aw_want_chores() }
}

/// Asks the core for the process that sends requests of its own. Only in `mod_init`.
pub fn want_trunks() {
    // SAFETY: as above.
    unsafe { ffi::aw_want_trunks() }
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
