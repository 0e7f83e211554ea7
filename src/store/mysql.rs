//! The native driver for `mysql://` (MySQL, MariaDB): its connections are made when they are first
//! needed, and again after they break.

use std::{
    any::Any,
    error::Error as _,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts, Value};
use thiserror::Error;

use super::url::{Address, DbUrl};
use super::{Cell, Change, Refusal, Select, Source, StoreError};
use crate::connections::{Connections, Lease, Unavailable};
use crate::meters::Gauge;

/// Where the client library that OpenSIPS's db_mysql uses looks for the server of `localhost`.
const SOCKETS: [&str; 3] = [
    "/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// Connections of one process at most. A worker waits for one query at a time; asynchronous calls share
/// these.
const MAX_CONNECTIONS: usize = 8;

/// The port of MySQL if the URL names none.
const PORT: u16 = 3306;

/// Why the parameters of a `mysql://` URL are refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParameterError {
    /// An unknown parameter.
    #[error(
        "has parameter {0:?}, allowed are ssl-mode, ssl-ca, ssl-cert and ssl-key (for tls_domain, \
         which is of OpenSIPS's own driver, set db_driver to \"opensips\")"
    )]
    Unknown(String),
    /// An unknown mode.
    #[error("has ssl-mode {0:?}, allowed are DISABLED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY")]
    BadMode(String),
    /// A file that can't be read.
    #[error("has {0} {1:?}, which can't be read")]
    NoFile(String, PathBuf),
    /// One of the pair without the other.
    #[error("has one of ssl-cert and ssl-key without the other")]
    HalfIdentity,
    /// TLS files are given, but TLS is disabled.
    #[error("has an ssl-ca, ssl-cert or ssl-key with ssl-mode DISABLED")]
    Contradiction,
}

/// What is needed to connect.
#[derive(Clone, Debug)]
pub struct MySql {
    opts: Opts,
    timeout: Duration,
    connections: Arc<Connections<Conn>>,
}

impl MySql {
    /// Prepares to connect to a database; does not connect yet. `timeout` bounds each single wait
    /// for the server: to connect, to write, to read.
    ///
    /// # Errors
    /// Fails with [`ParameterError`] if a parameter of the URL is refused.
    pub fn new(url: &DbUrl, timeout: Duration) -> Result<Self, ParameterError> {
        let mut builder = OptsBuilder::new()
            .user(Some(url.username.clone()).filter(|u| !u.is_empty()))
            .pass(Some(url.password.to_string()).filter(|p| !p.is_empty()))
            .db_name(Some(url.database.clone()))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(timeout))
            .read_timeout(Some(timeout))
            .write_timeout(Some(timeout))
            .ssl_opts(tls(&url.parameters)?);
        builder = match &url.address {
            Address::Unix(path) => builder.socket(Some(path.clone())),
            Address::Host(host, port) => {
                let socket = SOCKETS
                    .into_iter()
                    .filter(|_| host == "localhost" && port.is_none())
                    .find(|path| Path::new(path).exists());
                builder
                    .socket(socket)
                    .ip_or_hostname(Some(host.clone()))
                    .tcp_port(port.unwrap_or(PORT))
            }
        };
        Ok(MySql {
            opts: builder.into(),
            timeout,
            connections: Arc::new(Connections::new(MAX_CONNECTIONS)),
        })
    }

    /// The same with connections of its own, which are counted.
    #[must_use]
    pub fn counting(&self, gauge: Gauge) -> Self {
        MySql {
            opts: self.opts.clone(),
            timeout: self.timeout,
            connections: Arc::new(Connections::new(MAX_CONNECTIONS).counting(gauge)),
        }
    }

    /// The database as a [`Source`] in the calling thread, which waits for a connection until
    /// `deadline`. It may block, though no single wait is longer than the time-out: call it in a
    /// thread that may.
    pub fn source(&self, deadline: Instant) -> impl Source + '_ {
        Leased {
            database: self,
            deadline,
        }
    }

    fn run(&self, select: &Select<'_>, deadline: Instant) -> Result<Vec<Vec<Cell>>, StoreError> {
        let statement = statement(select);
        let mut lease = self.lease(deadline)?;
        // A connection that was kept may have been closed by the server in the meantime, which
        // shows only when it is used: the query is then tried once more on a new one. So is what the
        // server itself asks to repeat.
        let kept = lease.is_kept();
        match self.try_run(&mut lease, &statement, select) {
            Err(Failure::Error(error)) if is_unknown_text(&error, select) => Ok(Vec::new()),
            Err(Failure::Error(error)) if kept || is_to_repeat(&error) => {
                match self.try_run(&mut lease, &statement, select) {
                    Err(Failure::Error(error)) if is_unknown_text(&error, select) => Ok(Vec::new()),
                    other => other,
                }
            }
            other => other,
        }
        .map_err(|e| self.error(select.table, e))
    }

    /// As [`run`](Self::run), for a change: it is tried once more under the same conditions.
    fn change(&self, change: &Change<'_>, deadline: Instant) -> Result<u64, StoreError> {
        let mut lease = self.lease(deadline)?;
        let mut attempt = || {
            let result = guarded(|| {
                let connection = lease.connection(|| connect(&self.opts))?;
                let values = change.values.iter().map(value).collect();
                connection.exec_drop(change.statement, mysql::Params::Positional(values))?;
                Ok(connection.affected_rows())
            });
            if result.is_err() {
                lease.discard();
            }
            result
        };
        match attempt() {
            Err(Failure::Error(error)) if is_to_repeat(&error) => attempt(),
            other => other,
        }
        .map_err(|failure| self.error(change.table, failure))
    }

    fn lease(&self, deadline: Instant) -> Result<Lease<'_, Conn>, StoreError> {
        self.connections
            .lease(deadline)
            .map_err(|unavailable| match unavailable {
                Unavailable::NotOpen => self.timed_out(),
                Unavailable::AllInUse => StoreError::Busy(format!(
                    "{MAX_CONNECTIONS} connections are in use, which is the limit"
                )),
            })
    }

    fn try_run(
        &self,
        lease: &mut Lease<'_, Conn>,
        statement: &str,
        select: &Select<'_>,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        let result = guarded(|| {
            let connection = lease.connection(|| connect(&self.opts))?;
            query(connection, statement, select)
        });
        // The connection is as good as before if only the text was odd.
        let is_odd =
            matches!(&result, Err(Failure::Error(error)) if is_unknown_text(error, select));
        if result.is_err() && !is_odd {
            lease.discard();
        }
        result
    }

    /// Closes what is open. Needed if a process will fork.
    pub fn disconnect(&self) {
        self.connections.close_idle();
    }

    fn timed_out(&self) -> StoreError {
        StoreError::TimedOut(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX))
    }

    fn error(&self, table: &str, failure: Failure) -> StoreError {
        let error = match failure {
            Failure::Error(error) => error,
            Failure::Panic(why) => {
                // What a library says is unlikely to contain the password, but must not.
                let why = match self.opts.get_pass().filter(|pass| !pass.is_empty()) {
                    Some(password) => why.replace(password, "[redacted]"),
                    None => why,
                };
                return StoreError::Unreachable(format!("the library mysql has panicked: {why}"));
            }
        };
        if has_timed_out(&error) {
            return self.timed_out();
        }
        match error {
            // Not the fault of the table. ER_CON_COUNT_ERROR:
            mysql::Error::MySqlError(e) if e.code == 1040 => StoreError::Unreachable(e.message),
            // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
            mysql::Error::MySqlError(e) if matches!(e.code, 1045 | 1698) => {
                StoreError::Login(e.message)
            }
            // ER_BAD_DB_ERROR.
            mysql::Error::MySqlError(e) if e.code == 1049 => StoreError::NoDatabase(e.message),
            mysql::Error::MySqlError(e) => StoreError::Refused {
                table: table.to_owned(),
                why: match e.code {
                    // ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR.
                    1044 | 1142 | 1143 => Refusal::Right,
                    // ER_NO_SUCH_TABLE.
                    1146 => Refusal::Table,
                    // ER_BAD_FIELD_ERROR.
                    1054 => Refusal::Column,
                    _ => Refusal::Other,
                },
                cause: e.message,
            },
            other => StoreError::Unreachable(other.to_string()),
        }
    }
}

/// Why a query has no result.
enum Failure {
    /// The library's error, or that of the server.
    Error(mysql::Error),
    /// The library has panicked, with this message.
    Panic(String),
}

impl From<mysql::Error> for Failure {
    fn from(error: mysql::Error) -> Self {
        Failure::Error(error)
    }
}

/// Runs what the library does with the server's packets, whose panics are of no more consequence than
/// its errors.
fn guarded<T>(run: impl FnOnce() -> Result<T, mysql::Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(Failure::Error),
        Err(payload) => Err(Failure::Panic(message_of(&*payload))),
    }
}

/// What a panic says.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
        .to_owned()
}

/// Whether the value of the key has a character that the column can't have, so that there is no such row:
/// illegal mix of collations (1267, 1270, 1271), invalid string (1300), incorrect string value (1366),
/// impossible conversion (3854, 3988). A key in ASCII is in every character set.
fn is_unknown_text(error: &mysql::Error, select: &Select<'_>) -> bool {
    let is_beyond_ascii = select.keys().any(|(_, value)| !value.is_ascii());
    let code = match error {
        mysql::Error::MySqlError(e) => e.code,
        _ => return false,
    };
    is_beyond_ascii && matches!(code, 1267 | 1270 | 1271 | 1300 | 1366 | 3854 | 3988)
}

/// Whether the server asks its client to repeat: the statement has to be prepared again (1615), or is not
/// known any more (1243); it waited for a lock (1205, 1213); the server is going (1053, 1927), or has
/// closed the connection (1080, 1152 to 1161, 4031).
fn is_to_repeat(error: &mysql::Error) -> bool {
    match error {
        mysql::Error::MySqlError(e) => matches!(
            e.code,
            1053 | 1080 | 1152..=1161 | 1205 | 1213 | 1243 | 1615 | 1927 | 4031
        ),
        // It has closed the connection without a word, as when a proxy before it is restarted.
        mysql::Error::IoError(_) | mysql::Error::CodecError(_) => !has_timed_out(error),
        _ => false,
    }
}

fn has_timed_out(error: &mysql::Error) -> bool {
    let io = match error {
        mysql::Error::DriverError(mysql::DriverError::ConnectTimeout) => return true,
        mysql::Error::IoError(io) => Some(io),
        // Most reading and writing is done by the codec, which wraps the system's error.
        mysql::Error::CodecError(codec) => codec.source().and_then(|io| io.downcast_ref()),
        _ => None,
    };
    io.is_some_and(|io: &io::Error| {
        matches!(
            io.kind(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
        )
    })
}

struct Leased<'a> {
    database: &'a MySql,
    deadline: Instant,
}

impl Source for Leased<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.database.run(select, self.deadline)
    }

    fn each(
        &mut self,
        select: &Select<'_>,
        row: &mut dyn FnMut(Vec<Cell>),
    ) -> Result<(), StoreError> {
        // Always on a new connection: rows that were passed on can't be taken back for a retry.
        let passed = std::cell::Cell::new(false);
        let mut run = || {
            guarded(|| {
                let mut connection = connect(&self.database.opts)?;
                for read in connection.exec_iter(statement(select), parameters(select))? {
                    let cells = cells(read?);
                    passed.set(true);
                    row(cells);
                }
                Ok(())
            })
        };
        let mut result = run();
        if matches!(&result, Err(Failure::Error(error)) if is_to_repeat(error)) && !passed.get() {
            result = run();
        }
        result.map_err(|e| self.database.error(select.table, e))
    }

    fn change(&mut self, change: &Change<'_>) -> Result<u64, StoreError> {
        self.database.change(change, self.deadline)
    }
}

/// Opens a connection. If access is denied, asks once more: mysql_common takes a nonce of MariaDB's ed25519
/// that ends in zero, as one in 256 does, for a shorter one, and its answer to that is wrong.
fn connect(opts: &Opts) -> Result<Conn, mysql::Error> {
    /// ER_ACCESS_DENIED_ERROR.
    const ACCESS_DENIED: u16 = 1045;
    match Conn::new(opts.clone()) {
        Err(mysql::Error::MySqlError(error)) if error.code == ACCESS_DENIED => {
            Conn::new(opts.clone())
        }
        other => other,
    }
}

/// Names are identifiers (checked at start), which can't contain a backquote.
fn statement(select: &Select<'_>) -> String {
    let quoted = |name: &str| {
        name.split('.')
            .map(|part| format!("`{part}`"))
            .collect::<Vec<_>>()
            .join(".")
    };
    let columns: Vec<_> = select.columns.iter().map(|c| quoted(c)).collect();
    let mut sql = format!("SELECT {} FROM {}", columns.join(","), quoted(select.table));
    for (word, (column, _)) in ["WHERE", "AND"].iter().zip(select.keys()) {
        sql += &format!(" {word} {}=?", quoted(column));
    }
    sql + &format!(" LIMIT {}", select.limit)
}

fn query(
    connection: &mut Conn,
    statement: &str,
    select: &Select<'_>,
) -> Result<Vec<Vec<Cell>>, mysql::Error> {
    let rows: Vec<mysql::Row> = connection.exec(statement, parameters(select))?;
    Ok(rows.into_iter().map(cells).collect())
}

fn parameters(select: &Select<'_>) -> mysql::Params {
    let values: Vec<_> = select.keys().map(|(_, value)| Value::from(value)).collect();
    match values.is_empty() {
        false => mysql::Params::Positional(values),
        true => mysql::Params::Empty,
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Int(number) => Value::Int(*number),
        Cell::Text(text) => Value::Bytes(text.clone()),
    }
}

fn cells(row: mysql::Row) -> Vec<Cell> {
    row.unwrap().into_iter().map(cell).collect()
}

fn cell(value: Value) -> Cell {
    match value {
        Value::NULL => Cell::Null,
        Value::Bytes(bytes) => Cell::Text(bytes),
        Value::Int(number) => Cell::Int(number),
        Value::UInt(number) => match i64::try_from(number) {
            Ok(number) => Cell::Int(number),
            Err(_) => Cell::Text(number.to_string().into_bytes()),
        },
        Value::Float(number) => Cell::Text(number.to_string().into_bytes()),
        Value::Double(number) => Cell::Text(number.to_string().into_bytes()),
        date @ (Value::Date(..) | Value::Time(..)) => {
            Cell::Text(date.as_sql(true).trim_matches('\'').as_bytes().to_vec())
        }
    }
}

fn tls(parameters: &[(String, String)]) -> Result<Option<SslOpts>, ParameterError> {
    let (mut mode, mut ca, mut cert, mut key) = (None, None, None, None);
    for (name, value) in parameters {
        let name = name.replace('_', "-");
        match name.as_str() {
            "ssl-mode" => mode = Some(value.to_ascii_uppercase()),
            "ssl-ca" => ca = Some(readable(&name, value)?),
            "ssl-cert" => cert = Some(readable(&name, value)?),
            "ssl-key" => key = Some(readable(&name, value)?),
            _ => return Err(ParameterError::Unknown(name)),
        }
    }
    let wants_tls = ca.is_some() || cert.is_some() || key.is_some();
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(ClientIdentity::new(cert, key)),
        (None, None) => None,
        _ => return Err(ParameterError::HalfIdentity),
    };
    // As with MySQL's own client, a certificate authority alone implies its use.
    let default = if ca.is_some() {
        "VERIFY_IDENTITY"
    } else {
        "REQUIRED"
    };
    let mode = mode.unwrap_or_else(|| if wants_tls { default } else { "DISABLED" }.into());
    let (any_certificate, any_name) = match mode.as_str() {
        "DISABLED" if wants_tls => return Err(ParameterError::Contradiction),
        "DISABLED" => return Ok(None),
        "REQUIRED" => (true, true),
        "VERIFY_CA" => (false, true),
        "VERIFY_IDENTITY" => (false, false),
        _ => return Err(ParameterError::BadMode(mode)),
    };
    Ok(Some(
        SslOpts::default()
            .with_client_identity(identity)
            .with_root_cert_path(ca)
            .with_danger_accept_invalid_certs(any_certificate)
            .with_danger_skip_domain_validation(any_name),
    ))
}

fn readable(name: &str, path: &str) -> Result<PathBuf, ParameterError> {
    let path = PathBuf::from(path);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(_) => Err(ParameterError::NoFile(name.to_owned(), path)),
    }
}

#[cfg(test)]
mod scripted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_stand_in_the_statement() {
        let select = Select {
            table: "voip.jwt_profiles",
            columns: &["tag", "sip_username"],
            key: Some(("tag", "' OR 1=1 -- ")),
            and: None,
            limit: 5,
        };
        assert_eq!(
            statement(&select),
            "SELECT `tag`,`sip_username` FROM `voip`.`jwt_profiles` WHERE `tag`=? LIMIT 5"
        );
        let both = Select {
            and: Some(("realm", "' OR 1=1 -- ")),
            ..select
        };
        assert!(statement(&both).ends_with(" WHERE `tag`=? AND `realm`=? LIMIT 5"));
        assert!(
            matches!(parameters(&both), mysql::Params::Positional(values) if values.len() == 2)
        );
    }

    #[test]
    fn a_server_that_says_nothing_has_timed_out() {
        // The system accepts connections.
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let url = DbUrl::parse(&format!("mysql://u:p@127.0.0.1:{port}/d")).unwrap();
        let database = MySql::new(&url, Duration::from_millis(50)).unwrap();
        let select = Select {
            table: "t",
            columns: &["c"],
            key: None,
            and: None,
            limit: 1,
        };
        let mut source = database.source(Instant::now());
        let hangs = Err(StoreError::TimedOut(50));
        assert_eq!(source.select(&select), hangs);
        assert_eq!(source.each(&select, &mut |_| ()).map(|()| vec![]), hangs);
    }

    fn tls_of(parameters: &[(&str, &str)]) -> Result<Option<SslOpts>, ParameterError> {
        let owned: Vec<_> = parameters
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        tls(&owned)
    }

    #[test]
    fn tls_is_what_the_url_says() {
        assert_eq!(tls_of(&[]), Ok(None));
        assert_eq!(tls_of(&[("ssl-mode", "disabled")]), Ok(None));
        let required = tls_of(&[("ssl_mode", "REQUIRED")]).unwrap().unwrap();
        assert!(required.accept_invalid_certs());
        let identity = tls_of(&[("ssl-ca", "/dev/null")]).unwrap().unwrap();
        assert!(!identity.accept_invalid_certs() && !identity.skip_domain_validation());
        let ca = tls_of(&[("ssl-ca", "/dev/null"), ("ssl-mode", "VERIFY_CA")])
            .unwrap()
            .unwrap();
        assert!(!ca.accept_invalid_certs() && ca.skip_domain_validation());
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (parameters, part) in [
            (&[("tls_domain", "x")][..], "db_driver"),
            (&[("ssl-mode", "PREFERRED")][..], "VERIFY_IDENTITY"),
            (&[("ssl-ca", "/nonexistent")][..], "/nonexistent"),
            (&[("ssl-cert", "/dev/null")][..], "ssl-key"),
            (
                &[("ssl-ca", "/dev/null"), ("ssl-mode", "DISABLED")][..],
                "DISABLED",
            ),
        ] {
            let message = tls_of(parameters).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
