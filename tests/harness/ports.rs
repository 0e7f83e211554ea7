//! Free ports on loopback.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the search starts: below the kernel's ephemeral port range (32768 and up on Linux), so
/// that no client socket takes a port between the moment it was found free and the moment a server
/// binds it.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// The span divided by the golden ratio: any few multiples of it, modulo the span, are far apart.
const STRIDE: u64 = 7417;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for UDP and TCP on 127.0.0.1, and is handed out only once.
pub fn free() -> u16 {
    let span = LAST - FIRST;
    // Test runs in parallel begin far from each other, also with consecutive process ids.
    let start = (u64::from(std::process::id()) * STRIDE % u64::from(span)) as u16;
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % span;
        let port = FIRST + (start + step) % span;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}
