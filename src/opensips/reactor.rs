//! What the core's reactor and our threads need from each other.

use std::{
    io,
    os::fd::RawFd,
    sync::{Mutex, PoisonError},
};

/// A descriptor that becomes readable once, when a thread has finished its work, and on which the
/// core resumes the script. The core closes it (`ASYNC_DONE_CLOSE_FD`), so a late thread must be
/// kept from writing to whatever has that number by then: see [`Waker::disarm`].
#[derive(Debug)]
pub struct Waker(Mutex<Option<RawFd>>);

impl Waker {
    /// A new eventfd, close-on-exec and non-blocking.
    ///
    /// # Errors
    /// Fails with the system's error, typically too many open files.
    pub fn new() -> io::Result<(Self, RawFd)> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((Waker(Mutex::new(Some(fd))), fd))
    }

    /// Makes the descriptor readable. May be called from any thread, any number of times.
    pub fn wake(&self) {
        let fd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = *fd {
            let one = 1u64.to_ne_bytes();
            // SAFETY: eight bytes, which is what an eventfd takes; the lock keeps it open.
            unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
        }
    }

    /// From now on nobody writes to the descriptor; it is the core's to close.
    pub fn disarm(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Closes the descriptor if the core is not going to wait on it. A thread that is done later
    /// writes to nothing.
    pub fn close(&self) {
        if let Some(fd) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // SAFETY: ours, and taken out, so that it is closed once.
            unsafe { libc::close(fd) };
        }
    }
}

/// Closes a descriptor that [`Waker::new`] made and the core is not going to wait on.
pub fn close(fd: RawFd) {
    // SAFETY: takes no pointers; the descriptor is ours.
    unsafe { libc::close(fd) };
}

/// Blocks all signals in the calling thread: the core's handlers must run in the worker's own.
pub fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is used.
    unsafe {
        let mut all = std::mem::MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fd: RawFd) -> isize {
        let mut count = [0; 8];
        // SAFETY: room for eight bytes, which is what an eventfd gives.
        unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) }
    }

    /// A thread that is done after its descriptor was given up must not write to whatever has that
    /// number by then.
    #[test]
    fn a_late_thread_writes_to_nothing() {
        for give_up in [Waker::close, Waker::disarm] {
            let (waker, fd) = Waker::new().expect("a descriptor");
            let (other, other_fd) = Waker::new().expect("a descriptor");
            give_up(&waker);
            // SAFETY: takes no pointers; the number is that of the descriptor that was given up.
            assert_eq!(unsafe { libc::dup2(other_fd, fd) }, fd);
            waker.wake();
            assert_eq!(read(fd), -1);
            other.wake();
            assert_eq!(read(fd), 8);
            close(fd);
            other.close();
        }
    }
}
