//! Redis as operators run it: one server, one watched by Sentinels, or a Cluster, with or without
//! TLS and passwords. Each is an [`Access`]: it has a URL, and redis-cli reads it back.

mod access;
mod cluster;
mod options;
mod sentinel;

pub use self::access::Access;
pub use self::cluster::Cluster;
pub use self::options::{Options, Tls};
pub use self::sentinel::Sentinel;

use std::fs::{self, OpenOptions};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::access::Kind;
use crate::certificates::Certificates;
use crate::database::program;
use crate::instance::tail;
use crate::ports;
use crate::server::{Server, wait_for};

/// How long it may take to start, or to agree with others of its kind.
const START: Duration = Duration::from_secs(30);

/// A server of our own, of data or a Sentinel; it ends when dropped.
pub struct Redis {
    /// The TCP port on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    is_sentinel: bool,
    access: Access,
    server: Mutex<Option<Server>>,
}

/// Why there can be none, if so.
pub fn missing() -> Option<String> {
    ["redis-server", "redis-cli"]
        .iter()
        .find(|name| program(name).is_none())
        .map(|name| format!("no {name}"))
}

impl Redis {
    /// Starts an empty one.
    ///
    /// # Errors
    /// Fails if it does not answer within 30 s.
    pub fn start(folder: &Path) -> Result<Redis, String> {
        Redis::start_with(folder, &Options::default())
    }

    /// The same with these options. With TLS, the certificates are in `folder`; `other-ca.pem`
    /// there is an authority that did not sign any.
    ///
    /// # Errors
    /// Fails if it does not answer within 30 s.
    pub fn start_with(folder: &Path, options: &Options) -> Result<Redis, String> {
        let certificates = options.certificates(folder)?;
        Redis::data(folder, options, certificates.as_ref(), "")
    }

    /// Starts one with `more` lines of configuration.
    fn data(
        folder: &Path,
        options: &Options,
        certificates: Option<&Certificates>,
        more: &str,
    ) -> Result<Redis, String> {
        let port = ports::free();
        let access = options.access(Kind::Single, vec![port], certificates);
        let lines = options.lines(port, certificates) + more;
        Redis::launch(folder, &lines, access, false)
    }

    /// Starts one with this configuration, which it may rewrite itself.
    fn launch(
        folder: &Path,
        lines: &str,
        access: Access,
        is_sentinel: bool,
    ) -> Result<Redis, String> {
        let redis = Redis {
            port: access.port(),
            folder: folder.to_path_buf(),
            is_sentinel,
            access,
            server: Mutex::new(None),
        };
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(redis.configuration(), lines))
            .map_err(|e| format!("{}: {e}", folder.display()))?;
        redis.resume()?;
        Ok(redis)
    }

    /// Stops it; its data is lost, unless [lasting](Options::lasting).
    pub fn pause(&self) {
        *self.server() = None;
    }

    /// Ends it with SIGKILL; its data is lost, unless [lasting](Options::lasting).
    pub fn kill(&self) {
        if let Some(mut server) = self.server().take() {
            server.kill();
        }
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

    /// Starts it again on the same port, after [`pause`](Redis::pause) or [`kill`](Redis::kill).
    ///
    /// # Errors
    /// Fails if it does not answer within 30 s; the message has what it logged.
    pub fn resume(&self) -> Result<(), String> {
        let log = self.folder.join("redis.log");
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let mut command = Command::new(program("redis-server").ok_or("no redis-server")?);
        command
            .arg(self.configuration())
            .args(self.is_sentinel.then_some("--sentinel"))
            .current_dir(&self.folder)
            .stdout(output.map_err(|e| e.to_string())?);
        let mut server = Server::start(&mut command).map_err(|e| e.to_string())?;
        let up = wait_for(START, || match self.access.answers() {
            true => Some(Ok(())),
            false => server.ended().map(|status| Err(status.to_string())),
        });
        up.unwrap_or_else(|| Err("no answer".to_string()))
            .map_err(|e| {
                let log = fs::read_to_string(&log).unwrap_or_default();
                format!("redis-server: {e}\n{}", tail(&log, 40))
            })?;
        *self.server() = Some(server);
        Ok(())
    }

    /// The id of its process, if it is running or hangs.
    pub fn pid(&self) -> Option<u32> {
        self.server().as_ref().map(Server::pid)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("redis.conf")
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Redis {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}
