//! Sends metrics to the server of `stats_server`, as jambonz's dashboards expect them.
//!
//! Whoever has one waits for nothing: it is handed over in shared memory, and a thread of the process of what is done
//! at intervals sends all of them, many in one datagram.

use std::ffi::CStr;
use std::thread;
use std::time::{Duration, Instant};

use super::super::{metrics, notices, with};
use super::aside::Aside;
use super::chore::Chore;
use crate::clock;
use crate::module::Module;
use crate::opensips::log::Level;
use crate::opensips::stats::{self, Statistic};
use crate::redis::{CacheError, Session};
use crate::registrations::Registrations;
use crate::statsd::{MOST_WAITING, Sender};

/// Name in log lines.
const NAME: &CStr = c"metrics";

/// How often metrics are sent.
const TICK: Duration = Duration::from_millis(100);

/// For how long none are sent after that failed.
const HOLD: Duration = Duration::from_secs(1);

/// How often the name of the server is looked up.
const LOOK_UP: Duration = Duration::from_secs(60);

/// How often the number of registrations is sent.
const USERS_INTERVAL: Duration = Duration::from_secs(30);

/// How often the log says that metrics can't be sent.
const MINUTE: Duration = Duration::from_secs(60);

/// Sends the metrics, on a thread of its own.
pub fn sending() -> Aside {
    Aside::new("auth_web-stats", |module| {
        let (Some(server), Some(waiting)) = (&module.config.series.stats, &module.metrics) else {
            return;
        };
        let mut sender = Sender::new(server.clone());
        let (mut looked_up, mut told) = (Instant::now(), None::<Instant>);
        loop {
            let items = waiting.fetch(MOST_WAITING).into_iter();
            let lines: Vec<_> = items.map(|item| item.text).collect();
            if looked_up.elapsed() >= LOOK_UP {
                sender.look_up_again();
                looked_up = Instant::now();
            }
            let (sent, error) = sender.send(&lines);
            stats::count_all(Statistic::MetricsSent, sent);
            stats::count_all(Statistic::MetricsLost, lines.len() - sent);
            let pause = match error {
                None => TICK,
                Some(error) => {
                    if told.is_none_or(|told| told.elapsed() >= MINUTE) {
                        notices::log_later(Level::Warning, NAME, format!("{server}: {error}"));
                        told = Some(Instant::now());
                    }
                    HOLD
                }
            };
            thread::sleep(pause);
        }
    })
}

/// Sends the number of registrations.
#[derive(Debug)]
pub struct Users;

impl Chore for Users {
    fn run(&mut self, module: &'static Module) -> Duration {
        // That Redis fails is told elsewhere.
        if let Ok(count) = count(module) {
            metrics::gauge(module, "sbc.users.count", count, "");
        }
        USERS_INTERVAL
    }
}

/// How many registrations there are.
fn count(module: &'static Module) -> Result<u64, CacheError> {
    let now = u64::try_from(clock::now().as_millis()).unwrap_or(u64::MAX);
    let work = move |session: &Session<'_>| Registrations::new(session).count_all(now);
    with(module, |process| process.ask_redis(work))
}
