//! A web server for tests, on a free loopback port, with a closure handling each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::HandshakeKind;

/// A request as received by the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} is there twice");
        Some(value)
    }

    /// Reads a request; `None` at the end of the connection.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Seen> {
        let mut line = || {
            let mut line = String::new();
            stream
                .read_line(&mut line)
                .ok()
                .filter(|length| *length > 0)?;
            Some(line.trim_end().to_owned())
        };
        let mut seen = Seen {
            line: line()?,
            ..Seen::default()
        };
        while let Some(header) = line().filter(|line| !line.is_empty()) {
            let (name, value) = header.split_once(':').expect("a header");
            seen.headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = seen
            .header("content-length")
            .map_or(0, |length| length.parse().expect("it"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        seen.body = String::from_utf8(body).expect("UTF-8");
        Some(seen)
    }
}

/// A complete answer.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) const OK: &str = r#"{"status":"ok"}"#;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Calls `handler` with the number of the connection, from 1, each on its own thread. The
    /// threads end with the test's process.
    pub(crate) fn raw(handler: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let handler = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let handler = Arc::clone(&handler);
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                thread::spawn(move || handler(number, stream));
            }
        });
        Server {
            address,
            connections,
        }
    }

    /// Reads requests, and sends what `respond` returns for each (its number on this connection is
    /// the second argument), until that is `None`.
    pub(crate) fn http(
        respond: impl Fn(usize, usize, Seen) -> Option<String> + Send + Sync + 'static,
    ) -> Server {
        Server::raw(move |connection, stream| {
            let mut reader = BufReader::new(stream);
            for number in 1.. {
                let Some(seen) = Seen::read(&mut reader) else {
                    return;
                };
                let Some(response) = respond(connection, number, seen) else {
                    return;
                };
                if reader.get_mut().write_all(response.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    /// Always gives the same answer; requests are recorded.
    pub(crate) fn fixed(response: String) -> (Server, Arc<Mutex<Vec<Seen>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let server = Server::http(move |_, _, request| {
            kept.lock().expect("not poisoned").push(request);
            Some(response.clone())
        });
        (server, seen)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/auth", self.address)
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A URL where nothing listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!(
        "http://{}/nobody",
        listener.local_addr().expect("its address")
    )
}

/// Waits until the other side hangs up.
pub(crate) fn wait_for_end(mut stream: impl Read) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).is_ok_and(|length| length > 0) {}
}

/// A server over TLS.
pub(crate) struct TlsServer {
    pub(crate) server: Server,
    /// The certificate of the authority that issued the server's.
    pub(crate) pem: Vec<u8>,
    /// How each connection began.
    pub(crate) handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
}

/// A server that always admits. It closes the connection after a request to `/close`.
pub(crate) fn tls_server() -> TlsServer {
    tls_server_with(|_| answer("200 OK", OK))
}

/// A server that sends what `respond` returns for each request, with a certificate for 127.0.0.1
/// and localhost from its own authority. It closes the connection after a request to `/close`.
pub(crate) fn tls_server_with(
    respond: impl Fn(&Seen) -> String + Send + Sync + 'static,
) -> TlsServer {
    let authority = authority();
    let signing_key = rcgen::KeyPair::generate().expect("a key");
    let certificate =
        rcgen::CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .and_then(|params| params.signed_by(&signing_key, &authority))
            .expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("a good certificate");
    let config = Arc::new(config);
    let handshakes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&handshakes);
    let server = Server::raw(move |_, stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut reader = BufReader::new(rustls::StreamOwned::new(session, stream));
        let mut first = true;
        while let Some(seen) = Seen::read(&mut reader) {
            if first {
                let kind = reader.get_ref().conn.handshake_kind().expect("it is over");
                kept.lock().expect("not poisoned").push(kind);
                first = false;
            }
            _ = reader.get_mut().write_all(respond(&seen).as_bytes());
            if seen.line.contains(" /close ") {
                return;
            }
        }
    });
    TlsServer {
        server,
        pem: authority.pem().into_bytes(),
        handshakes,
    }
}

/// A certificate authority that no one knows.
pub(crate) fn authority() -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority of a test");
    let key = rcgen::KeyPair::generate().expect("a key");
    rcgen::CertifiedIssuer::self_signed(params, key).expect("a certificate")
}
