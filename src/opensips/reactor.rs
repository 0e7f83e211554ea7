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
    ///
    /// In a process of its own, where no other test takes the number meanwhile.
    #[test]
    fn a_late_thread_writes_to_nothing() {
        // SAFETY: the child makes a few system calls and exits.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let is_right = [Waker::close, Waker::disarm].into_iter().all(late_wake);
            // SAFETY: ends the child without running anything else of the test.
            unsafe { libc::_exit(i32::from(!is_right)) };
        }
        let mut status = -1;
        // SAFETY: our own child, and room for its status.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
    }

    fn late_wake(give_up: fn(&Waker)) -> bool {
        let (Ok((waker, fd)), Ok((other, other_fd))) = (Waker::new(), Waker::new()) else {
            return false;
        };
        give_up(&waker);
        // SAFETY: takes no pointers; the number is that of the descriptor that was given up.
        let is_taken = unsafe { libc::dup2(other_fd, fd) } == fd;
        waker.wake();
        let is_silent = read(fd) == -1;
        other.wake();
        let is_woken = read(fd) == 8;
        close(fd);
        other.close();
        is_taken && is_silent && is_woken
    }
}
