//! Ports behind which nobody answers, databases and endpoints that hang.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::blackhole::Blackhole;
use harness::database::{Backend, MariaDb, schema};
use harness::endpoint::Endpoint;
use harness::profiles::Content;
use harness::server::wait_for;

use crate::{Scenario, check, folder};

/// How long a port is watched that must not answer.
const QUIET: Duration = Duration::from_millis(300);

/// How long an answer may take that must come.
const LIMIT: Duration = Duration::from_secs(15);

pub fn scenarios() -> Vec<Scenario> {
    vec![
        ("black holes", None, holes),
        ("a MariaDB that hangs", Backend::Mysql.missing(), mariadb),
        ("an endpoint that hangs", None, endpoint),
    ]
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), QUIET)?;
    stream.set_read_timeout(Some(QUIET))?;
    Ok(stream)
}

/// Fails unless a request to this port is taken and not answered.
fn stays_silent(port: u16) -> Result<TcpStream, String> {
    let mut stream = connect(port).map_err(|e| format!("not accepted: {e}"))?;
    let request = stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    request.map_err(|e| e.to_string())?;
    match stream.read(&mut [0; 1]) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(stream),
        other => Err(format!("it is not silent: {other:?}")),
    }
}

fn holes() -> Result<(), String> {
    let silent = Blackhole::silent()?;
    stays_silent(silent.port)?;
    let unreachable = Blackhole::unreachable()?;
    for _ in 0..3 {
        match connect(unreachable.port) {
            Err(e) if e.kind() == ErrorKind::TimedOut => (),
            other => return Err(format!("not out of reach: {other:?}")),
        }
    }
    // Where a server was, and where it is again.
    let port = silent.port;
    drop(silent);
    let closed = connect(port).map_err(|e| e.kind());
    check(matches!(closed, Err(ErrorKind::ConnectionRefused)), &closed)?;
    Blackhole::unreachable_at(port).map(drop)
}

fn mariadb() -> Result<(), String> {
    let folder = folder()?;
    let mut server = MariaDb::start(folder.path())?;
    let database = server.create("hanging", &[schema(Backend::Mysql)], &Content::default())?;
    server.hang()?;
    let asked = std::thread::spawn(move || database.sql("SELECT 1;"));
    std::thread::sleep(QUIET);
    check(!asked.is_finished(), "it answered")?;
    server.go_on()?;
    asked.join().map_err(|_| "panicked")??;
    // One that hangs is ended all the same.
    server.hang()?;
    server.pause();
    server.resume()
}

fn endpoint() -> Result<(), String> {
    let folder = folder()?;
    let endpoint = Endpoint::start(folder.path(), "", &[])?;
    let url = endpoint.url();
    let port = url.trim_end_matches('/').rsplit(':').next();
    let port = port.and_then(|port| port.parse().ok()).ok_or("no port")?;
    endpoint.hang()?;
    let mut stream = stays_silent(port)?;
    endpoint.go_on()?;
    let mut head = [0; 5];
    wait_for(LIMIT, || stream.read_exact(&mut head).ok()).ok_or("it does not go on")?;
    check(&head == b"HTTP/", head)?;
    endpoint.control("fault=hang-before")?;
    stays_silent(port).map(drop)
}
