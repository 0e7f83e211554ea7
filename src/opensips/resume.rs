//! Calls that wait without a descriptor of their own, and how they are resumed.
//!
//! A process has one descriptor for all of them, which the core's reactor watches for as long as
//! the process lives. A thread that is done puts the number of its call on a list and makes the
//! descriptor readable; the process resumes what is on the list. See `src/shim/resume.c` for where
//! the core allows that.

use core::ffi::c_void;
use std::{
    collections::{HashMap, VecDeque},
    os::fd::RawFd,
    sync::{Arc, Mutex, PoisonError},
};

use super::ffi;
use super::fork::PerProcess;
use super::reactor::AT_ONCE;

/// The handle by which the core resumes a call.
#[derive(Clone, Copy, Debug)]
pub struct Context(*mut c_void);

impl Context {
    /// The shim's handle; `None` if the call has to wait on a descriptor.
    pub fn from_raw(raw: *mut c_void) -> Option<Self> {
        (!raw.is_null()).then_some(Context(raw))
    }
}

/// What is shared with threads.
#[derive(Debug)]
struct Ready {
    fd: RawFd,
    calls: Mutex<VecDeque<u64>>,
}

struct Queue {
    /// `None` if the process has no reactor.
    ready: Option<Arc<Ready>>,
    waiting: HashMap<u64, Context>,
    last: u64,
}

thread_local! {
    static QUEUE: PerProcess<Queue> = const { PerProcess::new() };
}

/// A call that waits. When this is dropped, the call is not resumed any more.
#[derive(Debug)]
pub struct Suspended(u64);

impl Drop for Suspended {
    fn drop(&mut self) {
        with(|queue| queue.waiting.remove(&self.0));
    }
}

/// Requests that one call be resumed.
#[derive(Clone, Debug)]
pub struct CallWaker {
    ready: Arc<Ready>,
    call: u64,
}

impl CallWaker {
    /// Requests that the call be resumed, unless its [`Suspended`] has been dropped. May be called
    /// from any thread.
    pub fn wake(&self) {
        let mut calls = self
            .ready
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        calls.push_back(self.call);
        // As long as there is something on the list, the descriptor is readable.
        if calls.len() == 1 {
            self.ready.make_readable();
        }
    }
}

impl Ready {
    fn make_readable(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes, which is what an eventfd takes; it is never closed.
        unsafe { libc::write(self.fd, one.as_ptr().cast(), one.len()) };
    }

    /// The next few calls, so that the process looks at its other descriptors in between.
    fn take(&self) -> Vec<u64> {
        let mut count = [0; 8];
        // Before the list is looked at: what comes after it makes the descriptor readable again.
        // SAFETY: room for eight bytes, which is what an eventfd gives.
        unsafe { libc::read(self.fd, count.as_mut_ptr().cast(), count.len()) };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let few = calls.len().min(AT_ONCE);
        let taken = calls.drain(..few).collect();
        if !calls.is_empty() {
            self.make_readable();
        }
        taken
    }
}

fn with<T>(work: impl FnOnce(&mut Queue) -> T) -> T {
    let new = || Queue {
        ready: watched(),
        waiting: HashMap::new(),
        last: 0,
    };
    QUEUE.with(|queue| queue.with(new, work))
}

/// A new eventfd that the core watches.
fn watched() -> Option<Arc<Ready>> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return None;
    }
    // SAFETY: only where the shim gave a context, so that the core has the function.
    if unsafe { ffi::aw_queue_watch(fd) } != 0 {
        super::reactor::close(fd);
        return None;
    }
    let calls = Mutex::default();
    Some(Arc::new(Ready { fd, calls }))
}

/// Lets a call wait; `None` if it can't, because the process has no reactor.
pub fn wait(context: Context) -> Option<(Suspended, CallWaker)> {
    with(|queue| {
        let ready = queue.ready.clone()?;
        queue.last += 1;
        let call = queue.last;
        queue.waiting.insert(call, context);
        Some((Suspended(call), CallWaker { ready, call }))
    })
}

/// Resumes the next few calls that are ready.
pub fn resume_ready() {
    let ready = with(|queue| queue.ready.clone());
    for call in ready.map_or_else(Vec::new, |ready| ready.take()) {
        let waiting = || with(|queue| queue.waiting.get(&call).copied());
        if let Some(context) = waiting() {
            // The script continues in there, and may make further calls wait. SAFETY: the core
            // keeps it until the call is resumed, and it is waiting until then.
            unsafe { ffi::aw_queue_resume(context.0) };
            // A core that is out of memory returns without having resumed it: try again then.
            if waiting().is_some()
                && let Some(ready) = with(|queue| queue.ready.clone())
            {
                CallWaker { ready, call }.wake();
            }
        }
    }
}
