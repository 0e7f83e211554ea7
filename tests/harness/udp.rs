//! UDP sockets of SIP clients.

use std::collections::VecDeque;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer to INVITE that nobody acknowledges is repeated for 64 times T1 (RFC 3261 section 17.2.1).
const REPEATED: Duration = Duration::from_secs(33);

/// At most this many ports are kept. Each is an open file.
const KEPT: usize = 256;

static CLOSED: Mutex<VecDeque<(Instant, UdpSocket)>> = Mutex::new(VecDeque::new());

/// A socket whose port is given to nobody else while answers may still arrive for it. Otherwise the next client
/// on this port would take them for its own.
#[derive(Debug)]
pub struct ClientSocket(Option<UdpSocket>);

impl ClientSocket {
    /// A socket on this address; port 0 is a free one.
    ///
    /// # Errors
    /// Fails as [`UdpSocket::bind`] does.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<ClientSocket> {
        UdpSocket::bind(address).map(|socket| ClientSocket(Some(socket)))
    }
}

impl Deref for ClientSocket {
    type Target = UdpSocket;

    fn deref(&self) -> &UdpSocket {
        self.0.as_ref().expect("a socket until it is dropped")
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        let mut closed = CLOSED.lock().unwrap_or_else(PoisonError::into_inner);
        closed.extend(self.0.take().map(|socket| (Instant::now(), socket)));
        while closed.len() > KEPT
            || closed
                .front()
                .is_some_and(|(at, _)| at.elapsed() > REPEATED)
        {
            closed.pop_front();
        }
    }
}
