//! Where a job's result is stored, once, and collected, once.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::lock::lock;

/// How a caller that does not wait learns that its ticket is complete.
///
/// `notify` is called once, on a thread of the pool, after the result becomes available. It must
/// not block and must not call into OpenSIPS; it is meant to write to an eventfd.
pub trait Notify: Send {
    /// The ticket is complete.
    fn notify(&self);
}

impl<F: Fn() + Send> Notify for F {
    fn notify(&self) {
        self();
    }
}

/// For callers that [`Ticket::wait`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotify;

impl Notify for NoNotify {
    fn notify(&self) {}
}

/// Why a ticket was completed without the job's own result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The deadline came first.
    TimedOut,
    /// The job panicked, which is a defect of the job.
    Panicked,
}

enum State<T> {
    Pending {
        lost: Box<dyn FnOnce(Lost) -> T + Send>,
        notify: Box<dyn Notify>,
    },
    Done(T),
    Taken,
}

/// Shared by the ticket, the job and the deadline.
pub(super) struct Slot<T> {
    deadline: Instant,
    state: Mutex<State<T>>,
    done: Condvar,
}

impl<T> Slot<T> {
    pub(super) fn new(
        deadline: Instant,
        lost: Box<dyn FnOnce(Lost) -> T + Send>,
        notify: Box<dyn Notify>,
    ) -> Self {
        Slot {
            deadline,
            state: Mutex::new(State::Pending { lost, notify }),
            done: Condvar::new(),
        }
    }

    /// Stores the job's result; it is dropped if the deadline came first.
    pub(super) fn complete(&self, value: T) {
        self.settle(|_| value);
    }

    /// Completes without a result; does nothing if there already is one.
    pub(super) fn lose(&self, why: Lost) {
        self.settle(|lost| lost(why));
    }

    fn settle(&self, value: impl FnOnce(Box<dyn FnOnce(Lost) -> T + Send>) -> T) {
        let notify = {
            let mut state = lock(&self.state);
            match std::mem::replace(&mut *state, State::Taken) {
                State::Pending { lost, notify } => {
                    *state = State::Done(value(lost));
                    notify
                }
                settled => {
                    *state = settled;
                    return;
                }
            }
        };
        self.done.notify_all();
        // Outside the lock: the notified caller comes back for the result.
        notify.notify();
    }
}

/// What the deadline watch needs to know about a job.
pub(super) trait Expire: Send + Sync {
    /// Whether there is no result yet.
    fn is_pending(&self) -> bool;
    /// The deadline has passed.
    fn expire(&self);
}

impl<T: Send> Expire for Slot<T> {
    fn is_pending(&self) -> bool {
        matches!(*lock(&self.state), State::Pending { .. })
    }

    fn expire(&self) {
        self.lose(Lost::TimedOut);
    }
}

/// The duty to complete a ticket. If it is dropped, the result is lost.
pub struct Promise<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Promise<T> {
    pub(super) fn new(slot: Arc<Slot<T>>) -> Self {
        Promise { slot }
    }

    /// Completes the ticket; the value is dropped if the deadline came first.
    pub fn complete(self, value: T) {
        self.slot.complete(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.slot.lose(Lost::Panicked);
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Promise")
    }
}

/// The right to the result of one job. Dropping it abandons the result, not the job.
pub struct Ticket<T> {
    slot: Arc<Slot<T>>,
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("deadline", &self.slot.deadline)
            .finish_non_exhaustive()
    }
}

impl<T> Ticket<T> {
    pub(super) fn new(slot: Arc<Slot<T>>) -> Self {
        Ticket { slot }
    }

    /// The result if available, otherwise the ticket again. Never blocks.
    pub fn try_take(self) -> Result<T, Ticket<T>> {
        let mut state = lock(&self.slot.state);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(value) => Ok(value),
            other => {
                *state = other;
                drop(state);
                Err(self)
            }
        }
    }

    /// Blocks until there is a result, at the latest at the deadline.
    pub fn wait(self) -> T {
        let mut state = lock(&self.slot.state);
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(value) => return value,
                other => *state = other,
            }
            let left = self.slot.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Not left to the deadline thread: it may get no processor time on a busy machine,
                // and this thread has it.
                drop(state);
                self.slot.lose(Lost::TimedOut);
                state = lock(&self.slot.state);
            } else {
                state = self
                    .slot
                    .done
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }
}
