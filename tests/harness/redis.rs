//! A Redis of our own, read back with redis-cli.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::database::program;
use crate::ports;
use crate::server::{Server, wait_for};

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// A running Redis; it ends when dropped.
pub struct Redis {
    pub port: u16,
    folder: std::path::PathBuf,
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
    pub fn start(folder: &Path) -> Result<Redis, String> {
        let redis = Redis {
            port: ports::free(),
            folder: folder.to_path_buf(),
            server: Mutex::new(None),
        };
        redis.resume()?;
        Ok(redis)
    }

    /// Stops it; its data is lost.
    pub fn pause(&self) {
        *self.server.lock().expect("no panic") = None;
    }

    /// Starts it again on the same port.
    pub fn resume(&self) -> Result<(), String> {
        let output = File::create(self.folder.join("redis")).map_err(|e| e.to_string())?;
        let mut command = Command::new(program("redis-server").ok_or("no redis-server")?);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .current_dir(&self.folder)
            .stdout(output);
        let server = Server::start(&mut command).map_err(|e| e.to_string())?;
        let up = || TcpStream::connect(("127.0.0.1", self.port)).ok();
        wait_for(START, up).ok_or("redis-server does not answer")?;
        *self.server.lock().expect("no panic") = Some(server);
        Ok(())
    }

    /// What redis-cli prints for a command, in machine-readable form.
    pub fn cli(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(program("redis-cli").ok_or("no redis-cli")?)
            .args(["-p", &self.port.to_string(), "--raw"])
            .args(words)
            .output()
            .map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(text.trim_end_matches('\n').to_string()),
            false => Err(format!("redis-cli {words:?}: {text}")),
        }
    }

    /// The registration of an address of record: its members, its time to live in Redis, and its
    /// score among the active users; None if there is none.
    pub fn user(&self, aor: &str) -> Result<Option<(Value, u64, u64)>, String> {
        let key = format!("user:{aor}");
        let text = self.cli(&["GET", &key])?;
        if text.is_empty() {
            return Ok(None);
        }
        let members = serde_json::from_str(&text).map_err(|e| format!("{key}: {e}: {text}"))?;
        let number = |words: &[&str]| -> Result<u64, String> {
            let text = self.cli(words)?;
            text.parse().map_err(|_| format!("{words:?}: {text:?}"))
        };
        let left = number(&["TTL", &key])?;
        let score = number(&["ZSCORE", "active-user", &key])?;
        Ok(Some((members, left, score)))
    }

    /// Whether nothing of it is registered, according to both sorted sets and the keys themselves.
    pub fn is_empty_of(&self, aor: &str) -> Result<bool, String> {
        let realm = aor.rsplit('@').next().unwrap_or_default();
        let key = format!("user:{aor}");
        let of_realm = format!("active-user:{realm}");
        Ok(self.cli(&["EXISTS", &key])? == "0"
            && self.cli(&["ZSCORE", "active-user", &key])?.is_empty()
            && self.cli(&["ZSCORE", &of_realm, &key])?.is_empty())
    }
}
