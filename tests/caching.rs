//! What the module keeps in memory, tried in every OpenSIPS on this machine and in the stand-in:
//! that it serves while it should, and no longer.
//!
//! `cargo test --test caching -- --list` shows all trials; a word filters by name. What cannot be
//! tried here is listed as ignored, with the reason.

// Shared with the other end-to-end tests, and none of them uses all of it.
#[allow(dead_code)]
mod e2e {
    pub mod caching;
    pub mod setting;
    pub mod world;
}
#[allow(dead_code)]
mod webhooks {
    pub mod bindings;
    pub mod device;
    pub mod digest;
    pub mod endpoint;
    pub mod hop;
}
#[allow(dead_code)]
#[path = "harness/mod.rs"]
mod harness;

use e2e::setting::Setting;
use libtest_mimic::Arguments;
use std::sync::Arc;

/// Trials at a time, unless it is said: most of them wait for a second to pass.
const THREADS: usize = 6;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let setting = Arc::new(Setting::new());
    let trials = e2e::caching::trials(&setting);
    drop(setting);
    libtest_mimic::run(&arguments, trials).exit();
}
