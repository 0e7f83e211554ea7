//! Writes alerts to InfluxDB.
//!
//! Whoever raises one waits for nothing: it is handed over in shared memory, and a thread of the process of what is
//! done at intervals writes all of them, many at a time. While InfluxDB can't be asked, some are kept, the others
//! are lost, and counted.

use std::ffi::CStr;
use std::thread;
use std::time::{Duration, Instant};

use super::super::notices::{self, Subject};
use super::aside::Aside;
use crate::alerts::{Influx, MOST_WAITING, Waiting, WriteError};
use crate::http::Documents;
use crate::opensips::log::Level;
use crate::opensips::stats::{self, Statistic};

/// Name in log lines.
const NAME: &CStr = c"alerts";

/// How often it is looked for alerts.
const TICK: Duration = Duration::from_millis(200);

/// How long InfluxDB may take for a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Most alerts that are written in one request.
const AT_ONCE: usize = 500;

/// How long InfluxDB is left alone after it has failed: twice as long each time, up to the second.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Writes the alerts, on a thread of its own.
pub fn writing() -> Aside {
    Aside::new("auth_web-alerts", |module| {
        let (Some(influx), Some(waiting)) = (&module.config.series.alerts, &module.alerts) else {
            return;
        };
        match Documents::new(&module.config.http.client) {
            Ok(client) => Writer::new(influx, waiting, client).run(),
            // Which mod_init has tried: a file may be gone since.
            Err(error) => {
                notices::log_later(Level::Error, NAME, format!("{influx}: {error}"));
                thread::sleep(HOLD.1);
            }
        }
    })
}

/// The one who writes.
struct Writer<'a> {
    influx: &'a Influx,
    waiting: &'a Waiting,
    client: Documents,
    /// What was fetched and is not written yet.
    kept: Vec<String>,
    /// The time of the last one, in nanoseconds: points of the same tags and the same time are one.
    last: u64,
    /// Whether the database is there.
    is_prepared: bool,
    /// How long InfluxDB is left alone if it fails the next time.
    hold: Duration,
}

impl<'a> Writer<'a> {
    fn new(influx: &'a Influx, waiting: &'a Waiting, client: Documents) -> Self {
        Writer {
            influx,
            waiting,
            client,
            kept: Vec::new(),
            last: 0,
            is_prepared: false,
            hold: HOLD.0,
        }
    }

    fn run(mut self) -> ! {
        loop {
            self.fetch();
            let pause = match self.kept.is_empty() {
                true => TICK,
                false => self.write(),
            };
            thread::sleep(pause);
        }
    }

    fn fetch(&mut self) {
        let room = MOST_WAITING.saturating_sub(self.kept.len());
        for item in self.waiting.fetch(room) {
            self.last = item.time.max(self.last + 1);
            let point = String::from_utf8_lossy(&item.text);
            self.kept.push(format!("{point} {}", self.last));
        }
    }

    /// Writes some of what is kept, and says in what time to go on.
    fn write(&mut self) -> Duration {
        let asked = Instant::now();
        let count = self.kept.len().min(AT_ONCE);
        let lines = self.kept.get(..count).unwrap_or_default();
        let written = match self.is_prepared {
            true => Ok(()),
            false => self.influx.prepare(&self.client, asked + TIMEOUT),
        };
        let written = written.and_then(|()| {
            self.is_prepared = true;
            self.influx
                .write(&self.client, lines, Instant::now() + TIMEOUT)
        });
        match written {
            Ok(()) => {
                stats::count_all(Statistic::AlertsWritten, count);
                notices::note(&Subject::Alerts, asked, None);
            }
            // It works, and would refuse them again.
            Err(error @ WriteError::Refused { .. }) => {
                stats::count_all(Statistic::AlertsLost, count);
                notices::log_later(Level::Error, NAME, format!("{}: {error}", self.influx));
                notices::note(&Subject::Alerts, asked, None);
            }
            Err(error) => {
                // Somebody may have dropped it.
                self.is_prepared = false;
                notices::note(&Subject::Alerts, asked, Some(&error));
                let pause = self.hold;
                self.hold = (pause * 2).min(HOLD.1);
                return pause;
            }
        }
        self.kept.drain(..count);
        self.hold = HOLD.0;
        TICK
    }
}
