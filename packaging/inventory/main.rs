//! Writes what `auth_web.so` is made of, as Cargo resolves it for this machine:
//!
//! - `THIRD-PARTY.txt`: the licence files of every crate in it, word by word,
//! - `auth_web.cdx.json`: a bill of materials (CycloneDX 1.5),
//! - `copyright`: the crates' part of Debian's machine-readable copyright file (DEP-5).
//!
//! `inventory FOLDER`, called by `make dist` and `make deb`; Cargo has to have fetched the crates. What only
//! builds, tests or generates code for the compiler is in no binary, and in none of these.

mod bom;
mod crates;
mod licences;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: inventory FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("inventory: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the three files into the folder.
///
/// # Errors
///
/// Cargo fails, a crate has no licence, or a file can't be read or written; says which.
fn write(folder: &Path) -> Result<(), String> {
    let found = crates::find()?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    put("THIRD-PARTY.txt", licences::texts(&found)?)?;
    put("copyright", licences::debian(&found)?)?;
    put("auth_web.cdx.json", bom::cyclonedx(&found)?)
}
