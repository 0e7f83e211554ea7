//! Watches the deadlines of a pool's jobs, with one thread and a heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::full::PoolFull;
use super::lock::lock;
use super::ticket::{Expire, Slot};

/// Keeps the thread from spinning if the idle time is zero.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// One job in the heap; the one with the earliest deadline is the greatest.
struct Entry {
    at: Instant,
    /// Weak, so that the result of a finished job is not kept until its deadline.
    slot: Weak<dyn Expire>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Entry>,
    running: bool,
    closed: bool,
    /// Submits between [`Deadlines::ready`] and [`Deadlines::watch`]: the thread must not end.
    expected: usize,
}

pub(super) struct Deadlines {
    name: String,
    stack_size: usize,
    idle: Duration,
    thread_init: fn(),
    state: Mutex<State>,
    changed: Condvar,
}

impl Deadlines {
    pub(super) fn new(
        name: String,
        stack_size: usize,
        idle: Duration,
        thread_init: fn(),
    ) -> Deadlines {
        Deadlines {
            name,
            stack_size,
            idle,
            thread_init,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Ensures that the thread runs before a job is started that depends on it. Each success must
    /// be followed by [`watch`](Self::watch) or [`unready`](Self::unready).
    pub(super) fn ready(self: &Arc<Self>) -> Result<(), PoolFull> {
        let mut state = lock(&self.state);
        if !state.running {
            let this = Arc::clone(self);
            thread::Builder::new()
                .name(self.name.clone())
                .stack_size(self.stack_size)
                .spawn(move || this.run())
                .map_err(PoolFull::NoThread)?;
            state.running = true;
        }
        state.expected += 1;
        Ok(())
    }

    /// The job announced by [`ready`](Self::ready) was not started.
    pub(super) fn unready(&self) {
        lock(&self.state).expected -= 1;
    }

    /// Expires `slot` at `at` if it is still pending.
    pub(super) fn watch<T: Send + 'static>(&self, at: Instant, slot: &Arc<Slot<T>>) {
        let slot: Arc<dyn Expire> = Arc::clone(slot) as Arc<dyn Expire>;
        let mut state = lock(&self.state);
        state.expected -= 1;
        let sooner = state.heap.peek().is_none_or(|first| at < first.at);
        state.heap.push(Entry {
            at,
            slot: Arc::downgrade(&slot),
        });
        drop(state);
        // With one timeout for all jobs, a new deadline is always later: the thread sleeps on.
        if sooner {
            self.changed.notify_one();
        }
    }

    /// Whether the thread is running.
    #[cfg(test)]
    pub(super) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        (self.thread_init)();
        let mut state = lock(&self.state);
        let mut idle_since: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let mut due = Vec::new();
            let mut next = None;
            while let Some(first) = state.heap.peek() {
                let slot = first.slot.upgrade().filter(|slot| slot.is_pending());
                match slot {
                    Some(_) if first.at > now => {
                        next = Some(first.at);
                        break;
                    }
                    Some(slot) => due.push(slot),
                    None => {}
                }
                state.heap.pop();
            }
            if !due.is_empty() {
                // Notifying runs the caller's code: not while holding the lock.
                drop(state);
                for slot in due {
                    slot.expire();
                }
                state = lock(&self.state);
                continue;
            }
            let wait = match next {
                Some(at) => {
                    idle_since = None;
                    // No longer than this, as that job may finish early and leave nothing to watch.
                    at.saturating_duration_since(now)
                        .min(self.idle.max(MIN_WAIT))
                }
                None => {
                    let unused = now.saturating_duration_since(*idle_since.get_or_insert(now));
                    if state.expected == 0 && (state.closed || unused >= self.idle) {
                        state.running = false;
                        return;
                    }
                    // A submit in progress will wake this thread.
                    self.idle.saturating_sub(unused).max(MIN_WAIT)
                }
            };
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
