//! The example endpoint that ships with the module, as a separate process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::ports;
use harness::server::{Server, wait_for};

/// The user that it knows.
pub const USERNAME: &str = "john";
/// The realm of the user.
pub const REALM: &str = "example.org";
/// The password of the user.
pub const PASSWORD: &str = "a password of john's";

/// How long it may take until it listens.
const START: Duration = Duration::from_secs(10);

/// A running endpoint.
pub struct Endpoint {
    /// Its TCP port on 127.0.0.1.
    pub port: u16,
    _server: Server,
}

impl Endpoint {
    /// Starts it, with its files in `folder`.
    ///
    /// # Errors
    /// Fails if it is not built, or does not listen.
    pub fn start(folder: &Path) -> Result<Endpoint, String> {
        let binary = binary()?;
        let users = folder.join("users");
        std::fs::write(&users, format!("{REALM}:{USERNAME}:{PASSWORD}\n"))
            .map_err(|e| format!("{}: {e}", users.display()))?;
        let port = ports::free();
        let mut command = Command::new(&binary);
        command
            .args(["--listen", &format!("127.0.0.1:{port}"), "--users"])
            .arg(&users)
            .stdout(Stdio::null());
        let server =
            Server::start(&mut command).map_err(|e| format!("{}: {e}", binary.display()))?;
        wait_for(START, || TcpStream::connect(("127.0.0.1", port)).ok())
            .ok_or("the endpoint does not listen")?;
        Ok(Endpoint {
            port,
            _server: server,
        })
    }

    /// The URL for queries.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Sets how long each answer takes from now on.
    ///
    /// # Errors
    /// Fails if it does not accept the setting.
    pub fn set_latency(&self, latency: Duration) -> Result<(), String> {
        let path = format!("/control?latency={}", latency.as_millis());
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )?;
            stream.set_read_timeout(Some(START))?;
            let mut answer = [0; 64];
            let length = stream.read(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
        };
        match ask() {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
            Ok(answer) => Err(format!("the endpoint answered to {path}: {answer}")),
            Err(error) => Err(format!("the endpoint: {path}: {error}")),
        }
    }
}

/// target/release/examples/endpoint, from target/release/deps/webhooks-0123.
fn binary() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let built = this
        .parent()
        .and_then(Path::parent)
        .map(|profile| profile.join("examples/endpoint"));
    match built {
        Some(path) if path.is_file() => Ok(path),
        _ => Err("the example endpoint is not built: run `make bench-http`".to_owned()),
    }
}
