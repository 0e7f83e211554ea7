//! An InfluxDB 1.x with a user who has a password, read back by its own client.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::database::program;
use crate::instance::tail;
use crate::ports;
use crate::server::{Server, wait_for};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// Its user, who may do everything.
const USER: &str = "portal";

/// The password of that user.
pub const PASSWORD: &str = "influx-5ecret";

/// A server of our own; it ends when dropped.
pub struct Influx {
    port: u16,
    /// Of its interface for backups, which it insists on.
    other: u16,
    folder: PathBuf,
    server: Mutex<Option<Server>>,
}

/// Why there can be none, if so.
pub fn missing() -> Option<String> {
    ["influxd", "influx"]
        .iter()
        .find(|name| program(name).is_none())
        .map(|name| format!("no {name}"))
}

impl Influx {
    /// Starts an empty one.
    ///
    /// # Errors
    /// Fails if it does not answer within a minute.
    pub fn start(folder: &Path) -> Result<Influx, String> {
        let influx = Influx {
            port: ports::free(),
            other: ports::free(),
            folder: folder.to_path_buf(),
            server: Mutex::new(None),
        };
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(folder.join("influxdb.conf"), ""))
            .map_err(|e| e.to_string())?;
        influx.resume()?;
        let user = format!("CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES");
        influx.query(None, &user)?;
        Ok(influx)
    }

    /// Its URL, with the user and the password.
    pub fn url(&self) -> String {
        format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Its URL, as it may be shown.
    pub fn shown(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Stops it; its data stays.
    pub fn pause(&self) {
        *self.server() = None;
    }

    /// Makes it hang: its port accepts connections, and nobody answers.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn hang(&self) -> Result<(), String> {
        self.server().as_ref().ok_or("it is stopped")?.hang()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn go_on(&self) -> Result<(), String> {
        self.server().as_ref().ok_or("it is stopped")?.go_on()
    }

    /// Starts it, again after [`pause`](Influx::pause).
    ///
    /// # Errors
    /// Fails if it does not answer within a minute; the message has what it logged.
    pub fn resume(&self) -> Result<(), String> {
        let log = self.folder.join("influx.log");
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(|e| e.to_string())?;
        let errors = output.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(program("influxd").ok_or("no influxd")?);
        command
            .args(["run", "-config"])
            .arg(self.folder.join("influxdb.conf"))
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("INFLUXDB_REPORTING_DISABLED", "true")
            .env("INFLUXDB_MONITOR_STORE_ENABLED", "false")
            .env("INFLUXDB_META_DIR", self.folder.join("meta"))
            .env("INFLUXDB_DATA_DIR", self.folder.join("data"))
            .env("INFLUXDB_DATA_WAL_DIR", self.folder.join("wal"))
            .env("INFLUXDB_HTTP_AUTH_ENABLED", "true")
            .env("INFLUXDB_BIND_ADDRESS", format!("127.0.0.1:{}", self.other))
            .env(
                "INFLUXDB_HTTP_BIND_ADDRESS",
                format!("127.0.0.1:{}", self.port),
            )
            .stdout(output)
            .stderr(errors);
        let mut server = Server::start(&mut command).map_err(|e| e.to_string())?;
        // Without a user yet it says who is missing.
        let answers = || {
            let shown = self.query(None, "SHOW DATABASES");
            shown.is_ok() || shown.is_err_and(|error| error.contains("create admin user"))
        };
        let up = wait_for(START, || match answers() {
            true => Some(Ok(())),
            false => server.ended().map(|status| Err(status.to_string())),
        });
        up.unwrap_or_else(|| Err("no answer".to_string()))
            .map_err(|e| {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                format!("influxd: {e}\n{}", tail(&log, 40))
            })?;
        *self.server() = Some(server);
        Ok(())
    }

    /// What its own client prints of a query, as JSON.
    ///
    /// # Errors
    /// Fails with what that says.
    pub fn query(&self, database: Option<&str>, text: &str) -> Result<Value, String> {
        let mut command = Command::new(program("influx").ok_or("no influx")?);
        command
            .args(["-host", "127.0.0.1", "-port", &self.port.to_string()])
            .args(["-username", USER, "-password", PASSWORD])
            .args(["-format", "json", "-execute", text])
            .env("HOME", &self.folder);
        if let Some(database) = database {
            command.args(["-database", database]);
        }
        let output = command.output().map_err(|e| format!("influx: {e}"))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        let (told, failed) = (said(&output.stdout), said(&output.stderr));
        let is_failure = !output.status.success() || told.starts_with("ERR");
        if is_failure {
            return Err(format!("{text}: {told} {failed}"));
        }
        if told.is_empty() {
            return Ok(Value::Null);
        }
        let answer: Value =
            serde_json::from_str(&told).map_err(|e| format!("{text}: {e}: {told}"))?;
        match answer.to_string().contains("\"error\"") {
            true => Err(format!("{text}: {answer}")),
            false => Ok(answer),
        }
    }

    /// The rows of a measurement, as objects by the names of their columns; none if there is none.
    ///
    /// # Errors
    /// Fails with what its client says.
    pub fn rows(
        &self,
        database: &str,
        measurement: &str,
    ) -> Result<Vec<Map<String, Value>>, String> {
        let text = format!("SELECT * FROM {measurement} ORDER BY time");
        let answer = match self.query(Some(database), &text) {
            Err(error) if error.contains("database not found") => return Ok(Vec::new()),
            answer => answer?,
        };
        let series = &answer["results"][0]["series"][0];
        let texts = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let columns = texts(&series["columns"]);
        let row = |row: &Value| {
            let names = columns.iter().map(|name| name.as_str().unwrap_or_default());
            let named = names.map(str::to_string).zip(texts(row));
            named.filter(|(_, value)| !value.is_null()).collect()
        };
        Ok(texts(&series["values"]).iter().map(row).collect())
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
