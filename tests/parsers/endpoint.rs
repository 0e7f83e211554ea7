//! An endpoint that admits everybody at once, and repeats in its answer what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts it; returns its URL. It ends with the program.
pub fn start() -> Result<String, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(format!("http://127.0.0.1:{port}/"))
}

/// Answers one connection until it is closed.
fn serve(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    let mut part = [0; 8192];
    loop {
        while let Some((begin, end)) = request(&buffer) {
            let body = String::from_utf8_lossy(&buffer[begin..end]);
            let json = format!("{{\"status\":\"ok\",\"asked\":{body}}}");
            let length = json.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all((head + &json).as_bytes()).ok()?;
            buffer.drain(..end);
        }
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        buffer.extend_from_slice(&part[..length]);
    }
}

/// Where the body of the first request begins and ends, once it is complete.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(Some(0), |text| text.trim().parse().ok())?;
    (buffer.len() >= end + 4 + length).then_some((end + 4, end + 4 + length))
}
