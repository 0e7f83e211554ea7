//! Requests at a steady rate over UDP, from one socket and one thread, and how they are answered.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::device::Reply;

/// How often the socket is looked at; delays are measured this finely.
const TICK: Duration = Duration::from_micros(200);

static CALLS: AtomicU64 = AtomicU64::new(1);

/// A socket from which requests are sent to one server.
pub struct Load {
    socket: UdpSocket,
    server: u16,
    local: String,
}

/// One request to be written.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Counts the calls of a run, from 0.
    pub number: u64,
    /// Of this call only: its Call-ID, and the tag of From.
    pub id: &'a str,
    /// CSeq: 1, or 2 after a challenge.
    pub sequence: u32,
    /// The sender's address and port.
    pub local: &'a str,
    /// The server's port on 127.0.0.1.
    pub server: u16,
    /// The challenge (401 or 407) that the call's first request was answered with, if this is the
    /// second.
    pub challenge: Option<&'a Reply>,
}

/// How the calls of a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Calls, including those of two requests.
    pub sent: usize,
    /// How many got each final status, even if late.
    pub statuses: BTreeMap<u16, usize>,
    /// Calls without a final answer within the limit. Those answered later are among the statuses
    /// as well.
    pub unanswered: usize,
    /// From the first request of a call to its final answer, shortest first.
    pub delays: Vec<Duration>,
    /// All calls in the order in which they ended; those without a final answer come last.
    pub calls: Vec<Call>,
}

/// One call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Counts the calls of a run, from 0.
    pub number: u64,
    /// When its first request was sent.
    pub sent: Instant,
    /// How long its final answer took, or was waited for.
    pub delay: Duration,
    /// The final status; None if there was no answer.
    pub status: Option<u16>,
}

/// A call that waits for its answer.
struct Waiting {
    number: u64,
    sequence: u32,
    since: Instant,
}

/// What is under way.
struct Run<'a, W> {
    load: &'a Load,
    limit: Duration,
    write: W,
    waiting: HashMap<String, Waiting>,
    outcome: Outcome,
    buffer: Vec<u8>,
}

impl Ask<'_> {
    /// The request for this address of record, `user@domain`, with further lines, each with CRLF
    /// at its end.
    pub fn request(&self, method: &str, aor: &str, lines: &str) -> String {
        let Ask {
            id,
            sequence,
            local,
            server,
            ..
        } = self;
        let user = aor.split('@').next().unwrap_or_default();
        format!(
            "{method} sip:127.0.0.1:{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK-{id}-{sequence}\r\n\
             From: <sip:{aor}>;tag={id}\r\n\
             To: <sip:{aor}>\r\n\
             Call-ID: {id}\r\n\
             CSeq: {sequence} {method}\r\n\
             Contact: <sip:{user}@{local}>\r\n\
             Max-Forwards: 70\r\n\
             {lines}Content-Length: 0\r\n\r\n"
        )
    }
}

impl Load {
    /// From a new socket on 127.0.0.1 to a port there.
    ///
    /// # Errors
    /// Fails if there is no socket.
    pub fn new(server: u16) -> Result<Load, String> {
        let open = || {
            let socket = UdpSocket::bind(("127.0.0.1", 0))?;
            socket.connect(("127.0.0.1", server))?;
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?.to_string();
            Ok((socket, local))
        };
        let (socket, local) = open().map_err(|e: std::io::Error| e.to_string())?;
        Ok(Load {
            socket,
            server,
            local,
        })
    }

    /// Begins `rate` calls per second until `goes_on` says no, then waits up to `limit` for the
    /// answers that are still missing.
    ///
    /// `write` gives each request, usually by [`Ask::request`]; None sends nothing. A challenge is
    /// answered by what it gives for that; with None, the challenge is the final answer. Final
    /// answers to INVITE are acknowledged. Nothing is retransmitted.
    ///
    /// # Errors
    /// Fails if nothing can be sent.
    pub fn run(
        &self,
        rate: u32,
        limit: Duration,
        mut goes_on: impl FnMut(Duration) -> bool,
        write: impl FnMut(&Ask) -> Option<String>,
    ) -> Result<Outcome, String> {
        let mut run = Run {
            load: self,
            limit,
            write,
            waiting: HashMap::new(),
            outcome: Outcome::default(),
            buffer: vec![0; 65_535],
        };
        let begin = Instant::now();
        let mut number = 0;
        let mut end = None;
        loop {
            let passed = begin.elapsed();
            if end.is_none() && !goes_on(passed) {
                end = Some(Instant::now() + limit);
            }
            if end.is_none() {
                let due = (passed.as_secs_f64() * f64::from(rate)) as u64;
                while number <= due {
                    run.begin(number)?;
                    number += 1;
                }
            }
            run.collect()?;
            if end.is_some_and(|end| run.waiting.is_empty() || Instant::now() >= end) {
                return Ok(run.end());
            }
            sleep(TICK);
        }
    }

    /// The same for this long.
    ///
    /// # Errors
    /// Fails if nothing can be sent.
    pub fn run_for(
        &self,
        duration: Duration,
        rate: u32,
        limit: Duration,
        write: impl FnMut(&Ask) -> Option<String>,
    ) -> Result<Outcome, String> {
        self.run(rate, limit, |passed| passed < duration, write)
    }

    fn ask<'a>(
        &'a self,
        number: u64,
        id: &'a str,
        sequence: u32,
        challenge: Option<&'a Reply>,
    ) -> Ask<'a> {
        Ask {
            number,
            id,
            sequence,
            local: &self.local,
            server: self.server,
            challenge,
        }
    }

    fn send(&self, text: &str) -> Result<(), String> {
        match self.socket.send(text.as_bytes()) {
            Ok(_) => Ok(()),
            // Full, or closed at the other end: the request counts as unanswered.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(())
            }
            Err(e) => Err(e.to_string()),
        }
    }
}

impl<W: FnMut(&Ask) -> Option<String>> Run<'_, W> {
    fn begin(&mut self, number: u64) -> Result<(), String> {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let id = format!("load-{}-{call}", std::process::id());
        let sequence = 1;
        let Some(text) = (self.write)(&self.load.ask(number, &id, sequence, None)) else {
            return Ok(());
        };
        let since = Instant::now();
        self.load.send(&text)?;
        self.outcome.sent += 1;
        let call = Waiting {
            number,
            sequence,
            since,
        };
        self.waiting.insert(id, call);
        Ok(())
    }

    /// Takes all answers that have arrived.
    fn collect(&mut self) -> Result<(), String> {
        loop {
            let length = match self.load.socket.recv(&mut self.buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The port is closed: an earlier request counts as unanswered.
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => continue,
                Err(e) => return Err(e.to_string()),
            };
            let now = Instant::now();
            let reply = self.buffer.get(..length).and_then(Reply::parse);
            if let Some(reply) = reply.filter(|reply| reply.status >= 200) {
                self.take(&reply, now)?;
            }
        }
    }

    /// Takes one final answer.
    fn take(&mut self, reply: &Reply, now: Instant) -> Result<(), String> {
        if let Some(text) = reply.acknowledgement(self.load.server) {
            self.load.send(&text)?;
        }
        let id = reply.header("Call-ID");
        let sequence = reply.header("CSeq").split(' ').next().unwrap_or_default();
        let Some(call) = self.waiting.get_mut(id) else {
            return Ok(());
        };
        // Else it is a retransmission of the challenge.
        if call.sequence.to_string() != sequence {
            return Ok(());
        }
        if matches!(reply.status, 401 | 407) && call.sequence == 1 {
            let second = (self.write)(&self.load.ask(call.number, id, 2, Some(reply)));
            if let Some(text) = second {
                call.sequence = 2;
                return self.load.send(&text);
            }
        }
        let delay = now.saturating_duration_since(call.since);
        self.outcome.calls.push(Call {
            number: call.number,
            sent: call.since,
            delay,
            status: Some(reply.status),
        });
        self.waiting.remove(id);
        self.outcome.delays.push(delay);
        self.outcome.unanswered += usize::from(delay > self.limit);
        *self.outcome.statuses.entry(reply.status).or_default() += 1;
        Ok(())
    }

    fn end(mut self) -> Outcome {
        self.outcome.unanswered += self.waiting.len();
        let silent = self.waiting.values().map(|call| Call {
            number: call.number,
            sent: call.since,
            delay: call.since.elapsed(),
            status: None,
        });
        self.outcome.calls.extend(silent);
        self.outcome.delays.sort_unstable();
        self.outcome
    }
}

impl Outcome {
    /// How many got this final status.
    pub fn count(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// The longest delay of those that were answered; zero if none was.
    pub fn longest(&self) -> Duration {
        self.delays.last().copied().unwrap_or_default()
    }

    /// The delay within which that many percent (0 to 100) of the answers came; zero if there was
    /// none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.delays.len() * percent).div_ceil(100);
        let found = self.delays.get(rank.saturating_sub(1));
        found.copied().unwrap_or_default()
    }

    /// The median delay.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }
}
