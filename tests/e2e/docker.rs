//! The SIPp scenarios on a dockerised OpenSIPS: OpenSIPS and MariaDB in their official images,
//! SIPp in a third, and the module copied in. `make docker-test` runs it: scripts/docker-test
//! finds an engine and images, and takes everything down afterwards. Without what it sets there
//! is nothing to do here.

mod stack;

use super::cases::CASES;
use libtest_mimic::Trial;
use stack::{Plan, Stack};
use std::sync::Arc;

/// The trials, where `make docker-test` has set what they need; they are then all that is run.
pub fn trials() -> Option<Vec<Trial>> {
    let plan = Plan::from_environment()?;
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
    Some(trials)
}
