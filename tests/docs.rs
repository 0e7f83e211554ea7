//! Checks the documents against the module that they describe: every script and example is checked
//! by each OpenSIPS on this machine, the path from the README to an answered request is followed as
//! written, and the manual is compared with what the module exports.

mod docs {
    pub mod architecture;
    pub mod block;
    pub mod circles;
    pub mod config;
    pub mod errors;
    pub mod examples;
    pub mod exports;
    pub mod imports;
    pub mod links;
    pub mod locks;
    pub mod manual;
    pub mod order;
    pub mod quick_start;
    pub mod readings;
    pub mod reasons;
    pub mod threats;
}

use libtest_mimic::{Arguments, Completion, Trial};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let mut trials = docs::manual::trials();
    trials.extend(docs::architecture::trials());
    trials.extend(docs::config::trials());
    trials.extend(docs::readings::trials());
    trials.extend(docs::reasons::trials());
    trials.extend(docs::links::trials());
    trials.extend(docs::circles::trials());
    trials.extend(docs::locks::trials());
    trials.extend(docs::order::trials());
    trials.extend(docs::errors::trials());
    trials.extend(docs::threats::trials());
    trials.push(docs::quick_start::sql_trial());
    let mut cores = harness::core::opensips();
    cores.retain(harness::core::Core::is_served);
    if cores.is_empty() {
        trials.push(ignored(
            "examples and scripts of the documents".to_string(),
            "no OpenSIPS of a supported release on this machine".to_string(),
        ));
    }
    for core in &cores {
        trials.extend(docs::examples::trials(core));
        trials.push(docs::quick_start::trial(core));
    }
    trials
}

/// A trial that counts as ignored and gives the reason.
fn ignored(name: String, reason: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))
}
