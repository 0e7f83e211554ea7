//! What is shipped beside the module: `make install`, Debian packages, tarball, and filters for fail2ban.

mod packaging {
    pub mod container;
    pub mod deb;
    pub mod dist;
    pub mod fail2ban;
    pub mod install;
    pub mod inventory;
    pub mod minimal;
}

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = packaging::install::trials();
    trials.extend(packaging::inventory::trials());
    trials.extend(packaging::dist::trials());
    trials.extend(packaging::deb::trials());
    trials.extend(packaging::fail2ban::trials());
    trials.extend(packaging::container::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    FOLDERS.lock().expect("no panic").clear();
    conclusion.exit();
}

/// Folders that several trials use, until all have ended.
static FOLDERS: Mutex<Vec<tempfile::TempDir>> = Mutex::new(Vec::new());

/// A folder for the whole run.
fn shared_folder() -> std::io::Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_path_buf();
    FOLDERS.lock().expect("no panic").push(folder);
    Ok(path)
}

/// A trial that counts as ignored and gives the reason.
fn ignored(name: String, reason: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))
}

/// The trial, or the reason why it can't be: these programs are not all there.
fn with_programs(
    name: &str,
    programs: &[&str],
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let missing = programs
        .iter()
        .find(|program| harness::database::program(program).is_none());
    match missing {
        Some(missing) => ignored(name.to_string(), format!("no {missing}")),
        None => Trial::test(name, run),
    }
}

/// What a command prints on standard output, or everything that it prints if it fails.
fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{command:?}: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        )
        .into()),
    }
}

/// Fails with this text unless it holds.
fn check(holds: bool, text: impl Into<String>) -> Result<(), Failed> {
    match holds {
        true => Ok(()),
        false => Err(text.into().into()),
    }
}
