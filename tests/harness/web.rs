//! A web server whose answers a test decides, with or without TLS and client certificates, and a proxy
//! in front of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::ports;

/// How long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(20);

/// An authority of the tests.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM and in DER.
pub struct Issued {
    pub certificate: String,
    pub key: String,
    pub certificate_der: Vec<u8>,
    pub key_der: Vec<u8>,
}

impl Authority {
    /// A new one with this name.
    pub fn new(name: &str) -> Result<Authority, String> {
        let made = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        let issuer = made().map_err(|e| e.to_string())?;
        Ok(Authority { issuer })
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this name or address, for servers and clients.
    pub fn issue(&self, name: &str) -> Result<Issued, String> {
        let made = || -> Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(vec![name.to_string()])?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(Issued {
                certificate: certificate.pem(),
                key: key.serialize_pem(),
                certificate_der: certificate.der().to_vec(),
                key_der: key.serialize_der(),
            })
        };
        made().map_err(|e| e.to_string())
    }

    /// TLS for a server at this name or address, that accepts only clients with a certificate of
    /// `clients`, if that is given.
    pub fn server(
        &self,
        name: &str,
        clients: Option<&Authority>,
    ) -> Result<Arc<ServerConfig>, String> {
        let own = self.issue(name)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(clients.issuer.der().clone())
                    .map_err(|e| e.to_string())?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|e| e.to_string())?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from(own.certificate_der)];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key_der));
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|e| e.to_string())?;
        Ok(Arc::new(config))
    }
}

/// Writes a file beside its place, and then puts it there.
///
/// # Errors
/// Fails if that can't be done.
pub fn put(path: &Path, text: &str) -> Result<(), String> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}

impl Issued {
    /// Puts it into two files of a folder; returns their paths.
    ///
    /// # Errors
    /// Fails if they can't be written.
    pub fn put(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), String> {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        put(&certificate, &self.certificate)?;
        put(&key, &self.key)?;
        Ok((certificate, key))
    }
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Method, target and version.
    pub line: String,
    /// The other lines of the head.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The client's certificate, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn read(stream: &mut impl BufRead) -> Option<Asked> {
        let mut line = || {
            let mut line = String::new();
            let length = stream.read_line(&mut line).ok()?;
            (length > 0).then(|| line.trim_end().to_string())
        };
        let mut asked = Asked {
            line: line()?,
            ..Asked::default()
        };
        while let Some(header) = line().filter(|line| !line.is_empty()) {
            let (name, value) = header.split_once(':')?;
            asked
                .headers
                .push((name.to_string(), value.trim().to_string()));
        }
        let length = asked.header("content-length").unwrap_or("0");
        let mut body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).ok()?;
        asked.body = String::from_utf8(body).ok()?;
        Some(asked)
    }
}

/// A complete answer with these further header lines, each with its line end.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

type Respond = Box<dyn Fn(&Asked) -> String + Send + Sync>;

struct Shared {
    asked: Mutex<Vec<Asked>>,
    respond: Respond,
    ended: AtomicBool,
}

/// A running server on 127.0.0.1. It ends when dropped.
pub struct Web {
    port: u16,
    tls: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Starts one that answers each request with what `respond` makes of it.
    ///
    /// # Errors
    /// Fails if there is no free port.
    pub fn start(
        tls: Option<Arc<ServerConfig>>,
        respond: impl Fn(&Asked) -> String + Send + Sync + 'static,
    ) -> Result<Web, String> {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            respond: Box::new(respond),
            ended: AtomicBool::new(false),
        });
        let (is_tls, of) = (tls.is_some(), Arc::clone(&shared));
        let thread = spawn(move || {
            for stream in listener.incoming() {
                if of.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, tls) = (Arc::clone(&of), tls.clone());
                // Whoever disconnects halfway has reasons.
                spawn(move || stream.and_then(|stream| serve(stream, tls, &shared)));
            }
        });
        Ok(Web {
            port,
            tls: is_tls,
            shared,
            thread: Some(thread),
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path at this host, which must be another name of 127.0.0.1 for whoever asks.
    pub fn at(&self, host: &str, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.port)
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.at("127.0.0.1", path)
    }

    /// All that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = &self.shared.asked;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It is blocked in accept.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let Some(tls) = tls else {
        return converse(stream, |_| None, shared);
    };
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    converse(
        StreamOwned::new(connection, stream),
        |stream| {
            let chain = stream.conn.peer_certificates()?;
            Some(chain.first()?.to_vec())
        },
        shared,
    )
}

fn converse<S: Read + Write>(
    stream: S,
    certificate: impl Fn(&S) -> Option<Vec<u8>>,
    shared: &Shared,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(mut asked) = Asked::read(&mut reader) {
        asked.certificate = certificate(reader.get_ref());
        let answer = (shared.respond)(&asked);
        let kept = shared.asked.lock();
        kept.unwrap_or_else(PoisonError::into_inner).push(asked);
        reader.get_mut().write_all(answer.as_bytes())?;
        reader.get_mut().flush()?;
    }
    Ok(())
}

/// What a proxy does with those who ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Connects them to that port of 127.0.0.1, whatever host they name.
    Connect,
    /// Answers with this status.
    Status(u16),
    /// Accepts the connection, and says nothing.
    Hang,
    /// Closes the connection.
    Close,
}

/// An HTTP proxy for CONNECT on 127.0.0.1. It ends when dropped.
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Errors
    /// Fails if there is no free port.
    pub fn start(manner: Manner) -> Result<Proxy, String> {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        let (asked, ended) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (Arc::clone(&asked), Arc::clone(&ended));
        let thread = spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let kept = Arc::clone(&kept);
                spawn(move || stream.and_then(|stream| connect(stream, manner, &kept)));
            }
        });
        Ok(Proxy {
            port,
            asked,
            ended,
            thread: Some(thread),
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn connect(stream: TcpStream, manner: Manner, kept: &Mutex<Vec<Asked>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let Some(asked) = Asked::read(&mut reader) else {
        return Ok(());
    };
    let target = asked.line.split(' ').nth(1).unwrap_or_default().to_string();
    let kept = kept.lock();
    kept.unwrap_or_else(PoisonError::into_inner).push(asked);
    let mut client = reader.into_inner();
    match manner {
        Manner::Close => return Ok(()),
        Manner::Hang => {
            let mut rest = Vec::new();
            return client.read_to_end(&mut rest).map(drop);
        }
        Manner::Status(status) => {
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            return client.write_all(answer.as_bytes());
        }
        Manner::Connect => {}
    }
    let port = target
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port: u16 = port.ok_or(io::ErrorKind::InvalidInput)?;
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Write)
}
