//! A source tree of OpenSIPS, built or not. Nothing is written into it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::measure::Compiler;
use super::table::{Release, Table};

/// What its own makefiles say about it.
#[derive(Debug, Clone)]
pub struct Tree {
    /// `3.6.8`.
    pub version: String,
    /// `3.6`.
    pub release: Release,
    folder: PathBuf,
    compiler: String,
    flags: String,
}

/// Reads a tree's makefiles as its modules do, and prints the resulting values. If Makefile.conf,
/// which OpenSIPS's `make` writes from its template, is missing, the template is used.
const PROBE: &str = "\
makefile_defs := 0
DEFS := $(DEFS_EXTRA_OPTS)
include $(firstword $(wildcard Makefile.conf) Makefile.conf.template)
include Makefile.defs
$(info series=$(VERSION_MAJOR).$(VERSION_MINOR))
$(info version=$(RELEASE))
$(info compiler=$(CC))
$(info flags=$(MOD_CFLAGS) $(DEFS))
abi-check:
\t@:
";

impl Tree {
    /// Finds out what the folder contains.
    pub fn read(folder: &str) -> Result<Tree, String> {
        if folder.is_empty() {
            return Err(
                "OPENSIPS_SRC is not set. It is the folder with the source of an OpenSIPS, for \
                 example a checkout of its repository at a tag, built or not:\n    \
                 make abi-check OPENSIPS_SRC=/usr/src/opensips-3.6.8"
                    .to_string(),
            );
        }
        let path = Path::new(folder);
        if !path.exists() {
            return Err(format!("OPENSIPS_SRC={folder}: there is no such folder"));
        }
        if !path.is_dir() {
            return Err(format!(
                "OPENSIPS_SRC={folder}: not a folder; an archive has to be unpacked first"
            ));
        }
        for file in ["sr_module.h", "Makefile.defs", "Makefile.conf.template"] {
            if !path.join(file).is_file() {
                return Err(format!(
                    "OPENSIPS_SRC={folder}: not a source tree of OpenSIPS: there is no {file} \
                     in it; the top folder of the sources is meant, not that of an installed \
                     OpenSIPS{}",
                    hint(path)
                ));
            }
        }
        let said = probe(path).map_err(|e| format!("OPENSIPS_SRC={folder}: {e}"))?;
        let value = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_string)
                .ok_or_else(|| format!("OPENSIPS_SRC={folder}: its Makefile.defs sets no {name}"))
        };
        let series = value("series")?;
        Ok(Tree {
            version: value("version")?,
            release: Release::parse(&series).ok_or_else(|| {
                format!("OPENSIPS_SRC={folder}: {series:?} is not a version of OpenSIPS")
            })?,
            folder: path.canonicalize().map_err(|e| e.to_string())?,
            compiler: value("compiler")?,
            flags: value("flags")?,
        })
    }

    /// How a module of that tree is compiled.
    pub fn compiler(&self, table: &Table) -> Compiler {
        Compiler {
            program: self.compiler.clone(),
            include: self.folder.clone(),
            headers: table.headers.clone(),
            flags: self.flags.clone(),
        }
    }
}

/// Where the sources may be instead.
fn hint(path: &Path) -> String {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|inner| inner.join("sr_module.h").is_file())
        .map(|inner| format!(" (did you mean {}?)", inner.display()))
        .unwrap_or_default()
}

fn probe(folder: &Path) -> Result<String, String> {
    use std::io::Write;
    let mut child = Command::new("make")
        .args(["-s", "--no-print-directory", "-f", "-", "-C"])
        .arg(folder)
        .arg("abi-check")
        // The flags of the make that runs us do not apply to it.
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("MAKELEVEL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("make: {e}"))?;
    let mut input = child.stdin.take().ok_or("make takes no input")?;
    input
        .write_all(PROBE.as_bytes())
        .map_err(|e| format!("make: {e}"))?;
    drop(input);
    let output = child.wait_with_output().map_err(|e| format!("make: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "its makefiles can't be read: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}
