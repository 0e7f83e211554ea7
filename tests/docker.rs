//! The SIPp scenarios on a dockerised OpenSIPS: OpenSIPS and MariaDB in their official images,
//! SIPp in a third, and the module copied in. `make docker-test` runs it: scripts/docker-test
//! finds an engine and images, and takes everything down afterwards. Without what it sets there
//! is nothing to do here.

// Neither uses all of it.
#[allow(dead_code)]
#[path = "e2e"]
mod e2e {
    pub mod cases;
    pub mod forgeries;
    pub mod group;
    pub mod rows;
    pub mod secrecy;
    pub mod setting;
    pub mod world;
}
#[allow(dead_code)]
#[path = "harness/mod.rs"]
mod harness;
#[path = "docker/stack.rs"]
mod stack;

use e2e::cases::CASES;
use libtest_mimic::{Arguments, Trial};
use stack::{Plan, Stack};
use std::sync::Arc;

fn main() {
    let mut arguments = Arguments::from_args();
    // In the order of the list: the last trial looks at what all of them have left.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let Some(plan) = Plan::from_environment() else {
        return Vec::new();
    };
    let stack = Arc::new(Stack::new(plan));
    let mut trials: Vec<Trial> = CASES
        .iter()
        .map(|case| {
            let stack = Arc::clone(&stack);
            Trial::test(format!("{}: {}", stack.label(), case.name), move || {
                Ok(stack.run(case)?)
            })
        })
        .collect();
    let label = stack.label().to_string();
    trials.push(Trial::test(
        format!("{label}: every process is there, and nothing secret in the log"),
        move || Ok(stack.look_after()?),
    ));
    trials
}
