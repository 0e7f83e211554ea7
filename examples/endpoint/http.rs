//! The part of HTTP/1.1 that an endpoint needs.

use std::io::{self, BufRead, BufReader, Read, Write};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

const MAX_LINE: u64 = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;
const MAX_HEADERS: usize = 100;

pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

impl HttpRequest {
    /// Reads a request; `None` at the end of the connection.
    pub fn read<S: Read + Write>(stream: &mut BufReader<S>) -> io::Result<Option<HttpRequest>> {
        let first = line(stream)?;
        let mut words = first.split_ascii_whitespace();
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return if first.is_empty() {
                Ok(None)
            } else {
                Err(bad("not HTTP"))
            };
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            keep_alive: version == "HTTP/1.1",
        };
        loop {
            let header = line(stream)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').ok_or_else(|| bad("not a header"))?;
            request
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
            if request.headers.len() > MAX_HEADERS {
                return Err(bad("too many headers"));
            }
        }
        match request
            .header("connection")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("close") => request.keep_alive = false,
            Some("keep-alive") => request.keep_alive = true,
            _ => {}
        }
        if request.header("transfer-encoding").is_some() {
            return Err(bad("a body in chunks is not supported"));
        }
        let length = match request.header("content-length") {
            Some(length) => length.parse().map_err(|_| bad("not a length"))?,
            None => 0,
        };
        if length > MAX_BODY {
            return Err(bad("the body is too long"));
        }
        if request
            .header("expect")
            .is_some_and(|what| what.eq_ignore_ascii_case("100-continue"))
        {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = vec![0; length];
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The query: the body's JSON object, or the query string.
    pub fn members(&self) -> Option<Map<String, Value>> {
        if self.method == "POST" {
            return match serde_json::from_slice(&self.body) {
                Ok(Value::Object(members)) => Some(members),
                _ => None,
            };
        }
        Some(
            self.query_members()
                .map(|(name, value)| (name, Value::String(value)))
                .collect(),
        )
    }

    pub fn query_members(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// A line without its line break; empty at the end of the stream.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.by_ref().take(MAX_LINE).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Sends an answer in one piece.
pub fn respond(
    stream: &mut impl Write,
    status: &str,
    body: &str,
    keep_alive: bool,
) -> io::Result<()> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    // It says that it is the asking server that has to authenticate, not the device.
    let challenge = match status.starts_with("401") {
        true => "WWW-Authenticate: Basic realm=\"endpoint\"\r\n",
        false => "",
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\n{challenge}Content-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: {connection}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}
