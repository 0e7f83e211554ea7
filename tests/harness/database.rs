//! Databases with profiles in them, each created with the schema shipped in opensips-cfg.

mod dbtext;
mod mariadb;
pub mod own;
mod postgres;
mod sql;
mod sqlite;

pub use self::mariadb::MariaDb;
pub use self::postgres::Postgres;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::ports;
use super::profiles::Content;
use super::tls::Identity;

/// The backends under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// MariaDB over `mysql://`.
    Mysql,
    /// PostgreSQL over `postgres://`.
    Postgres,
    /// A SQLite file over `sqlite://`.
    Sqlite,
    /// A folder of db_text over `text://`.
    DbText,
}

impl Backend {
    /// All of them.
    pub const ALL: [Backend; 4] = [
        Backend::Mysql,
        Backend::Sqlite,
        Backend::DbText,
        Backend::Postgres,
    ];

    /// The module of OpenSIPS that serves it.
    pub fn opensips_module(self) -> &'static str {
        match self {
            Backend::Mysql => "db_mysql.so",
            Backend::Postgres => "db_postgres.so",
            Backend::Sqlite => "db_sqlite.so",
            Backend::DbText => "db_text.so",
        }
    }

    /// The module that must be loaded before auth_web; mysql:// is served natively.
    pub fn needed_module(self) -> Option<&'static str> {
        (self != Backend::Mysql).then(|| self.opensips_module())
    }

    /// Why it cannot be started on this machine, if so.
    pub fn missing(self) -> Option<String> {
        match self {
            Backend::Mysql => missing_program(&["mariadbd", "mariadb-install-db", "mariadb"]),
            Backend::Sqlite => missing_program(&["sqlite3"]),
            Backend::DbText => None,
            Backend::Postgres => postgres::missing(),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Mysql => "mysql",
            Backend::Postgres => "postgres",
            Backend::Sqlite => "sqlite",
            Backend::DbText => "db_text",
        })
    }
}

/// A database that a core can be pointed to.
#[derive(Debug, Clone)]
pub struct Database {
    /// What it is.
    pub backend: Backend,
    /// For modparam db_url.
    pub url: String,
    /// The password in that URL, which must not appear in a log; empty if there is none.
    pub password: String,
    place: Place,
}

/// How a database is changed from outside.
#[derive(Debug, Clone)]
enum Place {
    Client(sql::Client),
    Folder(PathBuf),
}

impl Database {
    /// A URL with nothing behind it: a closed port, a folder that does not exist.
    pub fn nowhere(backend: Backend) -> Database {
        let password = "n0wh3re-s3cret";
        let (scheme, rest) = match backend {
            Backend::Mysql => (
                "mysql",
                format!("opensips:{password}@127.0.0.1:{}/x", ports::free()),
            ),
            Backend::Postgres => (
                "postgres",
                format!("opensips:{password}@127.0.0.1:{}/x", ports::free()),
            ),
            Backend::Sqlite => ("sqlite", "/nonexistent/folder/opensips.db".to_string()),
            Backend::DbText => ("text", "/nonexistent/folder".to_string()),
        };
        Database {
            backend,
            url: format!("{scheme}://{rest}"),
            password: if rest.contains(password) {
                password.to_string()
            } else {
                String::new()
            },
            place: Place::Folder("/nonexistent".into()),
        }
    }

    /// A database created elsewhere, which is not changed from here.
    pub fn elsewhere(backend: Backend, url: &str, password: &str) -> Database {
        Database {
            backend,
            url: url.to_string(),
            password: password.to_string(),
            place: Place::Folder("/nonexistent".into()),
        }
    }

    /// The same database, accessed with a wrong password.
    pub fn with_wrong_password(&self) -> Database {
        let plain = self.with_plain_password();
        let wrong = format!("{}-not", plain.password);
        Database {
            url: plain
                .url
                .replace(&format!(":{}@", plain.password), &format!(":{wrong}@")),
            password: wrong,
            ..plain
        }
    }

    /// The same database, with parameters after the URL's question mark.
    pub fn with_parameters(&self, parameters: &str) -> Database {
        Database {
            url: format!("{}?{parameters}", self.url),
            ..self.clone()
        }
    }

    /// Runs SQL in it. Not for db_text, which knows no SQL.
    pub fn sql(&self, statements: &str) -> Result<String, String> {
        match &self.place {
            Place::Client(client) => client.run(statements),
            Place::Folder(_) => Err("db_text takes no SQL".to_string()),
        }
    }

    /// The same database, for an OpenSIPS driver: in their URLs a password ends at the first `@`.
    pub fn with_plain_password(&self) -> Database {
        match self.backend {
            Backend::Mysql => mariadb::with_plain_password(self),
            _ => self.clone(),
        }
    }

    /// Deletes the rows of the table `version` that auth_web looks for.
    pub fn forget_versions(&self) -> Result<(), String> {
        match &self.place {
            Place::Client(client) => client.run("DELETE FROM version;").map(drop),
            Place::Folder(folder) => dbtext::forget_versions(folder),
        }
    }
}

/// The database servers of a run, one of a kind, started when first asked for.
pub struct Servers {
    folder: tempfile::TempDir,
    mariadb: Mutex<Option<MariaDb>>,
    postgres: Mutex<Option<Postgres>>,
    counter: std::sync::atomic::AtomicU32,
}

impl Servers {
    /// Nothing is started yet.
    pub fn new() -> std::io::Result<Servers> {
        Ok(Servers {
            folder: tempfile::Builder::new().prefix("auth_web-db-").tempdir()?,
            mariadb: Mutex::new(None),
            postgres: Mutex::new(None),
            counter: Default::default(),
        })
    }

    /// Keeps the files; the servers end nevertheless.
    pub fn keep(self) {
        let _ = self.folder.keep();
    }

    /// Does something with the MariaDB in which databases were created before.
    ///
    /// # Errors
    /// Fails if there is none, or with the error of `work`.
    pub fn with_mariadb<T>(
        &self,
        work: impl FnOnce(&mut MariaDb) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut server = self.mariadb.lock().map_err(|_| "MariaDB did not start")?;
        work(server.as_mut().ok_or("there is no MariaDB")?)
    }

    /// A new database with the shipped schema and this content.
    pub fn create(&self, backend: Backend, content: &Content) -> Result<Database, String> {
        self.create_with(backend, &[schema(backend)], content)
    }

    /// A new database with the tables that these files create, run one after the other. For db_text
    /// it is one folder, which is copied.
    pub fn create_with(
        &self,
        backend: Backend,
        schema: &[PathBuf],
        content: &Content,
    ) -> Result<Database, String> {
        let number = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("opensips{number}");
        let folder = self.folder.path();
        match backend {
            Backend::Mysql => {
                let mut server = self.mariadb.lock().map_err(|_| "MariaDB did not start")?;
                if server.is_none() {
                    // Whoever wants encryption gets it, as with newer servers.
                    let identity = Identity::new(&folder.join("identity"))?;
                    let options = [
                        format!("--ssl-cert={}", identity.certificate),
                        format!("--ssl-key={}", identity.key),
                    ];
                    *server = Some(MariaDb::start_with(&folder.join("mariadb"), &options)?);
                }
                server
                    .as_ref()
                    .expect("just started")
                    .create(&name, schema, content)
            }
            Backend::Postgres => {
                let mut server = self
                    .postgres
                    .lock()
                    .map_err(|_| "PostgreSQL did not start")?;
                if server.is_none() {
                    *server = Some(Postgres::start()?);
                }
                server
                    .as_ref()
                    .expect("just started")
                    .create(&name, schema, content)
            }
            Backend::Sqlite => sqlite::create(&folder.join(format!("{name}.db")), schema, content),
            Backend::DbText => dbtext::create(&folder.join(name), schema, content),
        }
    }
}

/// The first of the programs that is neither on PATH nor in an sbin folder.
fn missing_program(programs: &[&str]) -> Option<String> {
    programs
        .iter()
        .find(|name| program(name).is_none())
        .map(|name| format!("no {name}"))
}

/// Where a program is. The sbin folders are not on every user's PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder: PathBuf| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a program to completion: its output, or its error.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name} could not be run: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{name}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    ))
}

/// Whether this program runs as root: the servers must then be given a user to run as.
fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// What is shipped for a backend: a file of SQL, or the folder of db_text.
pub fn schema(backend: Backend) -> PathBuf {
    let folder = super::root().join("opensips-cfg/schema");
    match backend {
        Backend::Mysql => folder.join("mysql/jwt.sql"),
        Backend::Postgres => folder.join("postgres/jwt.sql"),
        Backend::Sqlite => folder.join("sqlite/jwt.sql"),
        Backend::DbText => folder.join("dbtext"),
    }
}

/// The content as MySQL statements, for a database that already has the schema.
pub fn mysql_rows(content: &Content) -> String {
    mariadb::statements(content)
}

/// All files, concatenated.
fn read_all(files: &[PathBuf]) -> Result<String, String> {
    files
        .iter()
        .map(|file| read(file))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.join("\n"))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
