//! What the module keeps in memory, tested in every OpenSIPS on this machine and in the stand-in:
//! it must be served for as long as allowed, and no longer.
//!
//! `cargo test --test caching -- --list` shows all trials; a word filters by name. What cannot be
//! tested here is listed as ignored, with the reason.

mod caching {
    pub mod bearer;
    pub mod bound;
    pub mod challenge;
    pub mod challenges;
    pub mod clock;
    pub mod commands;
    pub mod demand;
    pub mod discovery;
    pub mod documents;
    pub mod identity;
    pub mod introspection;
    pub mod introspection_bound;
    pub mod introspection_rows;
    pub mod introspector;
    pub mod issuers;
    pub mod keys;
    pub mod limits;
    pub mod list;
    pub mod many;
    pub mod once;
    pub mod outage;
    pub mod outgoing;
    pub mod own;
    pub mod preload;
    pub mod provider;
    pub mod recipes;
    pub mod revocations;
    pub mod rows;
    pub mod rules;
    pub mod running;
    pub mod sign;
    pub mod signatures;
    pub mod tenants;
}

use std::sync::Arc;

use harness::setting::Setting;
use libtest_mimic::Arguments;

/// Trials that run at a time unless set otherwise: most of them wait for a second to pass.
const THREADS: usize = 6;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let setting = Arc::new(Setting::open());
    let trials = caching::list::trials(&setting);
    drop(setting);
    libtest_mimic::run(&arguments, trials).exit();
}
