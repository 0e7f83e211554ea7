//! The module at work: loaded by a core, asked by SIPp, with its profiles in a real database.
//!
//! What is tested is determined at start: every OpenSIPS on this machine and the stand-in, with
//! every database server that is installed. What cannot be tested here is listed as ignored, with
//! the reason. `cargo test --test e2e -- --list` shows all; a word filters by name.

mod e2e {
    pub mod cases;
    pub mod credentials;
    pub mod differential;
    pub mod docker;
    pub mod drop_in;
    pub mod forgeries;
    pub mod group;
    pub mod load;
    pub mod loading;
    pub mod outage;
    pub mod refusals;
    pub mod rows;
    pub mod shipped;
    pub mod start;
    pub mod tables;
    pub mod texts;
    pub mod tls;
    pub mod variants;
}

use std::sync::Arc;

use harness::setting::Setting;
use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    let trials = match e2e::docker::trials() {
        Some(trials) => {
            // In list order: the last one checks what all others have left behind.
            arguments.test_threads = Some(1);
            trials
        }
        None => trials(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials() -> Vec<Trial> {
    let setting = Arc::new(Setting::open());
    let mut trials = Vec::new();
    let places = setting.places();
    for place in &places {
        trials.extend(e2e::group::trials(&setting, place));
        trials.extend(e2e::drop_in::trials(&setting, place));
        trials.extend(e2e::load::trials(&setting, place));
        trials.extend(e2e::tables::trials(&setting, place));
        trials.extend(e2e::texts::trials(&setting, place));
        trials.extend(e2e::tls::trials(&setting, place));
        trials.extend(e2e::outage::trials(&setting, place));
        trials.extend(e2e::credentials::trials(&setting, place));
        if place.core.is_opensips() {
            trials.extend(e2e::differential::trials(&setting, place));
        }
    }
    for places in places.chunk_by(|a, b| a.core.binary == b.core.binary) {
        trials.extend(e2e::variants::trials(&setting, places));
        trials.extend(e2e::refusals::trials(&setting, places));
        trials.extend(e2e::start::trials(&setting, places));
        trials.extend(e2e::shipped::trials(&setting, places));
        trials.extend(e2e::loading::trials(&setting, places));
    }
    for core in setting.not_served() {
        trials.extend(e2e::loading::not_served(&setting, core));
    }
    trials.extend(setting.skipped());
    trials
}
