//! A registrar under load, watched from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::core::Core;
use harness::instance::Config;
use harness::load::{Load, Outcome};
use harness::pulse::Pulse;

use super::crowd;

/// After what time a call counts as unanswered.
const LIMIT: Duration = Duration::from_secs(8);

/// An OpenSIPS that only answers OPTIONS. Its delays are those of the machine.
pub struct Plain;

impl Config for Plain {
    fn render(&self, core: &Core, port: u16) -> String {
        let modules = core.modules.clone().unwrap_or_default();
        format!(
            "log_level=1\nstderror_enabled=yes\nsyslog_enabled=no\n\
             socket=udp:127.0.0.1:{port}\nudp_workers=2\nmpath=\"{}/\"\n\
             loadmodule \"proto_udp.so\"\nloadmodule \"sl.so\"\n\
             route {{\n    sl_send_reply(200, \"OK\");\n}}\n",
            modules.display()
        )
    }
}

/// The load, and OPTIONS every 10 ms, until it is stopped.
pub struct Watch {
    stop: Arc<AtomicBool>,
    load: JoinHandle<Result<Outcome, String>>,
    pulse: Pulse,
    plain: Pulse,
}

/// What was seen.
pub struct Seen {
    /// Registrations and calls.
    pub load: Outcome,
    /// OPTIONS.
    pub pulse: Outcome,
    /// OPTIONS to an OpenSIPS that does nothing else.
    pub plain: Outcome,
}

impl Watch {
    /// Begins at once, at this port, with that many calls a second, and with OPTIONS at the port of
    /// a [`Plain`] one as well.
    ///
    /// # Errors
    /// Fails if there is no socket, or the devices that are there from the beginning do not
    /// register.
    pub fn start(port: u16, plain: u16, rate: u32) -> Result<Watch, String> {
        let load = Load::new(port)?;
        let beginning = Duration::from_millis(1000 * crowd::STEADY / u64::from(rate) + 200);
        let registered = load.run_for(beginning, rate, LIMIT, crowd::begin)?;
        if registered.count(200) != crowd::STEADY as usize {
            return Err(format!("the first devices: {:?}", registered.statuses));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let load = std::thread::spawn(move || {
            let goes_on = |_| !stopped.load(Ordering::Relaxed);
            load.run(rate, LIMIT, goes_on, crowd::write)
        });
        Ok(Watch {
            stop,
            load,
            pulse: Pulse::start(port)?,
            plain: Pulse::start(plain)?,
        })
    }

    /// Ends it, once all are answered or their time is over.
    ///
    /// # Errors
    /// Fails if nothing could be sent.
    pub fn stop(self) -> Result<Seen, String> {
        self.stop.store(true, Ordering::Relaxed);
        let load = self.load.join().map_err(|_| "the load panicked")??;
        Ok(Seen {
            load,
            pulse: self.pulse.stop()?,
            plain: self.plain.stop()?,
        })
    }
}
