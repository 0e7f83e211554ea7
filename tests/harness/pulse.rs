//! Whether a SIP server stays responsive while something else happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::load::{Load, Outcome};

/// OPTIONS per second: one every 10 ms.
const RATE: u32 = 100;

/// After what time an OPTIONS counts as unanswered.
const LIMIT: Duration = Duration::from_secs(2);

/// A thread that sends OPTIONS until it is stopped.
pub struct Pulse {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Outcome, String>>>,
}

impl Pulse {
    /// Begins at once, to this UDP port of 127.0.0.1.
    ///
    /// # Errors
    /// Fails if there is no socket.
    pub fn start(port: u16) -> Result<Pulse, String> {
        let load = Load::new(port)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let goes_on = |_| !stopped.load(Ordering::Relaxed);
            load.run(RATE, LIMIT, goes_on, |ask| {
                Some(ask.request("OPTIONS", "pulse@example.org", ""))
            })
        });
        Ok(Pulse {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it, once all are answered or 2 s are over. The outcome has the longest delay, the
    /// median, and how many were not answered within 2 s.
    ///
    /// # Errors
    /// Fails if nothing could be sent.
    pub fn stop(mut self) -> Result<Outcome, String> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or("it has ended")?;
        thread.join().map_err(|_| "the pulse panicked")?
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
