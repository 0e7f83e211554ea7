//! The connections of one process, shared by the threads of its pool.
//!
//! The mysql crate's own pool is not used: it connects while it holds its lock, so one server that
//! does not answer would hold up every thread beyond its deadline.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use mysql::{Conn, Opts};

/// Most connections of one process. A worker waits for one query at a time; asynchronous calls
/// share these.
pub const MAX_CONNECTIONS: usize = 8;

#[derive(Default)]
struct State {
    /// Used as a stack: the most recently used first.
    idle: Vec<Conn>,
    /// Open or being opened, idle ones included.
    open: usize,
}

/// See the [module](self).
#[derive(Default)]
pub struct Connections {
    state: Mutex<State>,
    freed: Condvar,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections")
            .field("open", &self.lock().open)
            .finish_non_exhaustive()
    }
}

/// The right to one connection, given back when it is dropped.
pub struct Lease<'a> {
    home: &'a Connections,
    connection: Option<Conn>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a connection to be free; `None` if none was by the deadline.
    pub fn lease(&self, deadline: Instant) -> Option<Lease<'_>> {
        let mut state = self.lock();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Some(Lease {
                    home: self,
                    connection: Some(connection),
                });
            }
            if state.open < MAX_CONNECTIONS {
                state.open += 1;
                return Some(Lease {
                    home: self,
                    connection: None,
                });
            }
            let left = deadline.checked_duration_since(Instant::now())?;
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
        state.idle.clear();
    }
}

impl Lease<'_> {
    /// Whether the connection was used before.
    pub fn is_kept(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, made now if there is none.
    ///
    /// # Errors
    /// Fails with the error of the server or the network.
    pub fn connection(&mut self, opts: &Opts) -> Result<&mut Conn, mysql::Error> {
        if self.connection.is_none() {
            self.connection = Some(Conn::new(opts.clone())?);
        }
        Ok(self.connection.as_mut().expect("made above"))
    }

    /// Closes the connection, which is not to be used again.
    pub fn discard(&mut self) {
        self.connection = None;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.home.lock();
        match self.connection.take() {
            // A panic may have occurred between a question and its answer.
            Some(connection) if !std::thread::panicking() => state.idle.push(connection),
            _ => state.open -= 1,
        }
        drop(state);
        self.home.freed.notify_one();
    }
}
