//! A SIP device over UDP: asks, is challenged, asks again.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::digest::{Challenge, Response};
use super::server::uninterrupted;
use super::udp::ClientSocket;

/// How long to wait for an answer. It comes much sooner; the limit is for busy machines.
pub const LIMIT: Duration = Duration::from_secs(15);

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// One socket on one loopback address.
pub struct Device {
    socket: ClientSocket,
    server: u16,
    local: String,
}

/// A request, without what is specific to each transaction.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: &'static str,
    /// The user part of the request URI, which chooses the route of the test script.
    pub service: String,
    /// In From and To; also the username of the credentials.
    pub user: String,
    /// In From and To.
    pub domain: String,
    /// Appended to the address in Contact, e.g. `;expires=60`.
    pub contact: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

impl Question {
    /// A REGISTER for an hour.
    pub fn register(service: &str, user: &str, domain: &str) -> Question {
        Question {
            method: "REGISTER",
            service: service.to_string(),
            user: user.to_string(),
            domain: domain.to_string(),
            contact: ";expires=3600".to_string(),
            headers: Vec::new(),
        }
    }

    /// With an additional header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Question {
        self.headers.push((name.to_string(), value.into()));
        self
    }

    /// From a caller without a name, who would like to be this one (RFC 3325 section 9.2).
    pub fn anonymous(self, preferred: &str) -> Question {
        Question {
            user: "anonymous".to_string(),
            domain: "anonymous.invalid".to_string(),
            ..self
        }
        .with("P-Preferred-Identity", format!("<sip:{preferred}>"))
    }

    /// With these parameters of Contact.
    pub fn contact(mut self, parameters: &str) -> Question {
        self.contact = parameters.to_string();
        self
    }

    /// The header that carries credentials for this method.
    pub fn credentials_header(&self) -> &'static str {
        match self.method {
            "REGISTER" => "Authorization",
            _ => "Proxy-Authorization",
        }
    }
}

/// In a request that is written out: a byte that is not UTF-8.
pub const NOT_UTF8: &str = "\u{e000}";

/// A request that is written out, in which nothing has to match.
#[derive(Debug, Clone)]
pub struct Written {
    pub method: String,
    pub uri: String,
    /// Without its tag.
    pub from: String,
    pub to: String,
    /// Empty for a new one.
    pub call_id: String,
    pub cseq: u32,
    /// The line of Max-Forwards.
    pub hops: String,
    /// Further lines.
    pub lines: Vec<String>,
}

impl Default for Written {
    fn default() -> Self {
        Written {
            method: String::new(),
            uri: String::new(),
            from: String::new(),
            to: String::new(),
            call_id: String::new(),
            cseq: 1,
            hops: "Max-Forwards: 70\r\n".to_string(),
            lines: Vec::new(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    text: String,
}

impl Reply {
    /// The values of the headers of that name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.text
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The first of them, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }

    /// The return code, as the test script prints it.
    pub fn code(&self) -> &str {
        self.header("X-RC")
    }

    /// The challenges, in order.
    pub fn challenges(&self) -> Vec<Challenge> {
        let names = ["WWW-Authenticate", "Proxy-Authenticate"];
        let values = names.iter().flat_map(|name| self.headers(name));
        values.filter_map(Challenge::parse).collect()
    }

    /// The first challenge.
    pub fn challenge(&self) -> Result<Challenge, String> {
        let mut challenges = self.challenges();
        match challenges.is_empty() {
            false => Ok(challenges.swap_remove(0)),
            true => Err(format!("not challenged: {self:?}")),
        }
    }

    /// Fails unless the return code is this one.
    pub fn expect(self, code: &str) -> Result<Reply, String> {
        match self.code() == code {
            true => Ok(self),
            false => Err(format!("return code {code} expected, got {self:?}")),
        }
    }

    /// Fails unless this header has this value.
    pub fn expect_header(self, name: &str, value: &str) -> Result<Reply, String> {
        match self.header(name) == value {
            true => Ok(self),
            false => Err(format!("{name}: {value} expected, got {self:?}")),
        }
    }

    /// The ACK to it, sent to this port, if it answers an INVITE.
    pub(crate) fn acknowledgement(&self, server: u16) -> Option<String> {
        let sequence = self.header("CSeq").strip_suffix(" INVITE")?;
        let same: String = ["Via", "From", "To", "Call-ID"]
            .iter()
            .map(|name| format!("{name}: {}\r\n", self.header(name)))
            .collect();
        Some(format!(
            "ACK sip:ack@127.0.0.1:{server} SIP/2.0\r\n{same}CSeq: {sequence} ACK\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }

    /// None if it does not begin like an answer.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Reply> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        Some(Reply { status, text })
    }
}

impl Device {
    /// A device on 127.0.0.1.
    pub fn new(server: u16) -> Result<Device, String> {
        Device::at("127.0.0.1", server)
    }

    /// A device on another address of the loopback network: another source to ban.
    pub fn at(address: &str, server: u16) -> Result<Device, String> {
        let socket = ClientSocket::bind((address, 0)).map_err(|e| format!("{address}: {e}"))?;
        let local = socket.local_addr().map_err(|e| e.to_string())?.to_string();
        socket
            .connect(("127.0.0.1", server))
            .map_err(|e| e.to_string())?;
        Ok(Device {
            socket,
            server,
            local,
        })
    }

    /// The request URI of a question.
    pub fn uri(&self, question: &Question) -> String {
        format!("sip:{}@127.0.0.1:{}", question.service, self.server)
    }

    /// Sends a request without waiting for the answer; returns its Call-ID.
    pub fn send(&self, question: &Question) -> Result<String, String> {
        let (id, text) = self.render(question);
        self.socket
            .send(text.as_bytes())
            .map_err(|e| e.to_string())?;
        Ok(id)
    }

    /// Sends the same request that many times, like a device that receives no answer.
    pub fn send_again(&self, question: &Question, times: usize) -> Result<String, String> {
        let (id, text) = self.render(question);
        for _ in 0..times {
            self.socket
                .send(text.as_bytes())
                .map_err(|e| e.to_string())?;
        }
        Ok(id)
    }

    fn render(&self, question: &Question) -> (String, String) {
        let Question {
            method,
            user,
            domain,
            contact,
            ..
        } = question;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", std::process::id());
        let headers: String = question
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK-{id}\r\n\
             From: <sip:{user}@{domain}>;tag={id}\r\n\
             To: <sip:{user}@{domain}>\r\n\
             Call-ID: {id}\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:{user}@{local}>{contact}\r\n\
             Max-Forwards: 70\r\n\
             {headers}Content-Length: 0\r\n\r\n",
            uri = self.uri(question),
            local = self.local,
        );
        (id, text)
    }

    /// The next final answer to any request sent. Answers to INVITE are acknowledged.
    pub fn receive(&self, limit: Duration) -> Result<Reply, Error> {
        let end = Instant::now() + limit;
        let mut buffer = vec![0; 65_535];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            let length = uninterrupted(|| self.socket.recv(&mut buffer))?;
            let reply = Reply::parse(&buffer[..length])
                .ok_or_else(|| Error::new(ErrorKind::InvalidData, "not a SIP answer"))?;
            if reply.status >= 200 {
                self.acknowledge(&reply)?;
                return Ok(reply);
            }
        }
    }

    fn acknowledge(&self, reply: &Reply) -> Result<(), Error> {
        let Some(text) = reply.acknowledgement(self.server) else {
            return Ok(());
        };
        self.socket.send(text.as_bytes()).map(drop)
    }

    /// Sends a request and waits for its final answer.
    pub fn ask(&self, question: &Question) -> Result<Reply, String> {
        let id = self.send(question)?;
        loop {
            let reply = self
                .receive(LIMIT)
                .map_err(|e| format!("{}: no answer: {e}", question.service))?;
            // Anything else is a retransmitted answer.
            if reply.header("Call-ID") == id {
                return Ok(reply);
            }
        }
    }

    /// Its own address, as in its Contact.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Sends a request whose method, From, To and further lines are written out, and waits for its
    /// final answer. Unlike in [`Device::ask`], they need not match.
    pub fn ask_written(
        &self,
        method: &str,
        [from, to]: [&str; 2],
        lines: &[String],
    ) -> Result<Reply, String> {
        self.ask_as(&Written {
            method: method.to_string(),
            uri: self.registrar(),
            from: from.to_string(),
            to: to.to_string(),
            lines: lines.to_vec(),
            ..Written::default()
        })
    }

    /// The same with everything written out.
    pub fn ask_as(&self, written: &Written) -> Result<Reply, String> {
        let id = self.send_as(written)?;
        let cseq = format!("{} {}", written.cseq, written.method);
        loop {
            let reply = self
                .receive(LIMIT)
                .map_err(|e| format!("no answer to {written:?}: {e}"))?;
            if reply.header("Call-ID") == id && reply.header("CSeq") == cseq {
                return Ok(reply);
            }
        }
    }

    /// Sends it without waiting for the answer; returns its Call-ID.
    pub fn send_as(&self, written: &Written) -> Result<String, String> {
        let Written {
            method,
            uri,
            from,
            to,
            cseq,
            hops,
            ..
        } = written;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let branch = format!("{}-{number}", std::process::id());
        let id = match written.call_id.as_str() {
            "" => &branch,
            given => given,
        };
        let lines = written.lines.iter().map(|line| format!("{line}\r\n"));
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK-{branch}\r\n\
             From: {from};tag={branch}\r\n\
             To: {to}\r\n\
             Call-ID: {id}\r\n\
             CSeq: {cseq} {method}\r\n\
             {hops}\
             {lines}Content-Length: 0\r\n\r\n",
            local = self.local,
            lines = lines.collect::<String>(),
        );
        let mut bytes = text.into_bytes();
        let strange = |bytes: &[u8]| {
            let mut threes = bytes.windows(NOT_UTF8.len());
            threes.position(|three| three == NOT_UTF8.as_bytes())
        };
        while let Some(at) = strange(&bytes) {
            bytes.splice(at..at + NOT_UTF8.len(), [0xff]);
        }
        self.socket.send(&bytes).map_err(|e| e.to_string())?;
        Ok(id.to_string())
    }

    /// The request URI of requests that are [written out](Device::ask_written).
    pub fn registrar(&self) -> String {
        format!("sip:registrar@127.0.0.1:{}", self.server)
    }

    /// Asks without credentials: returns the challenge.
    pub fn challenge(&self, question: &Question) -> Result<Challenge, String> {
        self.ask(question)?.expect("-4")?.challenge()
    }

    /// Credentials for a question.
    pub fn respond(&self, question: &Question, challenge: &Challenge, password: &str) -> Response {
        Response::to(challenge, &question.user, password, &self.uri(question))
    }

    /// Asks with these credentials.
    pub fn ask_with(&self, question: &Question, response: &Response) -> Result<Reply, String> {
        let value = response.header(question.method);
        self.ask(&question.clone().with(question.credentials_header(), value))
    }

    /// Asks, answers the first challenge, and asks again. If the challenge expired before it was
    /// answered, a new one is answered, as devices do.
    pub fn authorize(&self, question: &Question, password: &str) -> Result<Reply, String> {
        let mut reply = self.ask(question)?;
        for _ in 0..5 {
            let challenge = reply.challenge()?;
            let response = self.respond(question, &challenge, password);
            reply = self.ask_with(question, &response)?;
            if !reply.challenges().iter().any(|challenge| challenge.stale) {
                break;
            }
        }
        Ok(reply)
    }
}
