//! As much of WebSocket (RFC 6455, RFC 7118) as a SIP device needs.

use std::io::{self, Read, Write};

/// The mask for each frame. Any four bytes will do: there is no intermediary cache to be fooled.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Requests the upgrade as a browser does, and reads the answer to its end.
pub fn open(stream: &mut (impl Read + Write)) -> io::Result<()> {
    open_with(stream, "Origin: http://127.0.0.1\r\n")
}

/// The same with these header lines in place of Origin.
pub fn open_with(stream: &mut (impl Read + Write), lines: &str) -> io::Result<()> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\
         Sec-WebSocket-Version: 13\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    match head.starts_with(b"HTTP/1.1 101") {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&head).into_owned(),
        )),
    }
}

/// Sends one message in one frame.
pub fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(message.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    stream.write_all(&frame)?;
    stream.flush()
}

/// The next message; frames that are neither text nor binary are ignored.
pub fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let mut length = u64::from(head[1] & 0x7f);
        if length == 126 {
            let mut more = [0; 2];
            stream.read_exact(&mut more)?;
            length = u64::from(u16::from_be_bytes(more));
        } else if length == 127 {
            return Err(io::Error::other("a frame that is too long for SIP"));
        }
        let mut message = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        stream.read_exact(&mut message)?;
        if matches!(head[0] & 0x0f, 1 | 2) {
            return Ok(message);
        }
    }
}
