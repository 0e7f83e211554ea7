//! How to reach a Redis installation: its URL, and redis-cli.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::sentinel;
use crate::database::program;

/// How long redis-cli waits for a server, in seconds. Only one that hangs takes longer.
const LIMIT: &str = "10";

/// The same where a server that hangs is merely passed over.
const SHORT: &str = "2";

/// Where an installation is, and who may read it.
#[derive(Clone)]
pub struct Access {
    pub(super) kind: Kind,
    /// Of the server, of all Sentinels, or of all nodes.
    pub(super) ports: Vec<u16>,
    /// Username, empty for the default user, and password.
    pub(super) credentials: Option<(String, String)>,
    /// The authority that vouches for the servers, if there is TLS.
    pub(super) authority: Option<PathBuf>,
    /// The client's certificate and key, if it needs one.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// What listens on the ports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Sentinels,
    Cluster,
}

impl Access {
    /// The URL, with database 0.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() {
            "rediss"
        } else {
            "redis"
        };
        let (kind, path) = match self.kind {
            Kind::Single => ("", "/0".to_string()),
            Kind::Sentinels => ("+sentinel", format!("/{}/0", sentinel::NAME)),
            Kind::Cluster => ("+cluster", String::new()),
        };
        let login = self
            .credentials
            .as_ref()
            .map(|(user, password)| format!("{}:{}@", encoded(user, ""), encoded(password, "")));
        let hosts: Vec<String> = self
            .ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let identity = self.identity.as_ref();
        let parameters: Vec<String> = [
            ("tls_ca", self.authority.as_ref()),
            ("tls_cert", identity.map(|(certificate, _)| certificate)),
            ("tls_key", identity.map(|(_, key)| key)),
        ]
        .iter()
        .filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string())))
        .map(|(name, path)| format!("{name}={}", encoded(&path, "/")))
        .collect();
        let query = if parameters.is_empty() { "" } else { "?" };
        format!(
            "{scheme}{kind}://{}{}{path}{query}{}",
            login.unwrap_or_default(),
            hosts.join(","),
            parameters.join("&"),
        )
    }

    /// What redis-cli prints for a command, in machine-readable form: by the only server, by the
    /// current master, or by whichever node of the Cluster has the key. An error from Redis is
    /// such a text as well.
    ///
    /// # Errors
    /// Fails if no server answers within 10 s.
    pub fn cli(&self, words: &[&str]) -> Result<String, String> {
        match self.kind {
            Kind::Single => self.cli_at(self.port(), words),
            Kind::Sentinels => self.cli_at(sentinel::master(self)?, words),
            Kind::Cluster => {
                let answers = |port: &&u16| self.answers_at(**port);
                let port = self.ports.iter().find(answers).ok_or("no node answers")?;
                self.run(LIMIT, *port, &[&["-c"], words].concat())
            }
        }
    }

    /// The same by the server on this port, and no other.
    ///
    /// # Errors
    /// Fails if it does not answer within 10 s.
    pub fn cli_at(&self, port: u16, words: &[&str]) -> Result<String, String> {
        self.run(LIMIT, port, words)
    }

    /// The same, given up after 2 s.
    pub(super) fn cli_soon(&self, port: u16, words: &[&str]) -> Result<String, String> {
        self.run(SHORT, port, words)
    }

    /// Whether the first server answers.
    pub(super) fn answers(&self) -> bool {
        self.answers_at(self.port())
    }

    fn answers_at(&self, port: u16) -> bool {
        self.cli_soon(port, &["PING"])
            .is_ok_and(|said| said == "PONG")
    }

    /// The first port.
    pub(super) fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    pub(super) fn run(&self, limit: &str, port: u16, words: &[&str]) -> Result<String, String> {
        // redis-cli itself waits forever for a server that hangs.
        let mut command = Command::new(program("timeout").ok_or("no timeout")?);
        command
            .arg(limit)
            .arg(program("redis-cli").ok_or("no redis-cli")?)
            .args(["-p", &port.to_string(), "--raw"])
            .stdin(Stdio::null());
        if let Some((user, password)) = &self.credentials {
            command.env("REDISCLI_AUTH", password);
            if !user.is_empty() {
                command.args(["--user", user]);
            }
        }
        if let Some(authority) = &self.authority {
            command.arg("--tls").arg("--cacert").arg(authority);
        }
        if let Some((certificate, key)) = &self.identity {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output = command.args(words).output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(text.trim_end_matches('\n').to_string()),
            false => Err(format!(
                "redis-cli {words:?}: {}: {text}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// The registration of an address of record: its members, its time to live in Redis in
    /// seconds, and its score among the active users; None if there is none.
    ///
    /// # Errors
    /// Fails if Redis does not answer, or has something else there.
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
    ///
    /// # Errors
    /// Fails if Redis does not answer.
    pub fn is_empty_of(&self, aor: &str) -> Result<bool, String> {
        let realm = aor.rsplit('@').next().unwrap_or_default();
        let key = format!("user:{aor}");
        let of_realm = format!("active-user:{realm}");
        Ok(self.cli(&["EXISTS", &key])? == "0"
            && self.cli(&["ZSCORE", "active-user", &key])?.is_empty()
            && self.cli(&["ZSCORE", &of_realm, &key])?.is_empty())
    }
}

/// A part of a URL, percent-encoded except for letters, digits and these.
fn encoded(text: &str, plain: &str) -> String {
    let one = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
