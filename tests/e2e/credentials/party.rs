//! Phones, carriers and others with a UDP socket, and as much SIP (RFC 3261) as a call takes.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::ports;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A string that no other message of this run contains.
pub fn unique() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

/// One message, as received.
#[derive(Clone, Debug)]
pub struct Message(pub String);

impl Message {
    pub fn method(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Request-URI.
    pub fn uri(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of an answer; 0 for a request.
    pub fn status(&self) -> u16 {
        match self.0.strip_prefix("SIP/2.0 ") {
            Some(rest) => rest.get(..3).and_then(|s| s.parse().ok()).unwrap_or(0),
            None => 0,
        }
    }

    /// The values of all headers of that name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let named = |line| match str::split_once(line, ':') {
            Some((said, value)) if said.trim().eq_ignore_ascii_case(name) => Some(value.trim()),
            _ => None,
        };
        self.0.lines().skip(1).filter_map(named).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }

    /// The responses to challenges that it carries.
    pub fn answers(&self) -> Vec<String> {
        ["Authorization", "Proxy-Authorization"]
            .iter()
            .flat_map(|name| self.headers(name))
            .map(str::to_string)
            .collect()
    }

    /// The tag of From or To.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.header(name).split_once(";tag=").map(|(_, tag)| tag)
    }
}

/// An address, and what arrives there.
pub struct Party {
    socket: UdpSocket,
    pub port: u16,
    pub address: String,
    /// The port on which OpenSIPS listens.
    pub core: u16,
    seen: Mutex<Vec<String>>,
}

impl Party {
    /// A port that was free a moment ago may be taken now: the machine is shared.
    pub fn new(ip: &str, core: u16) -> Result<Party, String> {
        let mut bound = Err(format!("no port of {ip}"));
        for _ in 0..10 {
            let port = ports::free();
            bound = UdpSocket::bind((ip, port)).map_err(|e| format!("{ip}:{port}: {e}"));
            if bound.is_ok() {
                break;
            }
        }
        let socket = bound?;
        let port = socket.local_addr().map_err(|e| e.to_string())?.port();
        Ok(Party {
            socket,
            port,
            address: format!("{ip}:{port}"),
            core,
            seen: Mutex::default(),
        })
    }

    pub fn send(&self, text: &str) -> Result<(), String> {
        let sent = self
            .socket
            .send_to(text.as_bytes(), ("127.0.0.1", self.core));
        sent.map(drop).map_err(|e| e.to_string())
    }

    /// The next message within that time, ignoring retransmissions and 100.
    pub fn next(&self, limit: Duration) -> Result<Option<Message>, String> {
        let end = Instant::now() + limit;
        let mut buffer = vec![0; 65_535];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let read = self.socket.set_read_timeout(Some(left));
            read.map_err(|e| e.to_string())?;
            let Ok(length) = self.socket.recv(&mut buffer) else {
                continue;
            };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let mut seen = self.seen.lock().expect("no panic");
            if text.starts_with("SIP/2.0 100 ") || seen.contains(&text) {
                continue;
            }
            seen.push(text.clone());
            return Ok(Some(Message(text)));
        }
    }

    /// The next message, which must be a request with that method.
    pub fn request(&self, method: &str) -> Result<Message, String> {
        match self.next(super::LIMIT)? {
            Some(message) if message.method() == method => Ok(message),
            other => Err(format!("{method} expected, got {other:?}")),
        }
    }

    /// The next message, which must be an answer with that status.
    pub fn answer(&self, status: u16) -> Result<Message, String> {
        match self.next(super::LIMIT)? {
            Some(message) if message.status() == status => Ok(message),
            other => Err(format!("{status} expected, got {other:?}")),
        }
    }

    /// Answers a request, with further headers.
    pub fn reply(&self, to: &Message, status: &str, tag: &str, more: &str) -> Result<(), String> {
        self.send(&reply(to, status, tag, more))
    }

    /// A Contact header with this address.
    pub fn contact(&self) -> String {
        format!("Contact: <sip:party@{}>\r\n", self.address)
    }
}

/// The text of an answer.
fn reply(to: &Message, status: &str, tag: &str, more: &str) -> String {
    // A Record-Route of a later hop stands before ours.
    let mut text = format!("SIP/2.0 {status}\r\n{more}");
    for name in ["Via", "Record-Route"] {
        for value in to.headers(name) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let tag = match to.tag("To") {
        Some(_) => String::new(),
        None => format!(";tag={tag}"),
    };
    text.push_str(&format!(
        "From: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        to.header("From"),
        to.header("To"),
        to.header("Call-ID"),
        to.header("CSeq"),
    ));
    text
}

/// A request that can be varied.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub id: String,
    pub cseq: u32,
    pub routes: Vec<String>,
    /// Further headers, each with its end of line.
    pub more: String,
    /// Where the answer is to be sent.
    pub via: String,
    branch: String,
}

impl Request {
    /// The first request of a call.
    pub fn new(party: &Party, method: &str, uri: &str) -> Request {
        Request {
            method: method.to_string(),
            uri: uri.to_string(),
            from: format!("<sip:caller@example.org>;tag={}", unique()),
            to: "<sip:callee@example.org>".to_string(),
            id: format!("{}@127.0.0.1", unique()),
            cseq: 1,
            routes: Vec::new(),
            more: String::new(),
            via: party.address.clone(),
            branch: unique(),
        }
    }

    /// The next request in the same dialog.
    pub fn next(&self, method: &str) -> Request {
        Request {
            method: method.to_string(),
            cseq: self.cseq + u32::from(method != "ACK"),
            branch: unique(),
            ..self.clone()
        }
    }

    /// The CANCEL of this one.
    pub fn cancel(&self) -> Request {
        let method = "CANCEL".to_string();
        Request {
            method,
            ..self.clone()
        }
    }

    /// Takes over what the answer says about the dialog.
    pub fn established(&mut self, answer: &Message) {
        self.to = answer.header("To").to_string();
        self.uri = uri(answer.header("Contact"));
        self.routes = answer
            .headers("Record-Route")
            .iter()
            .map(|r| r.to_string())
            .collect();
        self.routes.reverse();
    }

    pub fn text(&self) -> String {
        let routes: String = self
            .routes
            .iter()
            .map(|r| format!("Route: {r}\r\n"))
            .collect();
        format!(
            "{} {} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {};branch=z9hG4bK{}\r\n\
             From: {}\r\n\
             To: {}\r\n\
             Call-ID: {}\r\n\
             CSeq: {} {}\r\n\
             Contact: <sip:caller@{}>\r\n\
             Max-Forwards: 70\r\n\
             {routes}{}Content-Length: 0\r\n\r\n",
            self.method,
            self.uri,
            self.via,
            self.branch,
            self.from,
            self.to,
            self.id,
            self.cseq,
            self.method,
            self.via,
            self.more,
        )
    }
}

/// What is between angle brackets.
pub fn uri(header: &str) -> String {
    let inner = header
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(header, |(uri, _)| uri).to_string()
}

/// Challenges every request sent to its address, and keeps it.
pub struct Stranger {
    pub address: String,
    pub port: u16,
    kept: Arc<Mutex<Vec<Message>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    pub fn new(ip: &str, core: u16, challenges: &'static str) -> Result<Stranger, String> {
        let party = Party::new(ip, core)?;
        let kept = Arc::new(Mutex::new(Vec::<Message>::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (address, port) = (party.address.clone(), party.port);
        let (keep, stopped) = (Arc::clone(&kept), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok(Some(message)) = party.next(Duration::from_millis(50)) else {
                    continue;
                };
                keep.lock().expect("no panic").push(message.clone());
                if message.status() != 0 || message.method() == "ACK" {
                    continue;
                }
                // A sender that has answered once is not challenged again.
                let (status, more) = match message.answers().is_empty() {
                    true => ("407 Proxy Authentication Required", challenges),
                    false => ("403 Got It", ""),
                };
                let _ = party.reply(&message, status, "stranger", more);
            }
        });
        let thread = Some(thread);
        Ok(Stranger {
            address,
            port,
            kept,
            stop,
            thread,
        })
    }

    /// The requests that have come so far.
    pub fn requests(&self) -> Vec<Message> {
        let kept = self.kept.lock().expect("no panic");
        let request = |message: &&Message| message.status() == 0;
        kept.iter().filter(request).cloned().collect()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
