//! A pool of threads for work that may block: an HTTP request, a database query.
//!
//! OpenSIPS processes SIP in single-threaded workers that must never wait. A worker submits a job
//! together with a deadline; the job runs on a thread of the pool, and its [`Ticket`] is completed
//! **exactly once**: by the job or by the deadline, whichever comes first. This also holds for a
//! job that hangs where no timeout applies (such as in `getaddrinfo`): the caller is released at
//! the deadline, the thread stays counted as busy until the call returns, and the late result is
//! dropped.
//!
//! - There is no queue. A job runs at once, on the thread that became idle last (its stack is warm,
//!   and the others can end if there is no work), or else on a new thread. When
//!   [`PoolConfig::max_threads`] jobs are running, [`Pool::submit`] refuses.
//! - Threads that have been idle for [`PoolConfig::idle`] end, including the one that watches the
//!   deadlines: after a while, an unused pool has no threads at all.
//! - Threads do not survive a fork. A pool must be created in the process that uses it.

mod deadline;
mod full;
mod lock;
mod ticket;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use crate::meters::Gauge;
use deadline::Deadlines;
use lock::lock;
use ticket::Slot;

pub use full::PoolFull;
pub use ticket::{Lost, NoNotify, Notify, Promise, Ticket};

/// The stack size of a thread, in bytes: enough for TLS, name resolution and a database client,
/// with a margin. It is address space; memory is only used as deep as the stack gets.
pub const DEFAULT_STACK_SIZE: usize = 256 * 1024;

/// How a [`Pool`] behaves.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Jobs that may run at the same time, each on its own thread; at least 1.
    pub max_threads: usize,
    /// Stack of each thread in bytes.
    pub stack_size: usize,
    /// How long a thread waits for its next job before it ends.
    pub idle: Duration,
    /// Called first on every new thread; OpenSIPS needs all signals blocked there.
    pub thread_init: fn(),
    /// Called on the last thread when it ends because there is no work: the time to release what is
    /// only worth keeping between consecutive jobs.
    pub on_quiet: Option<OnQuiet>,
    /// Counts the threads.
    pub gauge: Gauge,
}

/// See [`PoolConfig::on_quiet`].
#[derive(Clone)]
pub struct OnQuiet(pub Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for OnQuiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnQuiet")
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            max_threads: 256,
            stack_size: DEFAULT_STACK_SIZE,
            idle: Duration::from_secs(10),
            thread_init: || {},
            on_quiet: None,
            gauge: Gauge::NONE,
        }
    }
}

/// A job as run by a thread: it knows its slot and never unwinds.
type Job = Box<dyn FnOnce() + Send>;

/// A thread's mailbox. Only whoever took the thread off the idle list puts messages in.
#[derive(Default)]
struct Mailbox {
    message: Mutex<Message>,
    arrived: Condvar,
}

#[derive(Default)]
enum Message {
    #[default]
    Empty,
    Run(Job),
    /// The pool is gone.
    Exit,
}

impl Mailbox {
    fn put(&self, message: Message) {
        *lock(&self.message) = message;
        self.arrived.notify_one();
    }

    /// Waits for the next message; `None` if none arrived within `limit`.
    fn take(&self, limit: Option<Duration>) -> Option<Message> {
        let mut message = lock(&self.message);
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        while matches!(*message, Message::Empty) {
            message = match until {
                None => self
                    .arrived
                    .wait(message)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.arrived
                        .wait_timeout(message, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        Some(std::mem::take(&mut *message))
    }
}

#[derive(Default)]
struct Threads {
    /// Used as a stack: the last to become idle is the first to work again.
    idle: Vec<Arc<Mailbox>>,
    /// All existing threads, idle or busy.
    total: usize,
    closed: bool,
}

struct Shared {
    name: String,
    config: PoolConfig,
    threads: Mutex<Threads>,
    refused: AtomicU64,
}

/// A pool of threads; see the [module](self).
///
/// Dropping it ends idle threads at once and busy ones after their job. Jobs in progress still
/// complete, by themselves or by their deadline.
pub struct Pool {
    shared: Arc<Shared>,
    deadlines: Arc<Deadlines>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.name)
            .field("config", &self.shared.config)
            .field("threads", &self.threads())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}

impl Pool {
    /// A pool without threads so far. `name` becomes the threads' name (Linux shows 15 bytes of
    /// it).
    pub fn new(name: &str, config: PoolConfig) -> Pool {
        let config = PoolConfig {
            max_threads: config.max_threads.max(1),
            ..config
        };
        // A NUL in a thread's name would make the standard library panic.
        let name = name.replace('\0', "");
        Pool {
            deadlines: Arc::new(Deadlines::new(
                format!("{name}-clock"),
                config.stack_size,
                config.idle,
                config.thread_init,
            )),
            shared: Arc::new(Shared {
                name,
                config,
                threads: Mutex::default(),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Runs `job` on a thread.
    ///
    /// The ticket is completed once, with what `job` returned, or, if that has not happened by
    /// `deadline` or if it panicked, with what `lost` returns; then `notify` is called, once, on
    /// whichever thread completed it.
    ///
    /// # Errors
    /// Fails with [`PoolFull`] if the job can't be started; then the job is not run and `notify` is
    /// not called.
    pub fn submit<T, J, L, N>(
        &self,
        deadline: Instant,
        lost: L,
        job: J,
        notify: N,
    ) -> Result<Ticket<T>, PoolFull>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
        L: FnOnce(Lost) -> T + Send + 'static,
        N: Notify + 'static,
    {
        let slot = Arc::new(Slot::new(deadline, Box::new(lost), Box::new(notify)));
        let on_thread = Arc::clone(&slot);
        let job: Job = Box::new(move || match catch_unwind(AssertUnwindSafe(job)) {
            Ok(value) => on_thread.complete(value),
            Err(_) => on_thread.lose(Lost::Panicked),
        });
        let started = self.deadlines.ready().and_then(|()| {
            // Undone if the job does not start: the watch waits for what it was promised.
            self.start(job).inspect_err(|_| self.deadlines.unready())
        });
        match started {
            Ok(()) => {
                self.deadlines.watch(deadline, &slot);
                Ok(Ticket::new(slot))
            }
            Err(error) => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// A ticket for what takes no thread of its own: it is completed once, by the promise, or, if that has not
    /// happened by `deadline` or the promise was dropped, with what `lost` returns; then `notify` is called.
    ///
    /// # Errors
    /// Fails with [`PoolFull`] if the deadline can't be watched; then `notify` is not called.
    pub fn promise<T: Send + 'static>(
        &self,
        deadline: Instant,
        lost: impl FnOnce(Lost) -> T + Send + 'static,
        notify: impl Notify + 'static,
    ) -> Result<(Promise<T>, Ticket<T>), PoolFull> {
        let slot = Arc::new(Slot::new(deadline, Box::new(lost), Box::new(notify)));
        self.deadlines.ready()?;
        self.deadlines.watch(deadline, &slot);
        Ok((Promise::new(Arc::clone(&slot)), Ticket::new(slot)))
    }

    fn start(&self, job: Job) -> Result<(), PoolFull> {
        let max = self.shared.config.max_threads;
        let mut threads = lock(&self.shared.threads);
        if let Some(mailbox) = threads.idle.pop() {
            drop(threads);
            mailbox.put(Message::Run(job));
            return Ok(());
        }
        if threads.total >= max {
            return Err(PoolFull::Busy { max });
        }
        threads.total += 1;
        drop(threads);
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new()
            .name(self.shared.name.clone())
            .stack_size(self.shared.config.stack_size)
            .spawn(move || work(&shared, job));
        if let Err(error) = started {
            lock(&self.shared.threads).total -= 1;
            return Err(PoolFull::NoThread(error));
        }
        Ok(())
    }

    /// Jobs that currently occupy a thread, including those whose deadline has passed.
    pub fn in_flight(&self) -> usize {
        let threads = lock(&self.shared.threads);
        threads.total.saturating_sub(threads.idle.len())
    }

    /// Job threads that currently exist.
    pub fn threads(&self) -> usize {
        lock(&self.shared.threads).total
    }

    /// How often [`submit`](Self::submit) refused since the pool was created.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = {
            let mut threads = lock(&self.shared.threads);
            threads.closed = true;
            std::mem::take(&mut threads.idle)
        };
        for mailbox in idle {
            mailbox.put(Message::Exit);
        }
        self.deadlines.close();
    }
}

/// The life of a thread.
fn work(shared: &Shared, first: Job) {
    (shared.config.thread_init)();
    let _counted = shared.config.gauge.hold();
    let mailbox = Arc::new(Mailbox::default());
    let mut job = first;
    loop {
        job();
        {
            let mut threads = lock(&shared.threads);
            if threads.closed {
                threads.total -= 1;
                return;
            }
            threads.idle.push(Arc::clone(&mailbox));
        }
        let message = match mailbox.take(Some(shared.config.idle)) {
            Some(message) => message,
            None => {
                let mut threads = lock(&shared.threads);
                match threads
                    .idle
                    .iter()
                    .position(|other| Arc::ptr_eq(other, &mailbox))
                {
                    Some(at) => {
                        threads.idle.remove(at);
                        threads.total -= 1;
                        let quiet = threads.total == 0;
                        drop(threads);
                        if let Some(OnQuiet(call)) =
                            shared.config.on_quiet.as_ref().filter(|_| quiet)
                        {
                            // There is no one to report a panic to.
                            let _ = catch_unwind(AssertUnwindSafe(|| call()));
                        }
                        return;
                    }
                    // Taken off the list by a thread that is about to send a message.
                    None => {
                        drop(threads);
                        mailbox.take(None).unwrap_or(Message::Exit)
                    }
                }
            }
        };
        match message {
            Message::Run(next) => job = next,
            Message::Empty | Message::Exit => {
                lock(&shared.threads).total -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
