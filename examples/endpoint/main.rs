//! An example of what a customer runs: an HTTP endpoint that decides which SIP requests are
//! admitted. It reads users and passwords from a file and checks the digest that it receives. The
//! demo, the tests and the benchmarks use it; it can also misbehave in every way on purpose.
//!
//! ```text
//! cargo run --example endpoint -- --listen 127.0.0.1:8080 --users users.txt
//! ```
//!
//! | option | |
//! |---|---|
//! | `--listen ADDRESS:PORT` | default `127.0.0.1:8080`; port 0: any; the URL is printed on the first line |
//! | `--users FILE` | see [`users`] |
//! | `--latency MS` | how long each answer takes |
//! | `--fault NAME` | see [`faults`]; a request to the path `/fault/NAME` gets that fault alone |
//! | `--tls CERT KEY` | PEM files; HTTPS |
//! | `--basic USER:PASSWORD` | requires Basic authentication |
//! | `--signature-secret SECRET` | requires a signature |
//! | `--signature-header NAME` | default `Jambonz-Signature` |
//! | `--log FILE` | one JSON line for each request: what was asked, without secrets, and what was answered |
//!
//! A request to `/control?fault=NAME&latency=MS` changes these while it runs.

mod faults;
mod http;
mod users;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use faults::Fault;
use http::{HttpRequest, respond};
use users::Users;

/// A signature that is older or newer than this is a replay, or a clock is wrong.
const SIGNATURE_AGE: u64 = 300;

/// There are many threads, and they do little.
const STACK: usize = 256 * 1024;

struct Endpoint {
    users: Users,
    basic: Option<String>,
    signature: Option<hmac::Key>,
    signature_header: String,
    log: Option<Mutex<File>>,
    behaviour: RwLock<(Fault, Duration)>,
}

/// The options of the command line.
struct Options {
    listen: String,
    tls: Option<Arc<rustls::ServerConfig>>,
    endpoint: Endpoint,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("endpoint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut listen = "127.0.0.1:8080".to_owned();
    let mut tls = None;
    let mut endpoint = Endpoint {
        users: Users::default(),
        basic: None,
        signature: None,
        signature_header: "jambonz-signature".to_owned(),
        log: None,
        behaviour: RwLock::default(),
    };
    let (mut fault, mut latency) = (Fault::default(), Duration::ZERO);
    while let Some(option) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{option} needs a value"))
        };
        match option.as_str() {
            "--listen" => listen = value()?,
            "--users" => endpoint.users = Users::parse(&read(&value()?)?)?,
            "--latency" => latency = milliseconds(&value()?)?,
            "--fault" => fault = value()?.parse()?,
            "--tls" => tls = Some(tls_config(&value()?, &value()?)?),
            "--basic" => endpoint.basic = Some(format!("Basic {}", STANDARD.encode(value()?))),
            "--signature-secret" => {
                endpoint.signature = Some(hmac::Key::new(hmac::HMAC_SHA256, value()?.as_bytes()));
            }
            "--signature-header" => endpoint.signature_header = value()?.to_ascii_lowercase(),
            "--log" => {
                let path = value()?;
                let file = File::options().create(true).append(true).open(&path);
                endpoint.log = Some(Mutex::new(
                    file.map_err(|error| format!("{path}: {error}"))?,
                ));
            }
            _ => return Err(format!("{option} is not an option")),
        }
    }
    endpoint.behaviour = RwLock::new((fault, latency));
    Ok(Options {
        listen,
        tls,
        endpoint,
    })
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text
        .parse()
        .map_err(|_| "the latency must be a number of milliseconds")?;
    Ok(Duration::from_millis(number))
}

fn tls_config(certificate: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, String> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{certificate}: {error}"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

fn serve(options: Options) -> Result<(), String> {
    let Options {
        listen,
        tls,
        endpoint,
    } = options;
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("{scheme}://{address}/");
    _ = io::stdout().flush();
    let endpoint = Arc::new(endpoint);
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely out of descriptors: some will be free again.
                eprintln!("endpoint: {error}");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let (endpoint, tls) = (Arc::clone(&endpoint), tls.clone());
        let started = thread::Builder::new().stack_size(STACK).spawn(move || {
            // However a connection ends, it does not affect the others.
            _ = connection(&endpoint, stream, tls);
        });
        if let Err(error) = started {
            eprintln!("endpoint: {error}");
        }
    }
}

fn connection(
    endpoint: &Endpoint,
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => requests(endpoint, BufReader::new(stream)),
        Some(config) => {
            let session = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
            requests(
                endpoint,
                BufReader::new(rustls::StreamOwned::new(session, stream)),
            )
        }
    }
}

fn requests<S: Read + Write>(endpoint: &Endpoint, mut stream: BufReader<S>) -> io::Result<()> {
    while let Some(request) = HttpRequest::read(&mut stream)? {
        let (fault, latency) = *endpoint
            .behaviour
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if request.path == "/control" {
            let body = control(endpoint, &request).err().unwrap_or_default();
            let status = if body.is_empty() {
                "200 OK"
            } else {
                "400 Bad Request"
            };
            respond(stream.get_mut(), status, &body, true)?;
            continue;
        }
        let fault = match request.path.strip_prefix("/fault/") {
            Some(name) => name.parse().unwrap_or(fault),
            None => fault,
        };
        let (status, body) = endpoint.answer(&request);
        endpoint.log(&request, fault, status, &body);
        thread::sleep(latency);
        if let Some(fault) = fault.now() {
            return faults::commit(fault, &mut stream);
        }
        respond(
            stream.get_mut(),
            status,
            &body.to_string(),
            request.keep_alive,
        )?;
        if !request.keep_alive {
            return Ok(());
        }
    }
    Ok(())
}

fn control(endpoint: &Endpoint, request: &HttpRequest) -> Result<(), String> {
    let mut behaviour = endpoint
        .behaviour
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    for (name, value) in request.query_members() {
        match name.as_str() {
            "fault" => behaviour.0 = value.parse()?,
            "latency" => behaviour.1 = milliseconds(&value)?,
            _ => return Err(format!("{name} is neither fault nor latency")),
        }
    }
    Ok(())
}

impl Endpoint {
    /// Status and body.
    fn answer(&self, request: &HttpRequest) -> (&'static str, Value) {
        if self.basic.is_some() && self.basic.as_deref() != request.header("authorization") {
            return (
                "401 Unauthorized",
                json!({ "msg": "wrong user or password" }),
            );
        }
        if !self.is_signed(request) {
            return (
                "403 Forbidden",
                json!({ "msg": "not signed, or not with the right secret" }),
            );
        }
        match request.members() {
            Some(asked) => ("200 OK", self.users.answer(&asked)),
            None => (
                "400 Bad Request",
                json!({ "msg": "neither a JSON object nor a query" }),
            ),
        }
    }

    /// Whether the signature is correct and recent, or none is required.
    fn is_signed(&self, request: &HttpRequest) -> bool {
        let Some(key) = &self.signature else {
            return true;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let parts = request
            .header(&self.signature_header)
            .and_then(|value| value.strip_prefix("t="))
            .and_then(|value| value.split_once(",v1="));
        let Some((time, signature)) = parts else {
            return false;
        };
        let fresh = time
            .parse()
            .is_ok_and(|time: u64| time.abs_diff(now) <= SIGNATURE_AGE);
        let signed = [time.as_bytes(), b".", &request.body].concat();
        fresh && users::unhex(signature).is_some_and(|tag| hmac::verify(key, &signed, &tag).is_ok())
    }

    fn log(&self, request: &HttpRequest, fault: Fault, status: &str, body: &Value) {
        let Some(log) = &self.log else { return };
        let mut asked = request.members().unwrap_or_default();
        if let Some(token) = asked.get_mut("token") {
            *token = json!("(not logged)");
        }
        // Header values that are secrets are omitted.
        let headers: serde_json::Map<String, Value> = request
            .headers
            .iter()
            .map(|(name, value)| match name.as_str() {
                "authorization" => (name.clone(), json!("(not logged)")),
                _ => (name.clone(), json!(value)),
            })
            .collect();
        let line = json!({
            "http_method": request.method,
            "path": request.path,
            "headers": headers,
            "asked": asked,
            "fault": fault.to_string(),
            "status": status,
            "answered": body,
        });
        let mut file = log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            eprintln!("endpoint: the log: {error}");
        }
    }
}
