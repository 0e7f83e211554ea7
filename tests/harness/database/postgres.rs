//! A PostgreSQL server of our own.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::sql::{Client, rows, standard_literal};
use super::{Backend, Database, Place, is_root, program, read, read_all, run};
use crate::ports;
use crate::profiles::Content;
use crate::server::{Server, wait_for};

const USER: &str = "opensips";
const PASSWORD: &str = "p0stgr3s-s3cr3t";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A running server.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    _server: Server,
}

/// Why PostgreSQL cannot be started here, if so.
pub fn missing() -> Option<String> {
    if server_program("initdb").is_none() {
        return Some("no PostgreSQL server".to_string());
    }
    if program("psql").is_none() {
        return Some("no psql".to_string());
    }
    if is_root() && program("setpriv").is_none() {
        return Some("PostgreSQL refuses root, and there is no setpriv".to_string());
    }
    if is_root() && run(Command::new("id").args(["-u", "postgres"])).is_err() {
        return Some("PostgreSQL refuses root, and there is no user postgres".to_string());
    }
    None
}

impl Postgres {
    /// Creates a data folder and starts a server on it.
    pub fn start() -> Result<Postgres, String> {
        // A separate folder: it must be owned by the server's user, who could not reach it inside
        // another folder of ours.
        let folder = tempfile::Builder::new()
            .prefix("auth_web-pg-")
            .tempdir()
            .map_err(|e| e.to_string())?;
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()))?;
        }
        let data = folder.path().join("data");
        run(unprivileged("initdb")?
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--pgdata"])
            .arg(&data))?;
        let port = ports::free();
        let log = folder.path().join("log");
        let output = File::create(&log).map_err(|e| e.to_string())?;
        let errors = output.try_clone().map_err(|e| e.to_string())?;
        let mut server = Server::start(
            unprivileged("postgres")?
                .arg("-D")
                .arg(&data)
                .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"])
                .arg("-k")
                .arg(folder.path())
                .args(["-c", "max_connections=200"])
                .stdout(output)
                .stderr(errors),
        )
        .map_err(|e| e.to_string())?;
        let client = client(port, "postgres");
        wait_for(START, || match (server.ended(), client.run("SELECT 1;")) {
            (Some(status), _) => Some(Err(format!("postgres: {status}"))),
            (None, Ok(_)) => Some(Ok(())),
            (None, Err(_)) => None,
        })
        .unwrap_or_else(|| Err("postgres does not answer".to_string()))
        .map_err(|e| format!("{e}\n{}", read(&log).unwrap_or_default()))?;
        client.run(&format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}';"))?;
        Ok(Postgres {
            folder,
            port,
            _server: server,
        })
    }

    /// A database with these tables and this content.
    pub fn create(
        &self,
        name: &str,
        schema: &[PathBuf],
        content: &Content,
    ) -> Result<Database, String> {
        debug_assert!(self.folder.path().exists());
        client(self.port, "postgres").run(&format!("CREATE DATABASE {name};"))?;
        let client = client(self.port, name);
        client.run(&read_all(schema)?)?;
        client.run(&rows(content, standard_literal))?;
        client.run(&format!(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {USER};"
        ))?;
        Ok(Database {
            backend: Backend::Postgres,
            url: format!(
                "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{name}",
                self.port
            ),
            password: PASSWORD.to_string(),
            place: Place::Client(client),
        })
    }
}

fn client(port: u16, database: &str) -> Client {
    Client {
        program: program("psql").unwrap_or_else(|| "psql".into()),
        arguments: [
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-h",
            "127.0.0.1",
            "-p",
        ]
        .iter()
        .map(|word| word.to_string())
        .chain([port.to_string(), "-d".to_string(), database.to_string()])
        .collect(),
    }
}

/// A program of the server, run as `postgres` if we are root.
fn unprivileged(name: &str) -> Result<Command, String> {
    let path = server_program(name).ok_or_else(|| format!("no {name}"))?;
    if !is_root() {
        return Ok(Command::new(path));
    }
    let mut command = Command::new(program("setpriv").ok_or("no setpriv")?);
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    // The user may not be allowed to read our current folder.
    command.current_dir("/");
    Ok(command)
}

/// Debian keeps the server's programs off PATH, in a folder for each version; the newest is used.
fn server_program(name: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(name))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().or_else(|| program(name))
}
