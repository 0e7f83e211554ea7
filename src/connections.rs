//! The connections of one process to a server, shared by the threads of its pools.
//!
//! Pools of libraries are not used: they connect while they hold their lock, so that one server that
//! does not answer would hold up every thread beyond its deadline.

use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::meters::Gauge;

/// How many connections are opened at once. After an outage everybody wants one at the same moment,
/// and TLS handshakes would starve the SIP workers of processor time; the few that are open first
/// serve many.
const OPENED_AT_ONCE: usize = 1;

/// How long to wait for one of those that are open before another is opened: a question takes a fraction of
/// this, so that whoever waits longer is not merely one of many that came at the same moment.
const PATIENCE: Duration = Duration::from_millis(5);

struct State<C> {
    /// Used as a stack: the most recently used first.
    idle: Vec<C>,
    /// Open or being opened, idle ones included.
    open: usize,
    /// Of these, the ones that are being opened.
    opening: usize,
}

/// See the [module](self).
pub struct Connections<C> {
    most: usize,
    gauge: Gauge,
    state: Mutex<State<C>>,
    freed: Condvar,
}

impl<C> fmt::Debug for Connections<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("open", &self.lock().open)
            .finish_non_exhaustive()
    }
}

/// Why there was no connection in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// All that are allowed were in use.
    AllInUse,
    /// Those that were being opened were not ready: the server is slow.
    NotOpen,
}

/// The right to one connection, given back when it is dropped.
pub struct Lease<'a, C> {
    home: &'a Connections<C>,
    connection: Option<C>,
    /// Whether it is counted as one that is being opened.
    is_opening: bool,
}

impl<C> Connections<C> {
    /// Room for at most this many.
    pub fn new(most: usize) -> Self {
        Connections {
            most,
            gauge: Gauge::NONE,
            state: Mutex::new(State {
                idle: Vec::new(),
                open: 0,
                opening: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// Counts those that are open, or being opened.
    #[must_use]
    pub fn counting(self, gauge: Gauge) -> Self {
        Connections { gauge, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a connection to be free, or for one that may be opened.
    ///
    /// # Errors
    /// Fails with [`Unavailable`] if there was none by the deadline.
    pub fn lease(&self, deadline: Instant) -> Result<Lease<'_, C>, Unavailable> {
        let begin = Instant::now();
        let whole = deadline.saturating_duration_since(begin);
        let patient_until = begin + PATIENCE.min(whole / 4);
        let mut state = self.lock();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(Lease {
                    home: self,
                    connection: Some(connection),
                    is_opening: false,
                });
            }
            let may_open = state.open < self.most && state.opening < OPENED_AT_ONCE;
            let is_first = state.open == state.opening;
            let now = Instant::now();
            if may_open && (is_first || now >= patient_until) {
                state.open += 1;
                state.opening += 1;
                self.gauge.add(1);
                return Ok(Lease {
                    home: self,
                    connection: None,
                    is_opening: true,
                });
            }
            let Some(left) = deadline.checked_duration_since(now) else {
                return Err(match state.open < self.most {
                    true => Unavailable::NotOpen,
                    false => Unavailable::AllInUse,
                });
            };
            // Later there is nothing to be patient for: whoever has opened one lets the next one know.
            let left = match patient_until.checked_duration_since(now) {
                Some(patient) if may_open => left.min(patient),
                _ => left,
            };
            state = self
                .freed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Closes the connections that are idle.
    pub fn close_idle(&self) {
        let mut state = self.lock();
        state.open -= state.idle.len();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        self.gauge.add(-i64::try_from(idle.len()).unwrap_or(0));
        // Closing may take a system call each.
        drop(idle);
    }
}

impl<C> Lease<'_, C> {
    /// Whether there is a connection that was used before.
    pub fn is_kept(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, made now where there is none.
    ///
    /// # Errors
    /// Fails with the error of `make`.
    pub fn connection<E>(&mut self, make: impl FnOnce() -> Result<C, E>) -> Result<&mut C, E> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => make()?,
        };
        if std::mem::take(&mut self.is_opening) {
            self.home.lock().opening -= 1;
            self.home.freed.notify_one();
        }
        Ok(self.connection.insert(connection))
    }

    /// Closes the connection, which is not to be used again.
    pub fn discard(&mut self) {
        self.connection = None;
    }
}

impl<C> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        let mut state = self.home.lock();
        match self.connection.take() {
            // A panic may have come between a question and its answer.
            Some(connection) if !std::thread::panicking() => state.idle.push(connection),
            _ => {
                state.open -= 1;
                self.home.gauge.add(-1);
            }
        }
        if self.is_opening {
            state.opening -= 1;
        }
        drop(state);
        self.home.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_are_never_more_than_allowed() {
        let connections = Connections::new(1);
        let made =
            |lease: &mut Lease<'_, u32>, number| *lease.connection(|| Ok::<_, ()>(number)).unwrap();
        let mut first = connections.lease(Instant::now()).unwrap();
        assert_eq!((first.is_kept(), made(&mut first, 1)), (false, 1));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(connections.lease(soon).err(), Some(Unavailable::AllInUse));
        drop(first);
        let mut again = connections.lease(Instant::now()).unwrap();
        assert_eq!((again.is_kept(), made(&mut again, 2)), (true, 1));
        again.discard();
        assert_eq!(made(&mut again, 3), 3);
        drop(again);
        connections.close_idle();
        let mut last = connections.lease(Instant::now()).unwrap();
        assert_eq!(made(&mut last, 4), 4);
    }

    /// Whoever can't open one waits until one is free, or another has opened or failed.
    #[test]
    fn one_is_opened_at_once() {
        let connections = Connections::new(9);
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut first = connections.lease(soon()).unwrap();
        assert_eq!(connections.lease(soon()).err(), Some(Unavailable::NotOpen));
        first.connection(|| Ok::<_, ()>(1)).unwrap();
        // It is in use for longer than anybody is patient.
        let second = connections.lease(soon()).unwrap();
        assert!(!second.is_kept());
        assert_eq!(connections.lease(soon()).err(), Some(Unavailable::NotOpen));
        drop(first);
        let kept = connections.lease(soon()).unwrap();
        assert!(kept.is_kept());
        assert_eq!(connections.lease(soon()).err(), Some(Unavailable::NotOpen));
        drop(second);
        let mut third = connections.lease(soon()).unwrap();
        assert!(third.connection(|| Err::<u32, ()>(())).is_err());
        drop((third, kept));
        assert!(connections.lease(soon()).unwrap().is_kept());
    }
}
