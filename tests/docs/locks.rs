//! The lock file of the fuzz targets, which are not a member of the workspace: what the module
//! depends on must be in it, or they no longer build.

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::{Failed, Trial};

/// The trials.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "the fuzz targets' lock file has the module's dependencies",
            same_dependencies,
        ),
        Trial::test(
            "a dependency that a lock file lacks is found",
            a_lack_is_found,
        ),
    ]
}

fn same_dependencies() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let lock = std::fs::read_to_string(root.join("fuzz/Cargo.lock"))?;
    let declared = declared(&manifest);
    if declared.len() < 10 {
        return Err(format!("{} dependencies only in Cargo.toml", declared.len()).into());
    }
    let locked = locked(&lock);
    if declared != locked {
        let differing: Vec<_> = declared.symmetric_difference(&locked).collect();
        return Err(format!(
            "fuzz/Cargo.lock and Cargo.toml differ in {differing:?}: run cargo update --workspace in fuzz"
        )
        .into());
    }
    Ok(())
}

fn a_lack_is_found() -> Result<(), Failed> {
    let declared = declared("[dependencies]\na = \"1\"\n\n[build-dependencies]\nb = \"1\"\n");
    let locked = locked("[[package]]\nname = \"auth_web\"\ndependencies = [\n \"a 1.0.0\",\n]\n");
    match declared.difference(&locked).eq(["b"].iter()) {
        true => Ok(()),
        false => Err(format!("{declared:?} and {locked:?}").into()),
    }
}

/// What a build of the module needs, by its Cargo.toml.
fn declared(manifest: &str) -> BTreeSet<&str> {
    let mut needed = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            needed = matches!(line, "[dependencies]" | "[build-dependencies]");
        } else if needed && let Some((name, _)) = line.split_once(" = ") {
            names.insert(name);
        }
    }
    names
}

/// What the module depends on, by a lock file.
fn locked(lock: &str) -> BTreeSet<&str> {
    let package = lock
        .split("[[package]]")
        .find(|package| package.lines().any(|line| line == "name = \"auth_web\""))
        .unwrap_or_default();
    package
        .lines()
        .filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","))
        .filter_map(|dependency| dependency.split(' ').next())
        .collect()
}
