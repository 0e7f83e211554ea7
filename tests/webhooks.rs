//! Webhooks at work: a core that runs the module, devices that register and call, and the example
//! endpoint that decides.
//!
//! What is tested is determined at start: every OpenSIPS on this machine and the stand-in. What
//! cannot be tested here is listed as ignored, with the reason. `cargo test --test webhooks --
//! --list` shows all; a word filters by name.

mod webhooks {
    pub mod bans;
    pub mod connecting;
    pub mod credentials;
    pub mod decisions;
    pub mod faults;
    pub mod group;
    pub mod identity;
    pub mod limits;
    pub mod nonces;
    pub mod outgoing;
    pub mod parameters;
    pub mod passwords;
    pub mod redis;
    pub mod registrations;
    pub mod setting;
    pub mod shipped;
    pub mod sight;
    pub mod storm;
    pub mod tables;
    pub mod waiting;
}

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use webhooks::setting::Setting;
use webhooks::{
    bans, credentials, decisions, faults, group, identity, nonces, parameters, storm, waiting,
};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let setting = Arc::new(Setting::open());
    let mut trials = Vec::new();
    for core in setting.cores() {
        let scenarios = [
            decisions::SCENARIOS,
            credentials::SCENARIOS,
            nonces::SCENARIOS,
            identity::SCENARIOS,
            bans::SCENARIOS,
        ];
        trials.extend(group::trials(
            &setting,
            core,
            decisions::script,
            &scenarios.concat(),
        ));
        for (make, scenarios) in [
            (nonces::forgetful as group::Make, nonces::FORGETFUL),
            (identity::unvouched as group::Make, identity::UNVOUCHED),
            (identity::left_to_the_script, identity::LEFT_TO_THE_SCRIPT),
            (identity::small, identity::SMALL),
            (parameters::script_with_all, parameters::WITH_ALL),
            (parameters::script_with_get, parameters::WITH_GET),
            (faults::one_worker, faults::SCENARIOS),
            (faults::one_worker, waiting::SCENARIOS),
            (faults::many_workers, faults::MANY_WORKERS),
        ] {
            trials.extend(group::trials(&setting, core, make, scenarios));
        }
        trials.push(setting.trial(core, storm::ENDED, storm::end));
        trials.extend(webhooks::limits::trials(&setting, core));
        trials.extend(webhooks::outgoing::trials(&setting, core));
        trials.extend(webhooks::shipped::trials(&setting, core));
        trials.extend(webhooks::sight::trials(&setting, core));
        trials.extend(webhooks::redis::trials(&setting, core));
        trials.extend(webhooks::registrations::trials(&setting, core));
        trials.extend(webhooks::tables::trials(&setting, core));
        trials.extend(webhooks::passwords::trials(&setting, core));
    }
    // The oldest and the newest suspend calls in different ways.
    let (real, stand_in): (Vec<_>, Vec<_>) = setting.cores().iter().partition(|c| c.is_opensips());
    let oldest = real.first().filter(|_| real.len() > 1);
    for core in [oldest, real.last(), stand_in.last()].into_iter().flatten() {
        trials.push(setting.trial(core, storm::NAME, storm::run));
    }
    trials
}
