//! The example endpoint as a process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::ports;
use crate::server::{Server, wait_for};

/// How long it may take until it accepts connections.
const START: Duration = Duration::from_secs(30);

/// How long its log may lag behind its answer.
const LOG: Duration = Duration::from_secs(10);

/// A running endpoint; it ends when dropped.
pub struct Endpoint {
    port: u16,
    tls: bool,
    folder: PathBuf,
    options: Vec<String>,
    server: Option<Server>,
}

impl Endpoint {
    /// Starts it with these users and options, on a free port.
    pub fn start(folder: &Path, users: &str, options: &[&str]) -> Result<Endpoint, String> {
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(folder.join("users"), users))
            .map_err(|e| e.to_string())?;
        let mut endpoint = Endpoint {
            port: ports::free(),
            tls: options.contains(&"--tls"),
            folder: folder.to_path_buf(),
            options: options.iter().map(ToString::to_string).collect(),
            server: None,
        };
        endpoint.resume()?;
        Ok(endpoint)
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, with a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// The URL at which it has this one fault.
    pub fn fault(&self, name: &str) -> String {
        format!("{}fault/{name}", self.url())
    }

    /// Its URL with userinfo.
    pub fn url_with(&self, userinfo: &str) -> String {
        self.url().replace("://", &format!("://{userinfo}@"))
    }

    /// Stops it; its port stays reserved.
    pub fn pause(&mut self) {
        self.server = None;
    }

    /// Ends it with SIGKILL; its port stays reserved.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Makes the whole process hang: connections are accepted by the kernel, even with TLS, and
    /// nobody answers. To hang only in the answer, [`Endpoint::control`] with `fault=hang-before`.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn hang(&self) -> Result<(), String> {
        self.running()?.hang()
    }

    /// Lets it go on; whoever is still connected is answered.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn go_on(&self) -> Result<(), String> {
        self.running()?.go_on()
    }

    fn running(&self) -> Result<&Server, String> {
        self.server
            .as_ref()
            .ok_or("the endpoint is stopped".to_string())
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<(), String> {
        let output = self.folder.join("output");
        let errors = File::create(self.folder.join("errors")).map_err(|e| e.to_string())?;
        let mut command = Command::new(binary()?);
        command
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port))
            .arg("--users")
            .arg(self.folder.join("users"))
            .arg("--log")
            .arg(self.folder.join("log"))
            .args(&self.options)
            .stdout(File::create(&output).map_err(|e| e.to_string())?)
            .stderr(errors);
        let mut server = Server::start(&mut command).map_err(|e| e.to_string())?;
        let listens = || std::fs::read_to_string(&output).is_ok_and(|said| said.ends_with('\n'));
        wait_for(START, || {
            (listens() || server.ended().is_some()).then_some(())
        });
        if !listens() {
            let said = std::fs::read_to_string(self.folder.join("errors"));
            return Err(format!("the endpoint did not start: {said:?}"));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Changes its faults from now on. Not over TLS.
    pub fn control(&self, query: &str) -> Result<(), String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        let request = format!("GET /control?{query} HTTP/1.1\r\nConnection: close\r\n\r\n");
        let mut head = [0; 12];
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_exact(&mut head))
            .map_err(|e| e.to_string())?;
        match &head {
            b"HTTP/1.1 200" => Ok(()),
            other => Err(format!("{query}: {}", String::from_utf8_lossy(other))),
        }
    }

    /// How many times it was asked with this nonce or token.
    pub fn asked(&self, text: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }

    /// What it logged about the request with this nonce.
    pub fn request(&self, nonce: &str) -> Result<Value, String> {
        let found = wait_for(LOG, || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(nonce))?;
            serde_json::from_str(line).ok()
        });
        found.ok_or_else(|| format!("the endpoint was not asked with {nonce}"))
    }

    /// The users of a realm that it has admitted at least once.
    pub fn admitted(&self, realm: &str) -> BTreeSet<String> {
        let log = self.log();
        let of = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            let (asked, answered) = (&line["asked"], &line["answered"]);
            let admitted = asked["realm"] == realm && answered["status"] == "ok";
            admitted.then(|| asked["username"].as_str().map(str::to_string))?
        };
        log.lines().filter_map(of).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// examples/endpoint, built by cargo along with the tests; built now if only the tests were.
pub fn binary() -> Result<PathBuf, String> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> Result<PathBuf, String> {
    let tests = std::env::current_exe().map_err(|e| e.to_string())?;
    let profile = tests
        .parent()
        .and_then(Path::parent)
        .ok_or("no target folder")?;
    let binary = profile.join("examples/endpoint");
    if binary.is_file() {
        return Ok(binary);
    }
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--locked", "--example", "endpoint"])
        .current_dir(crate::root());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().map_err(|e| e.to_string())?;
    match binary.is_file() {
        true => Ok(binary),
        false => Err(format!(
            "cargo build --example endpoint: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
