//! Which process this is, without asking the system at every call.

use std::sync::{
    Once,
    atomic::{AtomicU64, Ordering},
};

static EPOCH: AtomicU64 = AtomicU64::new(0);
static INSTALL: Once = Once::new();

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

/// Makes [`epoch`] count forks. Must be called before the fork; later calls do nothing.
pub fn install() {
    INSTALL.call_once(|| {
        // SAFETY: the handler does nothing but add to an atomic, which is allowed after a fork.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// A number that is another one in each process after a fork than it was before: what was made in
/// another epoch was inherited.
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_in_another_epoch() {
        install();
        let before = epoch();
        // SAFETY: the child does nothing but leave, with what it found as its status.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = i32::from(epoch() == before);
            // SAFETY: ends the child without running anything of the test's.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: our own child, and room for its status.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        assert_eq!(epoch(), before);
    }
}
