//! The environment of the measurement: a core, a database, the C module next to ours.

use std::cell::Cell;
use std::path::PathBuf;

use harness::core::{self, Core};
use harness::database::{Backend, Database, MariaDb, Servers, schema};
use harness::measure;
use harness::profiles::Content;

/// Enough for a million profiles.
const MARIADB_OPTIONS: [&str; 2] = [
    "--innodb-buffer-pool-size=768M",
    "--innodb-log-file-size=256M",
];

/// Core, database server and peer.
pub struct Place {
    /// Files of the cores and of the database.
    pub folder: tempfile::TempDir,
    /// An OpenSIPS; if there is none, the stand-in.
    pub core: Core,
    /// The C module, or why there is nothing to compare with.
    pub peer: Result<PathBuf, String>,
    server: Server,
    databases: Cell<u32>,
}

enum Server {
    MariaDb(MariaDb),
    Files(Servers),
}

impl Place {
    /// Finds out what is available, and starts the database server.
    ///
    /// # Errors
    /// Fails if there is nothing to measure with.
    pub fn find() -> Result<Place, String> {
        let folder = tempfile::Builder::new()
            .prefix("auth_web-bench-")
            .tempdir()
            .map_err(|e| e.to_string())?;
        let opensips =
            measure::opensips(&["auth_jwt.so", "db_mysql.so"]).or_else(|_| measure::opensips(&[]));
        let no_mariadb = Backend::Mysql.missing();
        let peer = match (&opensips, &no_mariadb) {
            (Err(reason), _) => Err(reason.clone()),
            (Ok(_), Some(missing)) => Err(format!("{missing}: there is no MariaDB to share")),
            (Ok(core), None) if core.module("db_mysql.so").is_none() => Err(format!(
                "{core} has no db_mysql.so, over which auth_jwt would ask"
            )),
            (Ok(core), None) => core
                .module("auth_jwt.so")
                .ok_or_else(|| format!("{core} has no auth_jwt.so")),
        };
        let server = if no_mariadb.is_none() {
            let options = MARIADB_OPTIONS.map(str::to_owned);
            Server::MariaDb(MariaDb::start_with(
                &folder.path().join("mariadb"),
                &options,
            )?)
        } else if let Some(missing) = Backend::Sqlite.missing() {
            return Err(format!("neither MariaDB nor SQLite: {missing}"));
        } else {
            Server::Files(Servers::new().map_err(|e| e.to_string())?)
        };
        Ok(Place {
            folder,
            core: opensips.unwrap_or_else(|_| core::stand_in()),
            peer,
            server,
            databases: Cell::new(0),
        })
    }

    /// Prints what is available.
    pub fn introduce(&self) {
        println!("{}", self.core);
        println!("        {}", self.core.binary.display());
        println!("module: {}", harness::module().display());
        match &self.peer {
            Ok(path) => println!("auth_jwt: {}", path.display()),
            Err(reason) => println!("auth_jwt: none, its column is empty: {reason}"),
        }
        match &self.server {
            Server::MariaDb(_) => println!("database: MariaDB on this machine"),
            Server::Files(_) => println!("database: SQLite, since MariaDB is not installed"),
        }
    }

    /// A new database with this many profiles, `tag1` of `user1` and so on, each with the secret
    /// given by [`secret`].
    ///
    /// # Errors
    /// Fails with the server's error.
    pub fn database(&self, profiles: u32) -> Result<Database, String> {
        let number = self.databases.replace(self.databases.get() + 1);
        let database = match &self.server {
            Server::MariaDb(server) => server.create(
                &format!("bench{number}"),
                &[schema(Backend::Mysql)],
                &Content::default(),
            )?,
            Server::Files(servers) => servers.create(Backend::Sqlite, &Content::default())?,
        };
        let numbers = self.numbers(profiles);
        let join = |text: &str| self.join(text);
        database.sql(&format!(
            "BEGIN;\n\
             INSERT INTO jwt_profiles (tag, sip_username) SELECT {tag}, {user} {numbers};\n\
             INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts)\n\
             SELECT {tag}, {secret}, 0, 2147483647 {numbers};\n\
             COMMIT;\n",
            tag = join("tag"),
            user = join("user"),
            secret = join(SECRET),
        ))?;
        Ok(database)
    }

    /// Adds the table of revocations with this many rows, of all kinds in turn, with an issuer and without.
    ///
    /// # Errors
    /// Fails with the server's error.
    pub fn revoke(&self, database: &Database, revocations: u32) -> Result<(), String> {
        let file = schema(database.backend).with_file_name("revocations.sql");
        let table = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        database.sql(&table)?;
        if revocations == 0 {
            return Ok(());
        }
        let (numbers, value) = (self.numbers(revocations), self.join("revoked"));
        let added = database.sql(&format!(
            "INSERT INTO jwt_revocations (type, value, issuer)\n\
             SELECT CASE n % 4 WHEN 1 THEN 'jti' WHEN 2 THEN 'sub' WHEN 3 THEN 'sid' ELSE 'kid' END, {value},\n\
             CASE WHEN n % 8 < 5 THEN NULL ELSE 'https://login.example.org' END {numbers};\n"
        ));
        added.map(drop)
    }

    /// Adds the table of issuers with this many rows, `https://idp1.example` and so on, with these keys.
    ///
    /// # Errors
    /// Fails with the server's error.
    pub fn list_issuers(
        &self,
        database: &Database,
        issuers: u32,
        jwks: &str,
    ) -> Result<(), String> {
        let file = schema(database.backend).with_file_name("issuers.sql");
        let table = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        database.sql(&table)?;
        let (numbers, host) = (self.numbers(issuers), self.join("https://idp"));
        let issuer = match &self.server {
            Server::MariaDb(_) => format!("CONCAT({host}, '.example')"),
            Server::Files(_) => format!("{host} || '.example'"),
        };
        let added = database.sql(&format!(
            "INSERT INTO jwt_issuers (issuer, realm, jwks) SELECT {issuer}, '*', '{jwks}' {numbers};\n"
        ));
        added.map(drop)
    }

    /// The numbers from 1 on, as `n`.
    fn numbers(&self, count: u32) -> String {
        match &self.server {
            Server::MariaDb(_) => {
                format!("FROM (SELECT seq AS n FROM seq_1_to_{count}) AS numbers")
            }
            Server::Files(_) => format!(
                "FROM (WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                 WHERE n < {count}) SELECT n FROM numbers)"
            ),
        }
    }

    /// A text with the number behind it.
    fn join(&self, text: &str) -> String {
        match &self.server {
            Server::MariaDb(_) => format!("CONCAT('{text}', n)"),
            Server::Files(_) => format!("'{text}' || n"),
        }
    }

    /// Queries that the server has answered so far; `None` where it does not count them.
    pub fn queries(&self, database: &Database) -> Option<u64> {
        let Server::MariaDb(_) = self.server else {
            return None;
        };
        let said = database.sql("SHOW GLOBAL STATUS LIKE 'Com_select';").ok()?;
        said.split_whitespace().last()?.parse().ok()
    }
}

/// Adds one more profile.
///
/// # Errors
/// Fails with the server's error.
pub fn add_profile(database: &Database, tag: &str, secret: &str) -> Result<(), String> {
    let added = database.sql(&format!(
        "INSERT INTO jwt_profiles (tag, sip_username) VALUES ('{tag}', 'alice');\n\
         INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts)\n\
         VALUES ('{tag}', '{secret}', 0, 2147483647);\n"
    ));
    added.map(drop)
}

/// The prefix of the secrets, as long as HS256 requires.
const SECRET: &str = "0123456789abcdef0123456789abcdef-";

/// The secret of the n-th profile of [`Place::database`].
pub fn secret(number: u32) -> String {
    format!("{SECRET}{number}")
}
