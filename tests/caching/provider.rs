//! An identity provider: an HTTPS server with a certificate from its own authority that publishes
//! one JWK Set (RFC 7517, 5), or several pages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use harness::certificates::Certificates;
use harness::keys::Key;
use harness::ports;
use harness::script::Script;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::keys::edit;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The script with enough time for a TLS handshake on a machine busy with other trials.
pub fn patient(script: Script) -> Script {
    const MILLISECONDS: i64 = 15_000;
    script
        .set("http_connect_timeout", MILLISECONDS)
        .set("http_timeout", MILLISECONDS)
}

/// What is published, and how.
#[derive(Clone)]
pub struct Published {
    /// 200, or an error status.
    pub status: u16,
    /// Cache-Control.
    pub cache: &'static str,
    /// The JWK Set.
    pub body: String,
    /// What is at which path, if not the set at each of them. There is nothing elsewhere.
    pub pages: BTreeMap<String, String>,
}

struct Shared {
    published: Mutex<Published>,
    asked: AtomicUsize,
    /// How often each path was asked for.
    paths: Mutex<BTreeMap<String, usize>>,
    ended: AtomicBool,
}

/// A running provider. It stops when dropped.
pub struct Provider {
    port: u16,
    authority: PathBuf,
    other_authority: PathBuf,
    tls: Arc<ServerConfig>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts one whose files go to `folder`.
    pub fn start(folder: &Path, keys: &[Value]) -> Result<Provider, String> {
        let files = Certificates::new(folder)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(
                    vec![files.certificate_der],
                    PrivateKeyDer::Pkcs8(files.key_der),
                )
            })
            .map_err(|e| e.to_string())?;
        let mut provider = Provider {
            port: ports::free(),
            authority: files.authority,
            other_authority: files.other_authority,
            tls: Arc::new(tls),
            shared: Arc::new(Shared {
                published: Mutex::new(Published {
                    status: 200,
                    cache: "max-age=3600",
                    body: set(keys),
                    pages: BTreeMap::new(),
                }),
                asked: AtomicUsize::new(0),
                paths: Mutex::default(),
                ended: AtomicBool::new(false),
            }),
            thread: None,
        };
        provider.resume()?;
        Ok(provider)
    }

    /// The URL of the set.
    pub fn url(&self) -> String {
        self.at("/certs")
    }

    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// How many requests for a path there have been.
    pub fn asked_for(&self, path: &str) -> usize {
        let paths = self.shared.paths.lock();
        let paths = paths.unwrap_or_else(PoisonError::into_inner);
        paths.get(path).copied().unwrap_or(0)
    }

    /// Puts a page at a path, and what is not at the path of a page is nowhere.
    pub fn page(&self, path: &str, body: impl ToString) {
        let mut published = self.published();
        published.pages.insert(path.to_owned(), body.to_string());
    }

    /// The file of the authority that issued its certificate.
    pub fn authority(&self) -> &str {
        self.authority.to_str().expect("a temporary folder")
    }

    /// An authority that did not sign it.
    pub fn other_authority(&self) -> &str {
        self.other_authority.to_str().expect("a temporary folder")
    }

    /// How many requests there have been.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Publishes other keys.
    pub fn publish(&self, keys: &[Value]) {
        self.published().body = set(keys);
    }

    /// What it answers from now on.
    pub fn published(&self) -> MutexGuard<'_, Published> {
        let published = &self.shared.published;
        published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops listening.
    pub fn pause(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It is blocked in accept.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Listens again, on the same port.
    pub fn resume(&mut self) -> Result<(), String> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        self.shared.ended.store(false, Ordering::Relaxed);
        let (shared, tls) = (Arc::clone(&self.shared), Arc::clone(&self.tls));
        self.thread = Some(spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, tls) = (Arc::clone(&shared), Arc::clone(&tls));
                spawn(move || {
                    // A client that rejects the certificate disconnects, which is its own decision.
                    let _ = stream
                        .map_err(|e| e.to_string())
                        .and_then(|stream| serve(stream, tls, &shared));
                });
            }
        }));
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.pause();
    }
}

fn serve(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let connection = ServerConnection::new(tls).map_err(|e| e.to_string())?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    reader.read_line(&mut line).map_err(failed)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    line.clear();
    while reader.read_line(&mut line).map_err(failed)? > 2 {
        line.clear();
    }
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let paths = shared.paths.lock();
    *paths
        .unwrap_or_else(PoisonError::into_inner)
        .entry(path.clone())
        .or_default() += 1;
    let Published {
        status,
        cache,
        body,
        pages,
    } = shared
        .published
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let (status, body) = match pages.get(&path) {
        _ if pages.is_empty() => (status, body),
        Some(page) => (status, page.clone()),
        None => (404, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nCache-Control: {cache}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let stream = reader.get_mut();
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .map_err(failed)?;
    stream.conn.send_close_notify();
    stream.flush().map_err(failed)
}

/// A JWK Set.
pub fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// A key with its certificate, for this use, as Keycloak publishes it.
pub fn certified(kid: &str, key: &Key, usage: &str, alg: &str) -> Value {
    edit(jwk(kid, key), |jwk| {
        jwk["use"] = json!(usage);
        jwk["alg"] = json!(alg);
        jwk["x5c"] = json!([x5c(key)]);
        jwk["x5t"] = json!(harness::tokens::b64([7; 20]));
        jwk["x5t#S256"] = json!(harness::tokens::b64([7; 32]));
    })
}

/// The certificate of a key as an element of `x5c` (RFC 7517 section 4.7).
pub fn x5c(key: &Key) -> String {
    let certificate = key.certificate();
    let lines = certificate.lines();
    lines.filter(|line| !line.starts_with('-')).collect()
}

/// A key as its provider publishes it.
pub fn jwk(kid: &str, key: &Key) -> Value {
    let b64 = harness::tokens::b64;
    match key {
        Key::Rsa(_) => {
            let (n, e) = key.modulus_and_exponent();
            json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": e })
        }
        Key::Ec(_) => {
            // The point is at the end of the structure, uncompressed. The object identifiers differ
            // in length, too.
            let der = key.public_der();
            let (curve, size) = match der.len() {
                88 => ("secp256k1", 32),
                91 => ("P-256", 32),
                120 => ("P-384", 48),
                _ => ("P-521", 66),
            };
            let (x, y) = der[der.len() - 2 * size..].split_at(size);
            json!({ "kty": "EC", "crv": curve, "kid": kid, "use": "sig", "x": b64(x), "y": b64(y) })
        }
        Key::Ed(_) => {
            let der = key.public_der();
            let x = b64(&der[der.len() - 32..]);
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": x })
        }
        Key::Secret(bytes) => json!({ "kty": "oct", "kid": kid, "k": b64(bytes) }),
    }
}
