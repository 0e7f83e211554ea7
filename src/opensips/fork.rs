//! Which process this is, without asking the system at every call.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
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

/// A number that changes in each process that is forked: what was made in another epoch was
/// inherited.
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// What one process holds, made when it is first needed: for a `thread_local!` of the process's own
/// thread. What was inherited through a fork is forgotten, and not even dropped, because its
/// threads do not exist here.
///
/// It has no destructor. OpenSIPS ends a worker by `exit()` in the handler of SIGTERM, which runs
/// the destructors of the thread in the middle of whatever was interrupted. [`end`](Self::end)
/// drops it when the core says that it is time.
pub struct PerProcess<T>(RefCell<ManuallyDrop<Option<Stamped<T>>>>);

/// A value, and the epoch in which it was made.
struct Stamped<T> {
    epoch: u64,
    value: T,
}

impl<T> PerProcess<T> {
    const NO_DESTRUCTOR: () = assert!(!mem::needs_drop::<Self>());

    /// Nothing yet.
    pub const fn new() -> Self {
        let () = Self::NO_DESTRUCTOR;
        PerProcess(RefCell::new(ManuallyDrop::new(None)))
    }

    /// Works with what the process holds, which `make` makes.
    pub fn with<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let mut slot = self.0.borrow_mut();
        forget_inherited(&mut slot);
        let made = || Stamped {
            epoch: epoch(),
            value: make(),
        };
        work(&mut slot.get_or_insert_with(made).value)
    }

    /// Drops what the process holds, at its end.
    pub fn end(&self) {
        let mut slot = self.0.borrow_mut();
        forget_inherited(&mut slot);
        **slot = None;
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn forget_inherited<T>(slot: &mut Option<Stamped<T>>) {
    if slot.as_ref().is_some_and(|held| held.epoch != epoch()) {
        mem::forget(slot.take());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Dropped(Rc<Cell<u32>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn what_a_process_holds_is_made_once_and_dropped_when_it_says_so() {
        let count = Rc::new(Cell::new(0));
        let made = || Dropped(count.clone());
        {
            let held = PerProcess::new();
            held.with(made, |_| ());
            held.with(|| unreachable!("it is there"), |_| ());
            assert_eq!(count.get(), 0);
            held.end();
            assert_eq!(count.get(), 1);
            held.with(made, |_| ());
        }
        // Not by itself: that would be in a signal handler.
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn what_was_inherited_is_forgotten() {
        install();
        let held = PerProcess::new();
        held.with(|| 1, |_| ());
        // SAFETY: the child only looks at its own memory and exits.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = held.with(|| 0, |value| *value);
            // SAFETY: ends the child without running anything else of the test.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: our own child, and room for its status.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        assert_eq!(held.with(|| 0, |value| *value), 1);
    }

    #[test]
    fn a_child_is_in_another_epoch() {
        install();
        let before = epoch();
        // SAFETY: the child only exits, with what it found as its status.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = i32::from(epoch() == before);
            // SAFETY: ends the child without running anything else of the test.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: our own child, and room for its status.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        assert_eq!(epoch(), before);
    }
}
