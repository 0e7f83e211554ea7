//! The faults that an endpoint can have.
//!
//! `none`; `hang-before` and `hang-middle` of the answer, until the client hangs up; `close` at
//! once; `garbage` instead of HTTP; `500`; `huge`: a body of 10 MB; `drip`: a byte every 100 ms;
//! `redirect`; `wrong-json`: JSON that is not a valid answer; `random`: one of all these (including
//! none) for each request.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use super::http::respond;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    HangBefore,
    HangMiddle,
    Close,
    Garbage,
    ServerError,
    Huge,
    Drip,
    Redirect,
    WrongJson,
    Random,
}

const ALL: [(Fault, &str); 11] = [
    (Fault::None, "none"),
    (Fault::HangBefore, "hang-before"),
    (Fault::HangMiddle, "hang-middle"),
    (Fault::Close, "close"),
    (Fault::Garbage, "garbage"),
    (Fault::ServerError, "500"),
    (Fault::Huge, "huge"),
    (Fault::Drip, "drip"),
    (Fault::Redirect, "redirect"),
    (Fault::WrongJson, "wrong-json"),
    // Must be the last one: it is never drawn.
    (Fault::Random, "random"),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(_, known)| *known == name);
        found.map(|(fault, _)| *fault).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
            format!("{name} is not a fault; there are {}", names.join(", "))
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALL
            .iter()
            .find(|(fault, _)| fault == self)
            .map_or("", |(_, name)| *name);
        f.write_str(name)
    }
}

impl Fault {
    /// The fault for this request, if any.
    pub fn now(self) -> Option<Fault> {
        let fault = match self {
            Fault::Random => {
                let mut byte = [0];
                _ = aws_lc_rs::rand::fill(&mut byte);
                let drawn = usize::from(byte[0]) % (ALL.len() - 1);
                ALL.get(drawn).map_or(Fault::None, |(fault, _)| *fault)
            }
            other => other,
        };
        (fault != Fault::None).then_some(fault)
    }
}

/// Performs the fault, and ends the connection.
pub fn commit<S: Read + Write>(fault: Fault, stream: &mut BufReader<S>) -> io::Result<()> {
    let out = stream.get_mut();
    match fault {
        Fault::None | Fault::Random | Fault::Close => Ok(()),
        Fault::HangBefore => wait_for_end(stream),
        Fault::HangMiddle => {
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"stat")?;
            out.flush()?;
            wait_for_end(stream)
        }
        Fault::Garbage => out.write_all(b"\x00\x01 this is no HTTP at all\r\n\r\n"),
        Fault::ServerError => respond(out, "500 Internal Server Error", "{}", false),
        Fault::Huge => {
            let body = format!("{{\"status\":\"ok\",\"x\":\"{}\"}}", "x".repeat(10_000_000));
            respond(out, "200 OK", &body, false)
        }
        Fault::Drip => {
            let mut answer = Vec::new();
            respond(
                &mut answer,
                "200 OK",
                &format!("{}{{}}", " ".repeat(5000)),
                false,
            )?;
            for byte in answer {
                out.write_all(&[byte])?;
                out.flush()?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        Fault::Redirect => out.write_all(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\
              Connection: close\r\n\r\n",
        ),
        Fault::WrongJson => respond(out, "200 OK", "[\"status\",\"ok\"]", false),
    }
}

fn wait_for_end(stream: &mut impl Read) -> io::Result<()> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}
