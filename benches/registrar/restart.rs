//! OpenSIPS dies and starts again: how long until a device that does nothing can be called?

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::instance::Instance;
use harness::registrar::Site;

use super::round::Crowd;

/// How long a call may take until it has reached the device.
const LIMIT: Duration = Duration::from_secs(60);

/// How long to wait before the call is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// From the start of OpenSIPS until it answers.
    pub up: Duration,
    /// From then until the call of the next hop has reached the device.
    pub called: Duration,
}

/// Ends the registrar with SIGKILL, starts it, and calls the last device as the next hop.
///
/// # Errors
/// Fails if the call does not reach it within 60 s.
pub fn run(
    core: &Core,
    site: &Site,
    crowd: &Crowd<'_>,
    instance: Instance,
) -> Result<(Instance, Seen), String> {
    let open = |port: u16| {
        let socket = UdpSocket::bind(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(AGAIN))?;
        Ok(socket)
    };
    let failed = |e: std::io::Error| e.to_string();
    let (hop, device) = (
        open(site.next_hop).map_err(failed)?,
        open(crowd.port).map_err(failed)?,
    );
    instance.kill()?;
    let begin = Instant::now();
    let instance = site.start(core)?;
    let up = begin.elapsed();
    let begin = Instant::now();
    let user = format!("user{}", crowd.devices - 1);
    let text = invite(site, &format!("{user}@{}", crowd.realm));
    let mut buffer = vec![0; 65_535];
    while begin.elapsed() < LIMIT {
        let sent = hop.send_to(text.as_bytes(), site.place());
        sent.map_err(failed)?;
        let Ok(length) = device.recv(&mut buffer) else {
            continue;
        };
        if buffer[..length].starts_with(format!("INVITE sip:{user}@").as_bytes()) {
            let called = begin.elapsed();
            return Ok((instance, Seen { up, called }));
        }
    }
    Err(format!("no call reaches {user}"))
}

fn invite(site: &Site, aor: &str) -> String {
    let port = site.next_hop;
    format!(
        "INVITE sip:{aor} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-restart\r\n\
         Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\nTo: <sip:{aor}>\r\n\
         Call-ID: restart\r\nCSeq: 1 INVITE\r\nContact: <sip:100@127.0.0.1:{port}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
