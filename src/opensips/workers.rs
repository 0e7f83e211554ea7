//! Has one of the core's workers do something in place of a process that is none.
//!
//! OpenSIPS frees the script in the processes of modules. Whoever raises an event there that a route has subscribed to
//! crashes in OpenSIPS 3.4 and 3.5, and so does whoever reports what somebody has subscribed to.

use core::ffi::c_void;

use super::ffi;

/// Whether the core can do so.
pub fn exist() -> bool {
    // SAFETY: looks whether the core has a function.
    unsafe { ffi::aw_has_workers() != 0 }
}

/// Has one of them called back soon with the address of this, which is in memory that all processes share. False if
/// the core refuses.
pub fn tell<T: Sync>(notice: &'static T) -> bool {
    let notice = core::ptr::from_ref(notice).cast_mut().cast::<c_void>();
    // SAFETY: only the address is passed on, and compared there with those of what is known.
    unsafe { ffi::aw_tell_worker(notice) == 0 }
}
