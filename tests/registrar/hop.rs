//! The next hop: receives calls from devices, and calls them.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness::registrar::Site;
use harness::server::{uninterrupted, wait_for};

use super::device::number;

/// How long to wait for a request to the next hop.
const LIMIT: Duration = Duration::from_secs(20);

/// How long to listen for what must not arrive.
const SILENCE: Duration = Duration::from_millis(100);

/// It sees what reaches it, and sends the answers it is given.
pub struct Hop {
    socket: UdpSocket,
    /// Devices with a lower one are from before this hop was there.
    number: u64,
    /// All that it received.
    received: Mutex<HashSet<String>>,
}

impl Hop {
    pub fn new(site: &Site) -> Result<Hop, String> {
        // A process that is just being started elsewhere holds an earlier socket until its exec.
        let bind = || UdpSocket::bind(("127.0.0.1", site.next_hop)).ok();
        let socket =
            wait_for(LIMIT, bind).ok_or_else(|| format!("port {} is not free", site.next_hop))?;
        let connected = socket.connect((site.address.as_str(), site.udp));
        connected
            .and_then(|()| socket.set_read_timeout(Some(LIMIT)))
            .map_err(|e| e.to_string())?;
        Ok(Hop {
            socket,
            number: number(),
            received: Mutex::default(),
        })
    }

    pub fn send(&self, text: &str) -> Result<(), String> {
        self.socket
            .send(text.as_bytes())
            .map(drop)
            .map_err(|e| e.to_string())
    }

    pub fn receive(&self) -> Result<String, String> {
        self.receive_any().map(|(text, _)| text)
    }

    /// The next message, and whether it is new: one that is not answered in time is repeated, unchanged.
    fn receive_any(&self) -> Result<(String, bool), String> {
        let mut buffer = vec![0; 65_535];
        let length = uninterrupted(|| self.socket.recv(&mut buffer))
            .map_err(|e| format!("nothing reaches the next hop: {e}"))?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = received.insert(text.clone());
        Ok((text, is_new))
    }

    /// The next message that begins with this.
    pub fn next(&self, begin: &str) -> Result<String, String> {
        loop {
            let text = self.receive()?;
            if text.starts_with(begin) {
                return Ok(text);
            }
        }
    }

    /// The next request with that method, answered with this status line.
    pub fn answer(&self, method: &str, status: &str) -> Result<String, String> {
        let text = self.next(method)?;
        self.send(&answer_to(&text, status))?;
        Ok(text)
    }

    /// From now on it waits only for that long.
    pub fn within(&self, limit: Duration) -> Result<(), String> {
        let limited = self.socket.set_read_timeout(Some(limit));
        limited.map_err(|e| e.to_string())
    }

    /// From now on it waits as at first.
    pub fn patient(&self) -> Result<(), String> {
        self.within(LIMIT)
    }

    /// Fails if a request is there or arrives within a moment.
    pub fn silent(&self) -> Result<(), String> {
        self.within(SILENCE)?;
        let outcome = loop {
            match self.receive_any() {
                Err(_) => break Ok(()),
                Ok((_, false)) => {}
                // Left over from an earlier call.
                Ok((text, _)) if text.starts_with("SIP/2.0") || text.starts_with("ACK") => {}
                // Such a request is repeated until it is answered.
                Ok((text, _)) if self.is_earlier(&text) => {
                    self.send(&answer_to(&text, "200 OK"))?
                }
                Ok((text, _)) => break Err(format!("the next hop got\n{text}")),
            }
        };
        self.patient()?;
        outcome
    }
}

impl Hop {
    /// Whether the Call-ID of a request is that of a device from before this hop was there.
    fn is_earlier(&self, text: &str) -> bool {
        let ids = headers(text, "Call-ID");
        let number = |id: &String| id.split_once('-')?.1.parse::<u64>().ok();
        ids.first()
            .and_then(number)
            .is_some_and(|n| n < self.number)
    }
}

/// An address to which nothing may be sent.
pub struct Elsewhere(UdpSocket);

impl Elsewhere {
    pub fn new() -> Result<Elsewhere, String> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let limited = socket.set_read_timeout(Some(SILENCE));
        limited.map_err(|e| e.to_string())?;
        Ok(Elsewhere(socket))
    }

    /// Its address and port.
    pub fn place(&self) -> Result<String, String> {
        let address = self.0.local_addr().map_err(|e| e.to_string())?;
        Ok(address.to_string())
    }

    /// Fails if anything is there or arrives within a moment.
    pub fn silent(&self) -> Result<(), String> {
        let mut buffer = vec![0; 65_535];
        match uninterrupted(|| self.0.recv(&mut buffer)) {
            Err(_) => Ok(()),
            Ok(length) => {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                Err(format!("sent elsewhere:\n{text}"))
            }
        }
    }
}

/// An answer with the headers copied from its request, and a contact where nobody listens.
pub fn answer_to(request: &str, status: &str) -> String {
    answer_with(request, status, "Contact: <sip:there@127.0.0.1:9>\r\n")
}

/// The same with these lines, above all copied headers but Via, like the Record-Route of a later
/// hop.
pub fn answer_with(request: &str, status: &str, lines: &str) -> String {
    let head = request.lines().take_while(|line| !line.is_empty());
    let (mut vias, mut rest) = (String::new(), String::new());
    for line in head {
        match line.split(':').next().unwrap_or_default() {
            "Via" => vias.push_str(&format!("{line}\r\n")),
            "From" | "Call-ID" | "CSeq" | "Record-Route" => rest.push_str(&format!("{line}\r\n")),
            "To" if line.contains(";tag=") => rest.push_str(&format!("{line}\r\n")),
            "To" => rest.push_str(&format!("{line};tag=there\r\n")),
            _ => {}
        }
    }
    format!("SIP/2.0 {status}\r\n{vias}{lines}{rest}Content-Length: 0\r\n\r\n")
}

/// The values of all headers of that name.
pub fn headers(text: &str, name: &str) -> Vec<String> {
    let of = |line: &str| {
        let (known, value) = line.split_once(':')?;
        known
            .trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_string())
    };
    text.lines().filter_map(of).collect()
}

/// The URI in angle brackets of the first such header.
pub fn uri(text: &str, name: &str) -> Result<String, String> {
    let first = headers(text, name).into_iter().next();
    first
        .as_deref()
        .and_then(|value| Some(value.split_once('<')?.1.split_once('>')?.0.to_string()))
        .ok_or_else(|| format!("no {name} in\n{text}"))
}
