//! A SIP device over UDP, TCP, TLS, WS and WSS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::answer::Answer;
use harness::digest::{Challenge, Response};
use harness::registrar::Site;
use harness::server::uninterrupted;
use harness::udp::ClientSocket;

use super::group::over_streams;
use super::websocket;

/// How long to wait for an answer. It comes much sooner; the limit is for busy machines.
const LIMIT: Duration = Duration::from_secs(20);

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// The next number: of a device, a call or a request.
pub fn number() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// The transport of SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// As in Redis, and, in upper case, in a Via.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The port of this transport on a site, if it has one.
    pub fn port(self, site: &Site) -> Option<u16> {
        match self {
            Transport::Udp | Transport::Tcp => Some(site.udp),
            Transport::Tls => site.tls,
            Transport::Ws => site.ws,
            Transport::Wss => site.wss,
        }
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

enum Wire {
    Udp(ClientSocket),
    Stream(BufReader<Box<dyn Stream>>),
    WebSocket(Box<dyn Stream>),
}

/// One user on one connection.
pub struct Device {
    pub user: String,
    pub realm: String,
    pub transport: Transport,
    /// Its own address and port.
    pub local: String,
    wire: Wire,
    /// Distinguishes it from an earlier one on the same port.
    number: u64,
    /// Used in its requests.
    pub call_id: String,
    /// Of its last request.
    pub cseq: u32,
}

/// A request, without what is specific to each transaction. Empty means the default.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: &'static str,
    pub uri: String,
    /// The whole value of Contact; "-" means none.
    pub contact: String,
    /// The address in Via.
    pub via: String,
    /// The whole value of From, including its tag.
    pub from: String,
    pub to: String,
    /// 0 means one more than before.
    pub cseq: u32,
    pub headers: Vec<String>,
}

impl Request {
    /// A REGISTER for an hour.
    pub fn register() -> Request {
        Request {
            method: "REGISTER",
            ..Request::default()
        }
    }

    /// A call to somebody in the realm.
    pub fn invite() -> Request {
        Request {
            method: "INVITE",
            ..Request::default()
        }
    }

    /// With this value of Contact.
    pub fn contact(mut self, contact: impl Into<String>) -> Request {
        self.contact = contact.into();
        self
    }

    /// With an additional header line.
    pub fn with(mut self, line: impl Into<String>) -> Request {
        self.headers.push(line.into());
        self
    }
}

impl Device {
    /// A device of this user over UDP.
    pub fn new(site: &Site, user: &str, realm: &str) -> Result<Device, String> {
        Device::over(Transport::Udp, site, user, realm)
    }

    /// The same over another transport.
    pub fn over(
        transport: Transport,
        site: &Site,
        user: &str,
        realm: &str,
    ) -> Result<Device, String> {
        let port = transport
            .port(site)
            .ok_or_else(|| format!("no {}", transport.name()))?;
        if transport != Transport::Udp {
            over_streams();
        }
        let (wire, local) = connect(transport, port, site).map_err(|e| e.to_string())?;
        let number = number();
        Ok(Device {
            user: user.to_string(),
            realm: realm.to_string(),
            transport,
            local,
            wire,
            number,
            call_id: format!("{}-{number}", std::process::id()),
            cseq: 0,
        })
    }

    /// From now on a UDP device sends to another registrar, from the same port.
    pub fn turn_to(&mut self, site: &Site) -> Result<(), String> {
        match &self.wire {
            Wire::Udp(socket) => socket.connect(site.place()).map_err(|e| e.to_string()),
            _ => Err("it is connected".to_string()),
        }
    }

    /// How long it waits for an answer, if shorter than the maximum.
    pub fn patience(&mut self, limit: Duration) {
        if let Wire::Udp(socket) = &self.wire {
            let _ = socket.set_read_timeout(Some(limit));
        }
    }

    /// The URI of its contact.
    pub fn contact(&self) -> String {
        let Device {
            user,
            local,
            number,
            ..
        } = self;
        let (place, transport) = match self.transport {
            Transport::Udp => (local.as_str(), "udp"),
            Transport::Tcp => (local.as_str(), "tcp"),
            Transport::Tls => (local.as_str(), "tls"),
            // A browser does not know its own address.
            Transport::Ws | Transport::Wss => ("x7f.invalid", "ws"),
        };
        format!("sip:{user}@{place};transport={transport};device={number}")
    }

    /// A new Call-ID for the requests that follow.
    pub fn new_call(&mut self) {
        let number = number();
        self.call_id = format!("{}-{number}", std::process::id());
    }

    /// The value of its From.
    pub fn own_from(&self) -> String {
        let Device { user, realm, .. } = self;
        format!("<sip:{user}@{realm}>;tag={}", std::process::id())
    }

    fn uri(&self, request: &Request) -> String {
        match (request.uri.is_empty(), request.method) {
            (false, _) => request.uri.clone(),
            (true, "INVITE") => format!("sip:100@{}", self.realm),
            (true, _) => format!("sip:{}", self.realm),
        }
    }

    /// The request as it is sent.
    pub fn render(&mut self, request: &Request) -> String {
        self.cseq = match request.cseq {
            0 => self.cseq + 1,
            given => given,
        };
        let number = number();
        let own = format!("sip:{}@{}", self.user, self.realm);
        let or = |text: &str, usual: String| match text.is_empty() {
            true => usual,
            false => text.to_string(),
        };
        let via = match self.transport {
            Transport::Ws | Transport::Wss => "x7f.invalid".to_string(),
            _ => self.local.clone(),
        };
        let usual = match request.method {
            "REGISTER" => format!("<{}>;expires=3600", self.contact()),
            _ => format!("<{}>", self.contact()),
        };
        let contact = match request.contact.as_str() {
            "-" => String::new(),
            contact => format!("Contact: {}\r\n", or(contact, usual)),
        };
        let to = match request.method {
            "INVITE" => format!("<{}>", self.uri(request)),
            _ => format!("<{own}>"),
        };
        let to = or(&request.to, to);
        let from = or(&request.from, self.own_from());
        let headers: String = request
            .headers
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {via};branch=z9hG4bK{pid}x{number}\r\n\
             Max-Forwards: 70\r\n\
             From: {from}\r\n\
             To: {to}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             {contact}{headers}Content-Length: 0\r\n\r\n",
            method = request.method,
            uri = self.uri(request),
            transport = self.transport.name().to_uppercase(),
            via = or(&request.via, via),
            pid = std::process::id(),
            call_id = self.call_id,
            cseq = self.cseq,
        )
    }

    /// Sends bytes unchanged.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.wire {
            Wire::Udp(socket) => socket.send(bytes).map(drop),
            Wire::Stream(stream) => {
                let stream = stream.get_mut();
                stream.write_all(bytes).and_then(|()| stream.flush())
            }
            Wire::WebSocket(stream) => websocket::send(stream, bytes),
        };
        sent.map_err(|e| e.to_string())
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Request) -> Result<(), String> {
        let text = self.render(request);
        self.send_raw(text.as_bytes())
    }

    /// The next message that it receives, unchanged.
    pub fn receive_text(&mut self) -> Result<String, String> {
        let bytes = match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let length = uninterrupted(|| socket.recv(&mut buffer))
                    .map_err(|e| format!("no answer: {e}"))?;
                buffer.truncate(length);
                Ok(buffer)
            }
            Wire::Stream(stream) => message(stream),
            Wire::WebSocket(stream) => websocket::receive(stream),
        };
        let bytes = bytes.map_err(|e| format!("no answer: {e}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The next final answer, to whatever.
    pub fn receive_any(&mut self) -> Result<Answer, String> {
        loop {
            let text = self.receive_text()?;
            if let Some(answer) = Answer::parse(text.as_bytes())
                && answer.status >= 200
            {
                return Ok(answer);
            }
        }
    }

    /// The next final answer to what was sent last. Others are retransmitted: nobody acknowledges them.
    pub fn receive(&mut self) -> Result<Answer, String> {
        let cseq = format!("{} ", self.cseq);
        loop {
            let answer = self.receive_any()?;
            let of = answer.header("CSeq").unwrap_or_default();
            if of.starts_with(&cseq) {
                return Ok(answer);
            }
        }
    }

    /// Sends a request and waits for its final answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        self.send(request)?;
        let cseq = format!("{} {}", self.cseq, request.method);
        loop {
            let answer = self.receive()?;
            // Anything else is a retransmitted answer.
            if answer.header("CSeq") == Some(&cseq) {
                return Ok(answer);
            }
        }
    }

    /// The challenge to its first request.
    pub fn challenge(&mut self, request: &Request) -> Result<Challenge, String> {
        let answer = self.ask(request)?;
        answer
            .header("WWW-Authenticate")
            .or(answer.header("Proxy-Authenticate"))
            .and_then(Challenge::parse)
            .ok_or_else(|| format!("no challenge: {answer:?}"))
    }

    /// Asks, answers the challenge, and asks again.
    pub fn authorize(&mut self, request: &Request, password: &str) -> Result<Answer, String> {
        let mut answer = self.ask(request)?;
        // A challenge answered too late is followed by another.
        for _ in 0..5 {
            let value = answer
                .header("WWW-Authenticate")
                .or(answer.header("Proxy-Authenticate"));
            let Some(challenge) = value.and_then(Challenge::parse) else {
                return Ok(answer);
            };
            let response = Response::to(&challenge, &self.user, password, &self.uri(request));
            let name = match answer.status {
                401 => "Authorization",
                _ => "Proxy-Authorization",
            };
            let line = format!("{name}: {}", response.header(request.method));
            answer = self.ask(&request.clone().with(line))?;
        }
        Ok(answer)
    }

    /// Registers with its password and fails unless that is confirmed.
    pub fn register(&mut self) -> Result<Answer, String> {
        expect(self.authorize(&Request::register(), "secret")?, 200)
    }
}

/// Fails unless the answer has this status.
pub fn expect(answer: Answer, status: u16) -> Result<Answer, String> {
    match answer.status == status {
        true => Ok(answer),
        false => Err(format!(
            "{status} expected, got {}: {answer:?}",
            answer.status
        )),
    }
}

/// Fails unless the answer has this status and this X-Reason.
pub fn refused(answer: Answer, status: u16, reason: &str) -> Result<(), String> {
    let answer = expect(answer, status)?;
    match answer.header("X-Reason") == Some(reason) {
        true => Ok(()),
        false => Err(format!("X-Reason: {reason} expected, got {answer:?}")),
    }
}

fn connect(transport: Transport, port: u16, site: &Site) -> io::Result<(Wire, String)> {
    if transport == Transport::Udp {
        let socket = ClientSocket::bind(("127.0.0.1", 0))?;
        socket.connect((site.address.as_str(), port))?;
        socket.set_read_timeout(Some(LIMIT))?;
        let local = socket.local_addr()?.to_string();
        return Ok((Wire::Udp(socket), local));
    }
    let stream = TcpStream::connect((site.address.as_str(), port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let local = stream.local_addr()?.to_string();
    let mut stream: Box<dyn Stream> = match transport {
        Transport::Tls | Transport::Wss => Box::new(secure(stream, &site.certificate())?),
        _ => Box::new(stream),
    };
    if matches!(transport, Transport::Ws | Transport::Wss) {
        websocket::open(&mut stream)?;
        return Ok((Wire::WebSocket(stream), local));
    }
    Ok((Wire::Stream(BufReader::new(stream)), local))
}

/// A TLS connection to a site with this certificate.
pub fn secure(
    stream: TcpStream,
    certificate: &Path,
) -> io::Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let pem = pem::parse(std::fs::read(certificate)?).map_err(io::Error::other)?;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(pem.into_contents().into())
        .map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().map_err(io::Error::other)?;
    let session =
        rustls::ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(rustls::StreamOwned::new(session, stream))
}

/// One message from a stream: its head, and a body as long as Content-Length says.
fn message(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Keep-alives between messages.
        if message.is_empty() && line == b"\r\n" {
            continue;
        }
        let text = String::from_utf8_lossy(&line).to_lowercase();
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        message.extend(&line);
        if line == b"\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    message.extend(body);
    Ok(message)
}
