//! What the core's reactor and our threads need from each other.

use std::{
    collections::{HashMap, VecDeque},
    io,
    os::fd::RawFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::fork::PerProcess;

/// How many calls of a process are ready at once. When a server fails or recovers, hundreds of
/// calls have their answers at the same moment, and the core would resume all of them before it
/// reads the next request.
pub const AT_ONCE: usize = 4;

thread_local! {
    static LINE: PerProcess<Arc<Mutex<Line>>> = const { PerProcess::new() };
}

/// The calls of a process that wait on descriptors.
#[derive(Debug, Default)]
struct Line {
    waiting: HashMap<u64, (RawFd, State)>,
    /// How many descriptors are readable.
    ready: usize,
    /// Whose turn is next.
    next: VecDeque<u64>,
    last: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its thread is at work.
    Unanswered,
    /// Its thread is done, and others are resumed first.
    InLine,
    /// The core knows.
    Ready,
}

impl Line {
    fn wake(&mut self, number: u64) {
        let Some((_, state @ State::Unanswered)) = self.waiting.get_mut(&number) else {
            return;
        };
        *state = State::InLine;
        self.next.push_back(number);
        self.advance();
    }

    fn advance(&mut self) {
        while self.ready < AT_ONCE
            && let Some(number) = self.next.pop_front()
        {
            // Others have been given up.
            if let Some((fd, state)) = self.waiting.get_mut(&number) {
                *state = State::Ready;
                self.ready += 1;
                let one = 1u64.to_ne_bytes();
                // SAFETY: eight bytes, which is what an eventfd takes; it is open as long as it is
                // in the table.
                unsafe { libc::write(*fd, one.as_ptr().cast(), one.len()) };
            }
        }
    }

    fn give_up(&mut self, number: u64) -> Option<RawFd> {
        let (fd, state) = self.waiting.remove(&number)?;
        if state == State::Ready {
            self.ready -= 1;
            self.advance();
        }
        Some(fd)
    }
}

/// A descriptor that becomes readable once, when a thread has finished its work and it is this
/// call's turn, and on which the core resumes the script. The core closes it
/// (`ASYNC_DONE_CLOSE_FD`), so a late thread must be kept from writing to whatever has that number by
/// then: see [`Waker::disarm`]. Dropping it disarms it.
#[derive(Debug)]
pub struct Waker {
    line: Arc<Mutex<Line>>,
    number: u64,
}

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
        let line = LINE.with(|line| line.with(Arc::default, |line| Arc::clone(line)));
        let number = {
            let mut line = locked(&line);
            line.last += 1;
            let number = line.last;
            line.waiting.insert(number, (fd, State::Unanswered));
            number
        };
        Ok((Waker { line, number }, fd))
    }

    /// Makes the descriptor readable as soon as fewer than [`AT_ONCE`] others are. May be called from
    /// any thread, any number of times.
    pub fn wake(&self) {
        locked(&self.line).wake(self.number);
    }

    /// From now on nobody writes to the descriptor; it is the core's to close.
    pub fn disarm(&self) {
        locked(&self.line).give_up(self.number);
    }

    /// Closes the descriptor if the core is not going to wait on it. A thread that is done later
    /// writes to nothing.
    pub fn close(&self) {
        if let Some(fd) = locked(&self.line).give_up(self.number) {
            close(fd);
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.disarm();
    }
}

fn locked(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes a descriptor that [`Waker::new`] made and the core is not going to wait on.
pub fn close(fd: RawFd) {
    // SAFETY: takes no pointers; the descriptor is ours.
    unsafe { libc::close(fd) };
}

/// By how much the priority of what may take a processor for long is lower than that of SIP (a nice value):
/// about a third of its share, so that it goes on on a machine that has nothing left, but nobody waits for it.
const LOWER: libc::c_int = 5;

/// Prepares a thread for work that computes, such as TLS handshakes: it yields to the workers.
pub fn yield_to_workers() {
    block_signals();
    // Where the system refuses, it is as important as a worker.
    // SAFETY: takes no pointers; on Linux the value is that of the calling thread.
    unsafe { libc::nice(LOWER) };
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

    /// However many threads are done, the core has few calls to resume at a time, in their order.
    #[test]
    fn few_are_ready_at_once() {
        let (wakers, fds): (Vec<_>, Vec<_>) = (0..20).map(|_| Waker::new().unwrap()).unzip();
        for waker in &wakers {
            waker.wake();
            waker.wake();
        }
        let readable = |from: usize| -> Vec<usize> {
            (from..fds.len()).filter(|at| read(fds[*at]) == 8).collect()
        };
        assert_eq!(readable(0), [0, 1, 2, 3]);
        // One is resumed, one that waits is given up, and one that is ready times out.
        wakers[0].disarm();
        wakers[5].close();
        wakers[2].disarm();
        assert_eq!(readable(1), [4, 6]);
        for at in [1, 3, 4, 6] {
            wakers[at].disarm();
        }
        assert_eq!(readable(7), [7, 8, 9, 10]);
        drop(wakers);
        let (next, fd) = Waker::new().unwrap();
        next.wake();
        assert_eq!(read(fd), 8);
        next.close();
        for at in (0..fds.len()).filter(|at| *at != 5) {
            close(fds[at]);
        }
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
