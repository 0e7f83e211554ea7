//! An endpoint that itself asks for a user name and a password.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Place, Running, SECRET, Setting};

/// A device's credentials, for the endpoint to judge.
const DIGEST: &str = "Digest username=\"caller\", realm=\"example.org\", nonce=\"n\", uri=\"sip:x\", \
    response=\"00000000000000000000000000000000\"";

pub fn run(setting: &Setting, place: &Place) -> Result<(), String> {
    let named = Endpoint::start(&format!("hook:{SECRET}"))?;
    let running = Running::start(setting, place, |script| {
        let value = |server: &str, user: &str| {
            format!("{user}:{SECRET};server={server};realm=\"the hooks\"")
        };
        script
            .set("nonce_check", 0)
            .set("credential", value("127.0.0.1", "hook").as_str())
            // Not for any server: Basic would disclose it.
            .set("credential", format!("carrier:{SECRET}").as_str())
    })?;
    let asked = |url: &str| {
        let headers = [("Authorization", DIGEST), ("X-URL", url)];
        let answer = running.exchange("webhook", &headers)?;
        let code = answer.header("X-RC").unwrap_or("").to_string();
        Ok::<_, String>((code, named.requests.swap(0, Ordering::SeqCst)))
    };
    let port = named.port;
    let cases = [
        (format!("http://127.0.0.1:{port}/"), ("1", 2)),
        // A host without credentials, although there are some for any server.
        (format!("http://localhost:{port}/"), ("-5", 1)),
        // It has its own userinfo.
        (format!("http://a:b@127.0.0.1:{port}/"), ("-5", 1)),
    ];
    for (url, (code, requests)) in cases {
        let said = asked(&url)?;
        if said != (code.to_string(), requests) {
            return Err(format!(
                "{url}: {code} after {requests} requests expected, got {said:?}"
            ));
        }
    }
    running.look_after()
}

/// Admits clients that send the right user name and password.
struct Endpoint {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Endpoint {
    fn start(right: &str) -> Result<Endpoint, String> {
        let right = format!("Basic {}", STANDARD.encode(right));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        // Ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (right, counted) = (right.clone(), Arc::clone(&counted));
                std::thread::spawn(move || serve(stream, &right, &counted));
            }
        });
        Ok(Endpoint { port, requests })
    }
}

/// Serves one connection to its end.
fn serve(stream: TcpStream, right: &str, requests: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (mut length, mut authorized) = (0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok()?;
            }
            authorized |= name.eq_ignore_ascii_case("authorization") && value == right;
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = match authorized {
            true => "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}",
            false => {
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", \
                 Basic realm=\"the hooks\"\r\nContent-Length: 4\r\n\r\nwho?"
            }
        };
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
