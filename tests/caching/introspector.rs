//! An issuer with an introspection endpoint (RFC 7662), whose answers a trial decides, and which remembers what
//! it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use harness::certificates::Certificates;
use harness::ports;
use percent_encoding::percent_decode_str;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How long a client may take to send its request, and an answer may be held back.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is answered for a token.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Further lines of the head, each with its end.
    pub head: String,
    pub media_type: &'static str,
    pub body: Vec<u8>,
    /// Whether it is held back until [`Introspector::release`].
    pub held: bool,
}

impl Reply {
    /// This object.
    pub fn json(body: &Value) -> Reply {
        Reply {
            status: 200,
            head: String::new(),
            media_type: "application/json",
            body: body.to_string().into_bytes(),
            held: false,
        }
    }

    /// A signed answer.
    pub fn signed(body: &str) -> Reply {
        Reply {
            media_type: "application/token-introspection+jwt",
            body: body.as_bytes().to_vec(),
            ..Reply::json(&json!({}))
        }
    }
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub path: String,
    /// Headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub form: BTreeMap<String, String>,
}

impl Asked {
    /// A field of the form.
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// A header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct State {
    replies: BTreeMap<String, Reply>,
    pages: BTreeMap<String, String>,
    asked: Vec<Asked>,
    released: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
    ended: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running one. It stops when dropped. A token of which nothing was said is not active.
pub struct Introspector {
    port: u16,
    authority: Option<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Introspector {
    /// One without TLS, which nobody but this machine reaches.
    pub fn start() -> Result<Introspector, String> {
        Introspector::serve(None)
    }

    /// One with TLS, whose files go to this folder.
    pub fn start_with_tls(folder: &Path) -> Result<Introspector, String> {
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
        let authority = files.authority.display().to_string();
        Introspector::serve(Some((authority, Arc::new(tls))))
    }

    fn serve(tls: Option<(String, Arc<ServerConfig>)>) -> Result<Introspector, String> {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        let shared = Arc::new(Shared::default());
        let (authority, tls) = tls.unzip();
        let of_thread = shared.clone();
        let thread = spawn(move || {
            for stream in listener.incoming() {
                if of_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, shared) = (tls.clone(), of_thread.clone());
                // What fails here is what the trial is about.
                spawn(move || stream.map(|stream| handle(stream, tls, &shared)));
            }
        });
        Ok(Introspector {
            port,
            authority,
            shared,
            thread: Some(thread),
        })
    }

    /// The file of the authority that vouches for it.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }

    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// The URL of its endpoint; any path is one to which something is posted.
    pub fn url(&self) -> String {
        self.at("/introspect")
    }

    /// Puts a page there, for GET.
    pub fn page(&self, path: &str, body: &Value) {
        let mut state = self.shared.lock();
        state.pages.insert(path.to_owned(), body.to_string());
    }

    /// Puts metadata and keys there, for an issuer with this path.
    pub fn publish(&self, path: &str, keys: &[Value]) -> String {
        let issuer = self.at(path);
        let jwks = format!("{path}/keys");
        let mut metadata = super::discovery::metadata(&issuer, &self.at(&jwks));
        metadata["introspection_endpoint"] = json!(self.at(&format!("{path}/introspect")));
        self.page(&format!("{path}{}", super::discovery::OPENID), &metadata);
        self.page(&jwks, &json!({ "keys": keys }));
        issuer
    }

    /// What it says of a token from now on.
    pub fn say(&self, token: &str, body: &Value) {
        self.reply(token, Reply::json(body));
    }

    /// What it answers for a token from now on.
    pub fn reply(&self, token: &str, reply: Reply) {
        self.shared.lock().replies.insert(token.to_owned(), reply);
    }

    /// Sends what is held back.
    pub fn release(&self) {
        self.shared.lock().released = true;
        self.shared.released.notify_all();
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().asked.clone()
    }

    /// How often.
    pub fn count(&self) -> usize {
        self.shared.lock().asked.len()
    }

    /// Fails unless it was asked this often.
    pub fn expect(&self, count: usize) -> Result<(), String> {
        match self.count() {
            found if found == count => Ok(()),
            found => Err(format!(
                "asked {found} times, not {count}: {:?}",
                self.asked()
            )),
        }
    }
}

impl Drop for Introspector {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.release();
        // Wakes the thread, which waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn handle(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    shared: &Shared,
) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let Some(tls) = tls else {
        return exchange(stream, shared).map(drop).map_err(failed);
    };
    let connection = ServerConnection::new(tls).map_err(|e| e.to_string())?;
    let mut stream = exchange(StreamOwned::new(connection, stream), shared).map_err(failed)?;
    stream.conn.send_close_notify();
    stream.flush().map_err(failed)
}

fn exchange<S: Read + Write>(stream: S, shared: &Shared) -> std::io::Result<S> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let reply = match method.as_str() {
        "GET" => shared.lock().pages.get(&path).map(|page| Reply {
            body: page.clone().into_bytes(),
            ..Reply::json(&json!({}))
        }),
        _ => Some(introspect(
            shared,
            path,
            headers,
            &String::from_utf8_lossy(&body),
        )),
    };
    let reply = reply.unwrap_or(Reply {
        status: 404,
        ..Reply::json(&json!({}))
    });
    let Reply {
        status,
        head,
        media_type,
        body,
        ..
    } = reply;
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n{head}\r\n",
        body.len()
    );
    let stream = reader.get_mut();
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    stream.flush()?;
    Ok(reader.into_inner())
}

fn introspect(
    shared: &Shared,
    path: String,
    headers: BTreeMap<String, String>,
    body: &str,
) -> Reply {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let form: BTreeMap<_, _> = pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let asked = Asked {
        path,
        headers,
        form,
    };
    let mut state = shared.lock();
    let reply = state.replies.get(asked.field("token")).cloned();
    state.asked.push(asked);
    let reply = reply.unwrap_or_else(|| Reply::json(&json!({ "active": false })));
    if reply.held {
        let wait = |state: &mut State| !state.released;
        let held = shared.released.wait_timeout_while(state, PATIENCE, wait);
        drop(held);
    }
    reply
}
