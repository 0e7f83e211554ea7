//! The programs that are run from here: compose, docker, and by them what is in the containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::instance::tail;
use harness::server::wait_for;

/// Where OpenSIPS listens in its container.
pub const PORT: u16 = 5060;

/// Every character with a meaning in a URL except `$`, which has one for compose.
pub const PASSWORD: &str = "p@ss:w/rd?x=1&y#%41+[z]";
pub const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%3Fx%3D1%26y%23%2541%2B%5Bz%5D";

/// The database in its container.
pub fn database_url() -> String {
    format!("mysql://opensips:{PASSWORD_IN_URL}@mariadb:3306/opensips")
}

/// How long a container may take until it is healthy again.
const START: Duration = Duration::from_secs(60);

/// What scripts/docker-test has found and decided.
pub struct Plan {
    /// `docker compose` or docker-compose.
    compose: Vec<String>,
    /// What the names of all projects begin with.
    project: String,
    /// The folder from which the images are built.
    folder: PathBuf,
    /// The version in the tag of the OpenSIPS image.
    pub version: String,
    /// OpenSIPS with its driver for MySQL and its tables; or why there is none, or no Redis.
    pub registrar: Result<String, String>,
}

impl Plan {
    /// None unless scripts/docker-test started this.
    pub fn from_environment() -> Option<Plan> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let registrar = match variable("WITHOUT_REGISTRAR") {
            Some(reason) => Err(reason),
            None => Ok(variable("REGISTRAR_IMAGE")?),
        };
        Some(Plan {
            compose: variable("AUTH_WEB_COMPOSE")?
                .split_whitespace()
                .map(str::to_string)
                .collect(),
            project: variable("AUTH_WEB_PROJECT")?,
            folder: variable("STACKS")?.into(),
            version: variable("OPENSIPS")?,
            registrar,
        })
    }

    /// The containers of tests/docker/`name`.yml.
    pub fn containers(&self, name: &str) -> Containers {
        let file = harness::root().join(format!("tests/docker/{name}.yml"));
        let mut compose = self.compose.clone();
        let project = format!("{}-{name}", self.project);
        let file = file.display().to_string();
        compose.extend(["--project-name".to_string(), project]);
        compose.extend(["--file".to_string(), file]);
        Containers {
            compose,
            folder: self.folder.join(name),
        }
    }
}

/// Those of one compose file.
pub struct Containers {
    compose: Vec<String>,
    /// What their images are built from.
    pub folder: PathBuf,
}

impl Containers {
    /// Runs compose: its output, or its error.
    pub fn compose(&self, arguments: &[&str]) -> Result<String, String> {
        let (program, options) = self.compose.split_first().ok_or("no compose")?;
        output(
            Command::new(program)
                .args(options)
                .args(arguments)
                .env("STACK", &self.folder)
                .env("DATABASE_PASSWORD", PASSWORD)
                .env("DATABASE_URL", database_url()),
        )
    }

    /// The container of this service, whether it runs or not.
    pub fn id(&self, service: &str) -> Result<String, String> {
        let id = self
            .compose(&["ps", "-a", "-q", service])?
            .trim()
            .to_string();
        match id.is_empty() {
            true => Err(format!("there is no container of {service}")),
            false => Ok(id),
        }
    }
}

/// What docker says.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    output(Command::new("docker").args(arguments))
}

/// All that a container has logged.
pub fn log(container: &str) -> Result<String, String> {
    let both = format!("exec docker logs {container} 2>&1");
    output(Command::new("sh").args(["-c", &both]))
}

/// Waits until a container is healthy.
pub fn healthy(container: &str) -> Result<(), String> {
    let state = || docker(&["inspect", "-f", "{{.State.Health.Status}}", container]);
    let up = || state().is_ok_and(|state| state.trim() == "healthy");
    wait_for(START, || up().then_some(())).ok_or_else(|| {
        let said = log(container).unwrap_or_default();
        format!("{container} is {:?}:\n{}", state(), tail(&said, 20))
    })
}

/// Puts a file there, and makes its folder.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Copies a file there, and makes its folder.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(from, to))
        .map(drop)
        .map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

/// Runs a program to completion: its output, or its error.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{name}: {}\n{}\n{}",
        output.status,
        tail(&stdout, 40),
        tail(&stderr, 40)
    ))
}
