//! The process of what is done at intervals, whether there are requests or not.
//!
//! It is there only if there is something to do. One chore is done after the other, in the process's own thread,
//! so that each may use what the process [holds](super::with), and may call into the core: none waits without a
//! time limit (`cachedb_timeout`, `db_timeout`). What sends requests of its own has another such process.

mod addresses;
mod adoption;
mod alerts;
mod aside;
pub mod chore;
mod members;
mod metrics;
mod trunks;

pub use trunks::list as list_trunks;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread::sleep,
    time::{Duration, Instant},
};

use self::chore::Chore;
use crate::config::Config;
use crate::module::Module;

/// How often the process looks what is due.
const TICK: Duration = Duration::from_millis(50);

/// How long a chore that failed by a fault of its own is left alone.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// What there is to do by this configuration.
pub fn chores(config: &Config) -> Vec<Box<dyn Chore>> {
    let mut chores: Vec<Box<dyn Chore>> = Vec::new();
    if config.series.alerts.is_some() {
        chores.push(Box::new(alerts::writing()));
    }
    if config.series.stats.is_some() {
        chores.push(Box::new(metrics::sending()));
        chores.push(Box::new(metrics::Users));
    }
    if !config.checkins.networks.is_empty() {
        chores.push(Box::new(members::Look));
    }
    if let Some(table) = &config.addresses.table {
        chores.push(Box::new(addresses::Keep::new(table.clone())));
    }
    if let Some(interval) = config.registrations.adopt_interval {
        chores.push(Box::new(adoption::Adopt::new(interval)));
    }
    chores
}

/// What sends requests of its own. It has a process for itself: before tm sends something to a name, it looks that up,
/// for as long as the core's resolver takes.
pub fn trunks(config: &Config) -> Vec<Box<dyn Chore>> {
    let settings = config.trunks.wanted().into_iter();
    settings
        .map(|settings| Box::new(trunks::Keep::new(settings)) as Box<dyn Chore>)
        .collect()
}

/// Whether there is anything to do.
pub fn are_wanted(config: &Config) -> bool {
    !chores(config).is_empty() || !trunks(config).is_empty()
}

/// Removes what they leave for other processes, at the end.
pub fn end() {
    trunks::end();
}

/// Does these, and never returns. What is found out meanwhile that has to be told, `tell` does.
pub fn run(chores: Vec<Box<dyn Chore>>, module: &'static Module, tell: fn(&Module)) -> ! {
    let mut due: Vec<_> = chores
        .into_iter()
        .map(|chore| (Instant::now(), chore))
        .collect();
    loop {
        for (next, chore) in &mut due {
            if Instant::now() < *next {
                continue;
            }
            let again = catch_unwind(AssertUnwindSafe(|| chore.run(module)));
            *next = Instant::now() + again.unwrap_or(AFTER_PANIC);
        }
        tell(module);
        sleep(TICK);
    }
}
