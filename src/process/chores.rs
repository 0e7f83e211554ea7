//! The process of what is done at intervals, whether there are requests or not.
//!
//! It is there only if there is something to do. One chore is done after the other, in the process's own thread,
//! so that each may use what the process [holds](super::with), and may call into the core: none waits without a
//! time limit (`cachedb_timeout`, `db_timeout`).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::config::Config;
use crate::module::Module;

/// How often the process looks what is due.
const TICK: Duration = Duration::from_millis(50);

/// How long a chore that failed by a fault of its own is left alone.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Something that is done at intervals.
pub trait Chore {
    /// Does it, and says in what time to do so again.
    fn run(&mut self, module: &'static Module) -> Duration;
}

/// Everything that there is to do by this configuration.
fn chores(_config: &Config) -> Vec<Box<dyn Chore>> {
    Vec::new()
}

/// Whether there is anything to do.
pub fn are_wanted(config: &Config) -> bool {
    !chores(config).is_empty()
}

/// Never returns.
pub fn run(module: &'static Module) -> ! {
    let mut due: Vec<_> = chores(&module.config)
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
        sleep(TICK);
    }
}
