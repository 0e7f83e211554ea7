//! The SIPp scenarios on a dockerised OpenSIPS: OpenSIPS, MariaDB and Redis in their official images, the
//! example endpoint and SIPp in others, and the module copied in. `make docker-test` runs it:
//! scripts/docker-test finds an engine and images, and takes everything down afterwards. Without the
//! environment that it sets, nothing runs here.

mod containers;
mod registrar;
mod stack;
mod tokens;
mod webhooks;

use std::sync::Arc;

use libtest_mimic::Trial;

use containers::Plan;

/// The trials, if `make docker-test` has set what they need; then no others run.
pub fn trials() -> Option<Vec<Trial>> {
    let plan = Arc::new(Plan::from_environment()?);
    let mut trials = tokens::trials(&plan);
    trials.extend(webhooks::trials(&plan));
    trials.extend(registrar::trials(&plan));
    Some(trials)
}
