//! As much SIP (RFC 3261) as it takes to send one request over UDP and read the answer.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answer::Answer;
use super::server::uninterrupted;

static CALLS: AtomicU64 = AtomicU64::new(1);

/// One OPTIONS to `host`, an address on loopback: true if it was answered with 200 within `limit`.
pub fn ping(host: &str, port: u16, limit: Duration) -> bool {
    let answer = exchange_with(host, port, "OPTIONS", "ping", &[], limit);
    matches!(answer, Ok(answer) if answer.status == 200)
}

/// Sends one request to 127.0.0.1 and returns its final answer. Nothing is retransmitted: on loopback nothing is
/// lost, and a missing answer is what a test wants to know.
pub fn exchange(
    port: u16,
    method: &str,
    user: &str,
    headers: &[(&str, &str)],
    limit: Duration,
) -> io::Result<Answer> {
    exchange_with("127.0.0.1", port, method, user, headers, limit)
}

/// The same for a Request-URI of this domain and another From, without its tag.
pub fn exchange_as(
    port: u16,
    method: &str,
    (user, domain): (&str, &str),
    from: &str,
    headers: &[(&str, &str)],
    limit: Duration,
) -> io::Result<Answer> {
    let uri = format!("sip:{user}@{domain}");
    send(
        ("127.0.0.1", port),
        method,
        user,
        (&uri, from),
        headers,
        limit,
    )
}

fn exchange_with(
    host: &str,
    port: u16,
    method: &str,
    user: &str,
    headers: &[(&str, &str)],
    limit: Duration,
) -> io::Result<Answer> {
    let uri = format!("sip:{user}@{host}:{port}");
    let from = "<sip:caller@example.org>";
    send((host, port), method, user, (&uri, from), headers, limit)
}

fn send(
    to: (&str, u16),
    method: &str,
    user: &str,
    (uri, from): (&str, &str),
    headers: &[(&str, &str)],
    limit: Duration,
) -> io::Result<Answer> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(limit))?;
    let local = socket.local_addr()?.port();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let id = format!("{}-{call}", std::process::id());
    let extra: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!(
        "{method} {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{local};branch=z9hG4bK-{id}\r\n\
         From: {from};tag={id}\r\n\
         To: <sip:{user}@example.org>\r\n\
         Call-ID: {id}@127.0.0.1\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:caller@127.0.0.1:{local}>\r\n\
         Max-Forwards: 70\r\n\
         {extra}Content-Length: 0\r\n\r\n"
    );
    socket.send(request.as_bytes())?;
    let mut buffer = vec![0; 65_535];
    loop {
        let length = uninterrupted(|| socket.recv(&mut buffer))?;
        let answer = Answer::parse(&buffer[..length])
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a SIP answer"))?;
        // Whoever had this port before may still be sent repeated answers.
        let ours = answer
            .header("Call-ID")
            .is_some_and(|of| of.starts_with(&id));
        if answer.status >= 200 && ours {
            return Ok(answer);
        }
    }
}
