//! The SIPp scenarios on a dockerised OpenSIPS: OpenSIPS and MariaDB in their official images, SIPp
//! in a third, and the module copied in. `make docker-test` runs it: scripts/docker-test finds an
//! engine and images, and takes everything down afterwards. Without the environment that it sets,
//! nothing runs here.

mod stack;

use std::sync::Arc;

use libtest_mimic::Trial;

use super::cases::CASES;
use stack::{Plan, Stack};

/// The trials, if `make docker-test` has set what they need; then no others run.
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
