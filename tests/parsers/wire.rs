//! Querying a real core.

use std::collections::HashMap;
use std::fmt;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::instance::Instance;
use harness::script::Script;

use super::{admission, endpoint};

const ROUTES: &str = include_str!("routes.cfg");

/// How long to wait for an answer that must come. It comes much sooner; the limit is for busy
/// machines.
const LIMIT: Duration = Duration::from_secs(30);

/// How often the core's processes are checked during a wait.
const LOOK: Duration = Duration::from_millis(500);

/// How long to wait for answers that depend on the endpoint: after the last of them, and where one
/// is missing.
const QUIET: Duration = Duration::from_millis(30);
const LATE: Duration = Duration::from_secs(3);

/// How a request is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the module, while a worker waits, and by the core.
    AtOnce,
    /// The same, while the request waits (`async`).
    Waiting,
    /// By the core alone.
    Alone,
}

impl Way {
    /// How the user part of the request URI begins.
    fn service(self) -> &'static str {
        match self {
            Way::AtOnce => "both",
            Way::Waiting => "wait",
            Way::Alone => "core",
        }
    }
}

/// A request, except its first line, which says how it is to be examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Before the first line.
    pub lead: Vec<u8>,
    pub method: &'static str,
    /// After the first line.
    pub rest: Vec<u8>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = self.lead.escape_ascii();
        write!(f, "{lead}{} sip:... SIP/2.0\\r\\n", self.method)?;
        for line in self.rest.split_inclusive(|byte| *byte == b'\n') {
            write!(f, "\n{}", line.escape_ascii())?;
        }
        Ok(())
    }
}

impl Request {
    /// As sent over the wire.
    pub fn bytes(&self, service: &str, port: u16) -> Vec<u8> {
        let first = format!("{} sip:{service}@127.0.0.1:{port} SIP/2.0\r\n", self.method);
        [&self.lead, first.as_bytes(), &self.rest].concat()
    }
}

/// What an answer reports.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What was sent.
    pub request: Vec<u8>,
    /// What check_headers and http_authorize returned.
    pub checked: String,
    pub code: String,
    fields: HashMap<String, String>,
}

impl Seen {
    /// A value given in hexadecimal; `None` for NULL.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let text = self.fields.get(name)?.as_bytes();
        let digits = text.chunks(2).map(|two| {
            let two = std::str::from_utf8(two).ok()?;
            u8::from_str_radix(two, 16).ok()
        });
        digits.collect()
    }

    /// How many headers of certain names the core counts.
    pub fn counts(&self) -> impl Iterator<Item = (&str, usize)> {
        let fields = self.fields.iter();
        fields.filter_map(|(name, value)| Some((name.strip_prefix("count-")?, value.parse().ok()?)))
    }

    /// A numeric value.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.fields.get(name)?.parse().ok()
    }
}

/// A running core with one worker: requests are answered in the order sent.
pub struct Wire {
    instance: Instance,
    socket: UdpSocket,
    key: String,
    sent: u64,
    silent: bool,
    _folder: tempfile::TempDir,
}

impl Wire {
    pub fn start(core: &Core) -> Result<Wire, String> {
        let module = harness::module();
        if !module.is_file() {
            return Err(format!("no module at {}: run make", module.display()));
        }
        let folder = tempfile::Builder::new()
            .prefix("auth_web-parsers-")
            .tempdir()
            .map_err(|e| e.to_string())?;
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let nanos = std::time::UNIX_EPOCH.elapsed().map_err(|e| e.to_string())?;
        let key = format!("K{:x}{:x}", std::process::id(), nanos.as_nanos());
        let script = Script::new(&module, &ROUTES.replace("KEY", &key))
            .set("http_url", endpoint::start()?.as_str())
            .set("nonce_check", 0)
            .set("aor_check", 0)
            .set(
                "load_authorization",
                "header;scheme;username;realm;nonce;uri;response;qop;nc;cnonce;opaque;aor_user;\
                 aor_domain",
            )
            .workers(1)
            .log_level(-2);
        let instance = Instance::start(core, &script, folder.path()).map_err(|e| e.to_string())?;
        socket
            .connect(("127.0.0.1", instance.port))
            .map_err(|e| e.to_string())?;
        Ok(Wire {
            instance,
            socket,
            key,
            sent: 0,
            silent: false,
            _folder: folder,
        })
    }

    /// The port from which requests are sent.
    pub fn local_port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Fails if a process is gone, or the worker hangs.
    pub fn check_workers(&mut self) -> Result<(), String> {
        self.instance.check_workers()?;
        match self.silent {
            true => Err("the core does not answer OPTIONS any more".to_string()),
            false => Ok(()),
        }
    }

    /// What is reported for each of these, if it is answered at all.
    pub fn exchange(
        &mut self,
        way: Way,
        requests: &[Request],
    ) -> Result<Vec<Option<Seen>>, String> {
        let quiet = match way {
            Way::Waiting => Some(QUIET),
            Way::AtOnce | Way::Alone => None,
        };
        self.exchange_for(way, quiet, requests)
    }

    /// The same; where answers may come later than the one to the last request, until none has come
    /// for that long.
    fn exchange_for(
        &mut self,
        way: Way,
        quiet: Option<Duration>,
        requests: &[Request],
    ) -> Result<Vec<Option<Seen>>, String> {
        let mut answers: Vec<Option<Seen>> = requests.iter().map(|_| None).collect();
        let mut sent = Vec::new();
        let first = self.sent;
        for request in requests {
            let service = format!("{}-{}", way.service(), self.sent);
            let bytes = request.bytes(&service, self.instance.port);
            // Each transaction has one request.
            let bytes = replace(
                &bytes,
                b"z9hG4bK",
                format!("z9hG4bK{}", self.sent).as_bytes(),
            );
            self.send(&bytes)?;
            sent.push(bytes);
            self.sent += 1;
        }
        let last = self.sent;
        self.sent += 1;
        self.send(self.ping(last).as_bytes())?;
        let mut end = Instant::now() + LIMIT;
        let mut ready = false;
        let mut buffer = vec![0; 65_535];
        loop {
            if ready && (quiet.is_none() || answers.iter().all(Option::is_some)) {
                return Ok(answers);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.silent = !ready;
                return self.check_workers().map(|()| answers);
            }
            let patience = self.socket.set_read_timeout(Some(left.min(LOOK)));
            patience.map_err(|e| e.to_string())?;
            let Ok(length) = self.socket.recv(&mut buffer) else {
                // Gone, or busy; or one answer too many for our socket's buffer.
                self.check_workers()?;
                if !ready {
                    self.send(self.ping(last).as_bytes())?;
                }
                continue;
            };
            let answer = &buffer[..length];
            if contains(
                answer,
                format!("Call-ID: ping-{}-{last}\r\n", self.key).as_bytes(),
            ) {
                ready = true;
            } else if let Some((number, seen)) = self.seen(answer)
                && let Some(at) = number.checked_sub(first)
                && let Some(slot) = answers.get_mut(at as usize)
            {
                let request = sent[at as usize].clone();
                *slot = Some(Seen { request, ..seen });
            }
            if let Some(quiet) = quiet.filter(|_| ready) {
                end = Instant::now() + quiet;
            }
        }
    }

    /// Examines this one alone: returns what is wrong with it.
    pub fn judge(&mut self, way: Way, request: &Request) -> Result<(), String> {
        let alone = std::slice::from_ref(request);
        if let Some(Some(seen)) = self.exchange(way, alone)?.first() {
            return admission::check(seen);
        }
        self.missed(way, request)
    }

    /// Re-examines a request that got no answer: whether there should be one.
    pub fn missed(&mut self, way: Way, request: &Request) -> Result<(), String> {
        let alone = std::slice::from_ref(request);
        // Whether the core answers it if our module is not asked, or does not wait.
        let other = match way {
            Way::Waiting => Way::AtOnce,
            Way::AtOnce | Way::Alone => Way::Alone,
        };
        if let Some(None) | None = self.exchange(other, alone)?.first() {
            return Ok(());
        }
        // What was lost once is not lost again, and what is late arrives.
        for _ in 0..2 {
            let late = (way == Way::Waiting).then_some(LATE);
            if let Some(Some(seen)) = self.exchange_for(way, late, alone)?.first() {
                return admission::check(seen);
            }
        }
        Err(format!(
            "there is an answer to it {other:?}, and none {way:?}"
        ))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), String> {
        self.socket.send(bytes).map(drop).map_err(|e| e.to_string())
    }

    fn ping(&self, number: u64) -> String {
        let (port, key) = (self.instance.port, &self.key);
        let local = self.local_port();
        format!(
            "OPTIONS sip:ping@127.0.0.1:{port} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{local};branch=z9hG4bK-ping-{number}\r\n\
             From: <sip:ping@127.0.0.1>;tag=ping\r\nTo: <sip:ping@127.0.0.1>\r\n\
             Call-ID: ping-{key}-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// The number of the request that it answers, and what it reports. The names of the script's
    /// lines contain a word that nobody else knows.
    fn seen(&self, answer: &[u8]) -> Option<(u64, Seen)> {
        let mut seen = Seen::default();
        let mut number = None;
        for line in answer.split(|byte| *byte == b'\n') {
            let Some(line) = line.strip_prefix(self.key.as_bytes()) else {
                continue;
            };
            let line = std::str::from_utf8(line).ok()?.strip_prefix('-')?;
            let (name, value) = line.split_once(": ")?;
            let value = value.trim_end().to_string();
            match name {
                "number" => number = value.split_once('-')?.1.parse().ok(),
                "checked" => seen.checked = value,
                "code" => seen.code = value,
                name => {
                    seen.fields.insert(name.to_string(), value);
                }
            }
        }
        Some((number?, seen))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn replace(text: &[u8], part: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(part.len()).position(|window| window == part) {
        out.extend([&rest[..at], by].concat());
        rest = &rest[at + part.len()..];
    }
    [out.as_slice(), rest].concat()
}
