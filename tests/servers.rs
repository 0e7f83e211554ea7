//! Whether the servers that other suites start do what those rely on: they run, hang, end and fail
//! over; and whether what is measured of a SIP server is so.

mod servers {
    pub mod hanging;
    pub mod measured;
    pub mod redis;
}

use harness::setting::ignored;
use libtest_mimic::{Arguments, Trial};

use servers::{hanging, measured, redis};

/// A name, why it cannot be tried here, and the trial.
type Scenario = (&'static str, Option<String>, fn() -> Result<(), String>);

fn main() {
    let arguments = Arguments::from_args();
    let scenarios = [
        redis::scenarios(),
        hanging::scenarios(),
        measured::scenarios(),
    ];
    let trials = scenarios.into_iter().flatten().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial((name, missing, run): Scenario) -> Trial {
    match missing {
        None => Trial::test(name, move || Ok(run()?)),
        Some(reason) => ignored(name.to_string(), reason),
    }
}

/// A folder for the files of one trial.
fn folder() -> Result<tempfile::TempDir, String> {
    let made = tempfile::Builder::new()
        .prefix("auth_web-servers-")
        .tempdir();
    made.map_err(|e| e.to_string())
}

/// Fails with what was not so.
fn check(is_so: bool, otherwise: impl std::fmt::Debug) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(format!("{otherwise:?}")),
    }
}
