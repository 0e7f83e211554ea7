//! A MariaDB server of our own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::sql::{Client, rows};
use super::{Backend, Database, Place, is_root, program, read, read_all, run};
use crate::ports;
use crate::profiles::Content;
use crate::server::{Server, wait_for};

/// The module's user. Its password contains every character with a meaning in a URL. It appears in
/// the URL unchanged, except for the percent sign, which begins an escape there.
const USER: &str = "opensips";
const PASSWORD: &str = "p@ss:w/rd?x=1&y#%41+[z]";
const PASSWORD_IN_URL: &str = "p@ss:w/rd?x=1&y#%2541+[z]";

/// Another user, for the OpenSIPS driver, in whose URLs a password ends at the first `@`, and
/// before 3.5 at a slash.
const PLAIN_USER: &str = "opensipsro";
const PLAIN_PASSWORD: &str = "s3cret-w0rd";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A running server, or one that is stopped for a while.
pub struct MariaDb {
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    server: Option<Server>,
}

impl MariaDb {
    /// Creates a data folder and starts a server on it.
    pub fn start(folder: &Path) -> Result<MariaDb, String> {
        MariaDb::start_with(folder, &[])
    }

    /// The same, with more options for the server.
    pub fn start_with(folder: &Path, options: &[String]) -> Result<MariaDb, String> {
        fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let mut install =
            Command::new(program("mariadb-install-db").ok_or("no mariadb-install-db")?);
        install
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"])
            .arg(format!("--tmpdir={}", folder.display()));
        if is_root() {
            install.arg("--user=root");
        }
        run(&mut install)?;
        let mut this = MariaDb {
            folder: folder.to_path_buf(),
            port: ports::free(),
            options: options.to_vec(),
            server: None,
        };
        this.resume()?;
        Ok(this)
    }

    /// Stops the server; the data stays.
    pub fn pause(&mut self) {
        self.server = None;
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server with SIGKILL; what was committed stays.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Makes the server hang, with all its connections open.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn hang(&self) -> Result<(), String> {
        self.running()?.hang()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn go_on(&self) -> Result<(), String> {
        self.running()?.go_on()
    }

    fn running(&self) -> Result<&Server, String> {
        self.server
            .as_ref()
            .ok_or("the server is stopped".to_string())
    }

    /// Starts the server again, on the same port.
    pub fn resume(&mut self) -> Result<(), String> {
        let log = self.folder.join("log");
        let output = File::create(&log).map_err(|e| e.to_string())?;
        let errors = output.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(program("mariadbd").ok_or("no mariadbd")?);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.folder.join("data").display()))
            .arg(format!("--socket={}", self.socket()))
            .arg(format!("--port={}", self.port))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()))
            // Not one folder for all: on start, a server removes what others left there.
            .arg(format!("--tmpdir={}", self.folder.display()))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--performance-schema=off",
            ])
            .args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--max-connections=500",
            ])
            .args(&self.options)
            .stdout(output)
            .stderr(errors);
        if is_root() {
            command.arg("--user=root");
        }
        let mut server = Server::start(&mut command).map_err(|e| e.to_string())?;
        let client = self.client("mysql");
        wait_for(START, || match (server.ended(), client.run("SELECT 1;")) {
            (Some(status), _) => Some(Err(format!("mariadbd: {status}"))),
            (None, Ok(_)) => Some(Ok(())),
            (None, Err(_)) => None,
        })
        .unwrap_or_else(|| Err("mariadbd does not answer".to_string()))
        .map_err(|e| format!("{e}\n{}", read(&log).unwrap_or_default()))?;
        self.server = Some(server);
        Ok(())
    }

    /// A database with these tables and this content, and users with read access.
    pub fn create(
        &self,
        name: &str,
        schema: &[PathBuf],
        content: &Content,
    ) -> Result<Database, String> {
        self.client("mysql").run(&format!(
            "CREATE DATABASE {name} CHARACTER SET utf8mb4;\n\
             GRANT SELECT ON {name}.* TO '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT SELECT ON {name}.* TO '{PLAIN_USER}'@'127.0.0.1' IDENTIFIED BY '{PLAIN_PASSWORD}';\n"
        ))?;
        let client = self.client(name);
        client.run(&read_all(schema)?)?;
        client.run(&statements(content))?;
        Ok(Database {
            backend: Backend::Mysql,
            url: format!(
                "mysql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{name}",
                self.port
            ),
            password: PASSWORD.to_string(),
            place: Place::Client(client),
        })
    }

    fn socket(&self) -> String {
        self.folder.join("socket").display().to_string()
    }

    fn client(&self, database: &str) -> Client {
        Client {
            program: program("mariadb").unwrap_or_else(|| "mariadb".into()),
            arguments: vec![
                "--no-defaults".into(),
                "--user=root".into(),
                format!("--socket={}", self.socket()),
                "--default-character-set=utf8mb4".into(),
                format!("--database={database}"),
            ],
        }
    }
}

/// The same URL with the user whose password the OpenSIPS driver can parse.
pub fn with_plain_password(database: &Database) -> Database {
    let from = format!("{USER}:{PASSWORD_IN_URL}@");
    Database {
        url: database
            .url
            .replace(&from, &format!("{PLAIN_USER}:{PLAIN_PASSWORD}@")),
        password: PLAIN_PASSWORD.to_string(),
        ..database.clone()
    }
}

/// The rows of both tables, in one transaction.
pub fn statements(content: &Content) -> String {
    format!("BEGIN;\n{}COMMIT;\n", rows(content, literal))
}

/// Backslashes have a meaning in MySQL's literals.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}
