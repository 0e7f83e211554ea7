//! Free ports on loopback.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};

/// Where the search starts: below the kernel's ephemeral port range (32768 and up on Linux), so
/// that no client socket takes a port between the moment it was found free and the moment a server
/// binds it.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Ports are taken by the block, so that a process needs few sockets to hold what is its own.
const BLOCK: u16 = 50;
const BLOCKS: u16 = (LAST - FIRST) / BLOCK;

/// The number of blocks divided by the golden ratio: consecutive multiples of it, modulo that
/// number, are far apart.
const STRIDE: u64 = 149;

/// The ports of this process. Other test programs may run on the machine, of this copy or of
/// another one: a server that has stopped for a moment must find its port free again.
struct Ports {
    /// The blocks held, each with the socket whose name says so to others until this process ends.
    held: Vec<(u16, UnixDatagram)>,
    /// How many ports were handed out, or found in use.
    used: usize,
}

static PORTS: Mutex<Ports> = Mutex::new(Ports {
    held: Vec::new(),
    used: 0,
});

/// A port that is free for UDP and TCP on 127.0.0.1. It is handed out only once, until all ports
/// that others have left to this process were, and not to another process while this one lives.
pub fn free() -> u16 {
    PORTS.lock().unwrap_or_else(PoisonError::into_inner).next()
}

impl Ports {
    fn next(&mut self) -> u16 {
        for _ in 0..LAST - FIRST {
            let block = self.used / usize::from(BLOCK);
            if block >= self.held.len() {
                self.held.extend(hold_another());
                assert!(!self.held.is_empty(), "all ports are other programs'");
            }
            // From the first one again where no other block was left.
            let block = self.held[block % self.held.len()].0;
            let port = FIRST + block * BLOCK + (self.used % usize::from(BLOCK)) as u16;
            self.used += 1;
            if UdpSocket::bind(("127.0.0.1", port)).is_ok()
                && TcpListener::bind(("127.0.0.1", port)).is_ok()
            {
                return port;
            }
        }
        panic!("no free port between {FIRST} and {LAST}");
    }
}

/// A block that no process holds, if there is one. Programs that run one after the other begin far
/// from each other: what the first has left behind may still send to its ports.
fn hold_another() -> Option<(u16, UnixDatagram)> {
    let start = u64::from(std::process::id()) * STRIDE;
    (0..BLOCKS).find_map(|step| {
        let block = ((start + u64::from(step)) % u64::from(BLOCKS)) as u16;
        let name = format!("auth_web-test-ports-{block}");
        let name = SocketAddr::from_abstract_name(name).expect("a short name");
        Some((block, UnixDatagram::bind_addr(&name).ok()?))
    })
}
