//! A TCP port behind which nobody answers.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::ports;

/// How long a connection attempt on loopback may take until it counts as unanswered. The kernel
/// repeats it after a second.
const ATTEMPT: Duration = Duration::from_millis(300);

/// More than a listener's queue holds.
const MANY: usize = 5000;

/// A port on 127.0.0.1. It is closed when this is dropped.
pub struct Blackhole {
    /// The port.
    pub port: u16,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    /// Connections, up to some hundred at a time, are accepted by the kernel; what is sent is never
    /// read, and nothing is answered. Further ones are as if it were
    /// [unreachable](Blackhole::unreachable).
    ///
    /// # Errors
    /// Fails if there is no listener.
    pub fn silent() -> Result<Blackhole, String> {
        Blackhole::silent_at(ports::free())
    }

    /// The same on this port, for example in place of a server that was stopped.
    ///
    /// # Errors
    /// Fails if the port is taken.
    pub fn silent_at(port: u16) -> Result<Blackhole, String> {
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        Ok(Blackhole {
            port,
            _listener: listener,
            _queue: Vec::new(),
        })
    }

    /// No connection is even established: the listener's queue is full, so that SYNs are dropped,
    /// as by a firewall.
    ///
    /// # Errors
    /// Fails if connections are still accepted.
    pub fn unreachable() -> Result<Blackhole, String> {
        Blackhole::unreachable_at(ports::free())
    }

    /// The same on this port.
    ///
    /// # Errors
    /// Fails if the port is taken, or connections are still accepted.
    pub fn unreachable_at(port: u16) -> Result<Blackhole, String> {
        let mut hole = Blackhole::silent_at(port)?;
        hole._queue = fill(port)?;
        Ok(hole)
    }
}

/// The queue of a server that hangs, full of connections: further SYNs are dropped, and what is sent on
/// connections that were open before is not answered, as if all its packets were dropped.
pub struct Queue {
    _queue: Vec<TcpStream>,
}

impl Queue {
    /// Fills that of the server on this port of 127.0.0.1. It has to be let go on afterwards, or be killed.
    ///
    /// # Errors
    /// Fails if connections are still accepted: it does not hang.
    pub fn full(port: u16) -> Result<Queue, String> {
        fill(port).map(|_queue| Queue { _queue })
    }
}

/// Connects until that is not possible any more.
fn fill(port: u16) -> Result<Vec<TcpStream>, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut queue = Vec::new();
    for _ in 0..MANY {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(stream) => queue.push(stream),
            Err(e) if e.kind() == ErrorKind::TimedOut => return Ok(queue),
            Err(e) => return Err(e.to_string()),
        }
    }
    Err(format!("port {port} still accepts connections"))
}
