//! Finds what the module can be loaded into.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program that loads the module and runs a routing script.
#[derive(Debug, Clone)]
pub struct Core {
    /// What it is.
    pub kind: Kind,
    /// The executable.
    pub binary: PathBuf,
    /// The folder of its modules; the stand-in has none.
    pub modules: Option<PathBuf>,
    /// Command-line arguments, besides the configuration.
    pub arguments: Vec<String>,
}

/// Real or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// OpenSIPS, with its version as `opensips -V` prints it.
    OpenSips(String),
    /// The small core of tests/core, with the layouts of the named release if it is not the default
    /// one.
    StandIn(Option<&'static str>),
}

/// The heading of every result.
impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::OpenSips(version) => write!(f, "core: OpenSIPS {version}"),
            Kind::StandIn(version) => {
                let sanitized = if sanitized() { "sanitized " } else { "" };
                write!(f, "core: {sanitized}stand-in")?;
                version.map_or(Ok(()), |version| write!(f, " as {version}"))
            }
        }
    }
}

impl Core {
    /// Whether this is the real thing.
    pub fn is_opensips(&self) -> bool {
        matches!(self.kind, Kind::OpenSips(_))
    }

    /// Whether this OpenSIPS lets two threads read one connection at once, and so loses messages over
    /// TCP, TLS and WebSocket now and then: 4.0.0 and 4.0.1, by its issue 4232.
    pub fn loses_messages(&self) -> bool {
        matches!(&self.kind, Kind::OpenSips(version) if ["4.0.0", "4.0.1"].contains(&version.as_str()))
    }

    /// Whether the module serves this release: 3.4 to 4.0.
    pub fn is_served(&self) -> bool {
        let version = match &self.kind {
            Kind::OpenSips(version) => version.as_str(),
            Kind::StandIn(Some(version)) => version,
            Kind::StandIn(None) => return true,
        };
        let mut parts = version.split(|c: char| !c.is_ascii_digit());
        let mut number = || {
            parts
                .next()
                .and_then(|n| n.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let (major, minor) = (number(), number());
        (3, 4) <= (major, minor) && (major, minor) <= (4, 0)
    }

    /// One of the SQL files that came with it, if they are installed.
    pub fn sql_file(&self, backend: &str, file: &str) -> Option<PathBuf> {
        let prefix = self.binary.parent()?.parent()?;
        let path = prefix.join("share/opensips").join(backend).join(file);
        path.is_file().then_some(path)
    }

    /// Whether it has its own driver for MySQL.
    pub fn drives_mysql(&self) -> bool {
        self.module("db_mysql.so").is_some()
    }

    /// Ensures that what it needs is built: the module, and the stand-in itself.
    ///
    /// # Errors
    /// Fails if something is missing; the message says how to build it.
    pub fn prepare(&self) -> Result<(), String> {
        static STAND_IN: OnceLock<Result<(), String>> = OnceLock::new();
        let module = super::module();
        if !module.is_file() {
            return Err(format!("no module at {}: run make", module.display()));
        }
        match self.kind {
            Kind::OpenSips(_) => Ok(()),
            Kind::StandIn(_) => STAND_IN.get_or_init(build_stand_in).clone(),
        }
    }

    /// The path of one of its own modules, if it has that.
    pub fn module(&self, file: &str) -> Option<PathBuf> {
        let path = self.modules.as_ref()?.join(file);
        path.is_file().then_some(path)
    }
}

/// Every OpenSIPS on this machine: on PATH, in /usr/sbin, /usr/local/sbin and in
/// /opt/opensips-*/sbin, each once, oldest first.
pub fn opensips() -> Vec<Core> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    places.push("/usr/sbin".into());
    places.push("/usr/local/sbin".into());
    for entry in std::fs::read_dir("/opt").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("opensips-") {
            places.push(entry.path().join("sbin"));
        }
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for place in places {
        let Ok(binary) = place.join("opensips").canonicalize() else {
            continue;
        };
        if !seen.insert(binary.clone()) {
            continue;
        }
        if let Some(version) = version_of(&binary) {
            let modules = modules_of(&binary);
            found.push(Core {
                kind: Kind::OpenSips(version),
                binary,
                modules,
                arguments: Vec::new(),
            });
        }
    }
    found.sort_by_key(ToString::to_string);
    found
}

/// The third word of `version: opensips 3.6.8 (x86_64/linux)`.
fn version_of(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("-V").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(2).map(str::to_string)
}

/// lib64/opensips/modules and similar folders beside sbin/, including Debian's multiarch folder.
fn modules_of(binary: &Path) -> Option<PathBuf> {
    let prefix = binary.parent()?.parent()?;
    let triplet = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    ["lib64", "lib", &triplet]
        .iter()
        .map(|lib| prefix.join(lib).join("opensips/modules"))
        .find(|folder| folder.join("tm.so").is_file())
}

fn build_stand_in() -> Result<(), String> {
    let output = Command::new("make")
        .arg("-C")
        .arg(super::root().join("tests/core"))
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "make in tests/core: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Whether the stand-in is the one with sanitizers: its Makefile also takes `SAN` from the
/// environment.
fn sanitized() -> bool {
    std::env::var_os("SAN").is_some_and(|san| !san.is_empty())
}

/// The stand-in, which `make` builds in tests/core. With `STAND_IN_UNDER`, a command and its options, that runs
/// it: valgrind, for example.
pub fn stand_in() -> Core {
    let binary = if sanitized() {
        "tests/core/build-san/standin"
    } else {
        "tests/core/build/standin"
    };
    let binary = super::root().join(binary);
    let under = std::env::var("STAND_IN_UNDER").unwrap_or_default();
    let mut words = under.split_whitespace().map(str::to_string);
    let (binary, arguments) = match words.next() {
        None => (binary, Vec::new()),
        Some(program) => (
            program.into(),
            words.chain([binary.display().to_string()]).collect(),
        ),
    };
    Core {
        kind: Kind::StandIn(None),
        binary,
        modules: None,
        arguments,
    }
}

/// The stand-in with the layouts of another release.
pub fn stand_in_as(version: &'static str) -> Core {
    let mut core = stand_in();
    core.kind = Kind::StandIn(Some(version));
    core.arguments
        .extend(["--version".to_string(), version.to_string()]);
    core
}

/// Which databases the stand-in provides to the module.
pub fn stand_in_serves(backend: super::database::Backend) -> bool {
    use super::database::Backend;
    matches!(backend, Backend::Mysql | Backend::Sqlite | Backend::DbText)
}
