//! jambonz's carriers, registered as its own tables say; carriers that challenge, grant and refuse.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use harness::database::program;
use harness::digest::hash;
use harness::instance::tail;
use harness::ports;
use harness::registrar::Site;
use harness::secrecy;
use harness::server::{Server, wait_for};
use serde_json::Value;

use super::group::{Group, Scenario};

/// They have registrars and tables of their own.
pub const OF_MYSQL: &[Scenario] = &[
    ("carriers of jambonz's tables", carriers),
    ("carriers while Redis and the database fail", failures),
];

/// Within this all that is due has come.
const LIMIT: Duration = Duration::from_secs(20);

/// How long to look for what must not come.
const SILENCE: Duration = Duration::from_millis(1500);

/// A password of a carrier's, which nobody else may see.
const PASSWORD: &str = "b4r-of-the-carrier";

/// What OpenSSL is told by those who connect to it. It serves as long as its input is open.
fn tls_server(site: &Site, port: u16) -> Result<((Server, ChildStdin), PathBuf), String> {
    let program = program("openssl").ok_or("no openssl")?;
    let certificate = site.certificate();
    let key = certificate.with_file_name("key.pem");
    let said = certificate.with_file_name("said-over-tls");
    let output = File::create(&said).map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command
        .args(["s_server", "-quiet", "-accept", &port.to_string()])
        .arg("-cert")
        .arg(&certificate)
        .arg("-key")
        .arg(key)
        .stdout(output);
    let server = Server::start_with_input(&mut command).map_err(|e| e.to_string())?;
    Ok((server, said))
}

/// As much of jambonz's tables as is read, with columns of the same names and types.
const TABLES: &str = "
CREATE TABLE accounts (
    account_sid CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    sip_realm VARCHAR(132) UNIQUE,
    is_active BOOLEAN NOT NULL DEFAULT true
);
CREATE TABLE system_information (
    domain_name VARCHAR(255),
    sip_domain_name VARCHAR(255)
);
CREATE TABLE voip_carriers (
    voip_carrier_sid CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    account_sid CHAR(36),
    service_provider_sid CHAR(36),
    requires_register BOOLEAN NOT NULL DEFAULT false,
    register_username VARCHAR(64),
    register_sip_realm VARCHAR(64),
    register_password VARCHAR(64),
    is_active BOOLEAN NOT NULL DEFAULT true,
    register_from_user VARCHAR(128),
    register_from_domain VARCHAR(255),
    register_public_ip_in_contact BOOLEAN NOT NULL DEFAULT false,
    register_status VARCHAR(4096),
    outbound_sip_proxy VARCHAR(255),
    trunk_type ENUM('static_ip','auth','reg') NOT NULL DEFAULT 'static_ip'
);
CREATE TABLE sip_gateways (
    sip_gateway_sid CHAR(36) PRIMARY KEY,
    ipv4 VARCHAR(128) NOT NULL,
    netmask INTEGER NOT NULL DEFAULT 32,
    port INTEGER,
    inbound BOOLEAN NOT NULL DEFAULT 0,
    outbound BOOLEAN NOT NULL DEFAULT 1,
    voip_carrier_sid CHAR(36) NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT 1,
    send_options_ping BOOLEAN NOT NULL DEFAULT 0,
    use_sips_scheme BOOLEAN NOT NULL DEFAULT 0,
    protocol ENUM('udp','tcp','tls','tls/srtp') DEFAULT 'udp'
);
";

/// A site with jambonz's tables in a database of their own.
struct Jambonz {
    site: Site,
    database: String,
}

/// Makes jambonz's tables, with these rows, in a database of their own, whose name is the value.
pub fn tables(site: &Site, carrier: &Carrier, rows: &str) -> Result<String, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let database = format!("carriers_{}_{number}", std::process::id());
    let rows = rows
        .replace("PORT", &carrier.udp.to_string())
        .replace("TCP", &carrier.tcp.to_string())
        .replace("PASSWORD", PASSWORD);
    site.database.sql(&format!(
        "CREATE DATABASE {database} CHARACTER SET utf8mb4; USE {database};\n{TABLES}\n{rows}\n\
         GRANT SELECT, UPDATE ON {database}.* TO 'opensipsro'@'127.0.0.1';"
    ))?;
    Ok(database)
}

/// What a registrar needs to register the carriers of that database.
pub fn settings(database: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CARRIERS_TABLE", format!("{database}.voip_carriers")),
        ("CLUSTER_ID", "blue".to_string()),
        ("TRUNK_INTERVAL", "1".to_string()),
        ("TRUNK_RETRY", "1".to_string()),
        ("TRUNK_TIMEOUT", "2".to_string()),
        ("TRUNK_REMOVE_CODES", "403,404".to_string()),
        ("REGISTRANT_MIN_EXPIRES", "1".to_string()),
        ("PING_INTERVAL", "1".to_string()),
        ("PING_TTL", "100".to_string()),
        ("PING_REMOVE_CODES", "405".to_string()),
        ("TRUNK_USER_AGENT", "Jambonz of the tests".to_string()),
    ]
}

impl Jambonz {
    /// With these rows; `PORT` and `TCP` in them are those of the carrier.
    fn new(group: &Group, carrier: &Carrier, rows: &str) -> Result<Self, String> {
        group.stop();
        let mut site = group.setting.site(&group.core, group.backend)?;
        let database = tables(&site, carrier, rows)?;
        site.settings = settings(&database);
        Ok(Jambonz { site, database })
    }

    /// The value of a query, below the name of its column.
    fn sql(&self, statement: &str) -> Result<String, String> {
        let text = self
            .site
            .database
            .sql(&format!("USE {};\n{statement}", self.database))?;
        Ok(text.lines().nth(1).unwrap_or_default().to_string())
    }

    /// The status of a carrier, once it is as it should be.
    fn status(&self, carrier: &str, is: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let select = format!(
            "SELECT COALESCE(register_status, '') FROM voip_carriers WHERE voip_carrier_sid='{carrier}';"
        );
        let mut last = String::new();
        let found = wait_for(LIMIT, || {
            last = self.sql(&select).ok()?;
            serde_json::from_str(&last).ok().filter(&is)
        });
        found.ok_or_else(|| format!("register_status of {carrier}: {last:?}"))
    }

    /// What a query of one value gives, once it is this.
    fn becomes(&self, select: &str, value: &str) -> Result<(), String> {
        let mut last = String::new();
        let is = || {
            last = self.sql(select).ok()?;
            (last == value).then_some(())
        };
        wait_for(LIMIT, is).ok_or_else(|| format!("{select} gives {last:?}, not {value:?}"))
    }

    /// What redis-cli prints, once it is as it should be.
    fn redis(&self, words: &[&str], is: impl Fn(&str) -> bool) -> Result<String, String> {
        let mut last = String::new();
        let found = wait_for(LIMIT, || {
            last = self.site.redis.cli(words).ok()?.trim().to_string();
            is(&last).then(|| last.clone())
        });
        found.ok_or_else(|| format!("{words:?} gives {last:?}"))
    }
}

/// How a gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Challenges with this code and algorithm, and grants so many seconds.
    Grants(u16, &'static str, u32),
    /// Answers with this code.
    Refuses(u16),
    /// Says nothing.
    Silent,
}

/// All gateways, over UDP and TCP: each is known by its key, the Call-ID.
pub struct Carrier {
    udp: u16,
    tcp: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    manners: Mutex<Vec<(String, Manner)>>,
    /// All requests, with where they came from.
    requests: Mutex<Vec<(String, SocketAddr)>>,
    is_over: AtomicBool,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // It waits for a connection.
        drop(TcpStream::connect(("127.0.0.1", self.tcp)));
    }
}

impl Carrier {
    pub fn new(manners: &[(&str, Manner)]) -> Result<Carrier, String> {
        let failed = |e: std::io::Error| format!("a carrier: {e}");
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(failed)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let (udp, tcp) = (
            socket.local_addr().map_err(failed)?.port(),
            listener.local_addr().map_err(failed)?.port(),
        );
        let shared = Arc::new(Shared::default());
        let carrier = Carrier { udp, tcp, shared };
        for (key, manner) in manners {
            carrier.set(key, *manner);
        }
        let tick = Some(Duration::from_millis(100));
        socket.set_read_timeout(tick).map_err(failed)?;
        let of_udp = Arc::clone(&carrier.shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while !of_udp.is_over.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    if let Some(answer) = of_udp.answer(text, from) {
                        _ = socket.send_to(answer.as_bytes(), from);
                    }
                }
            }
        });
        let of_tcp = Arc::clone(&carrier.shared);
        thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                if of_tcp.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_tcp);
                thread::spawn(move || shared.serve(stream, from));
            }
        });
        Ok(carrier)
    }

    fn set(&self, key: &str, manner: Manner) {
        let mut manners = locked(&self.shared.manners);
        manners.retain(|(known, _)| known != key);
        manners.push((key.to_string(), manner));
    }

    /// The requests to a gateway, retransmissions once.
    pub fn requests(&self, key: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (text, _) in locked(&self.shared.requests).iter() {
            if key_of(text) == key && !found.contains(text) {
                found.push(text.clone());
            }
        }
        found
    }

    /// As many requests as that, once they have come.
    pub fn wait(&self, key: &str, count: usize) -> Result<Vec<String>, String> {
        wait_for(LIMIT, || {
            let found = self.requests(key);
            (found.len() >= count).then_some(found)
        })
        .ok_or_else(|| {
            format!(
                "{key}: {count} requests expected, got {:?}",
                self.requests(key)
            )
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map_or("", |(_, value)| value.trim())
}

/// The gateway that a request is for. That of OPTIONS has a number at its end.
fn key_of(text: &str) -> String {
    let id = header(text, "Call-ID");
    match text.starts_with("OPTIONS") {
        true => format!("ping:{}", id.rsplit_once('-').map_or("", |(key, _)| key)),
        false => id.to_string(),
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream, from: SocketAddr) {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            while let Some(end) = text.find("\r\n\r\n") {
                let request = text.drain(..end + 4).collect();
                if let Some(answer) = self.answer(request, from) {
                    _ = stream.write_all(answer.as_bytes());
                }
            }
        }
    }

    fn answer(&self, text: String, from: SocketAddr) -> Option<String> {
        let key = key_of(&text);
        let manner = locked(&self.manners)
            .iter()
            .find(|(known, _)| *known == key)
            .map_or(Manner::Silent, |(_, manner)| *manner);
        let answer = match manner {
            Manner::Silent => None,
            Manner::Refuses(code) => {
                Some(reply(&text, &format!("{code} As the tests want it"), ""))
            }
            Manner::Grants(_, _, seconds) if is_right(&text) => {
                let contact = header(&text, "Contact")
                    .split(";expires")
                    .next()
                    .unwrap_or("");
                let contact = format!("Contact: {contact};expires={seconds}\r\n");
                Some(reply(&text, "200 OK", &contact))
            }
            Manner::Grants(code, algorithm, _) => {
                let name = match code {
                    407 => "Proxy-Authenticate",
                    _ => "WWW-Authenticate",
                };
                let challenge = format!(
                    "{name}: Digest realm=\"carrier\", nonce=\"n0nce\", qop=\"auth\", algorithm={algorithm}\r\n"
                );
                Some(reply(&text, &format!("{code} Unauthorized"), &challenge))
            }
        };
        locked(&self.requests).push((text, from));
        answer
    }
}

fn reply(request: &str, status: &str, lines: &str) -> String {
    let via: String = request
        .lines()
        .filter(|line| line.starts_with("Via"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "SIP/2.0 {status}\r\n{via}From: {}\r\nTo: {};tag=carrier\r\nCall-ID: {}\r\nCSeq: {}\r\n{lines}\
         Content-Length: 0\r\n\r\n",
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

/// Whether there are credentials with the right password, for this very request.
fn is_right(request: &str) -> bool {
    let value = match header(request, "Authorization") {
        "" => header(request, "Proxy-Authorization"),
        value => value,
    };
    let Some(parameters) = value.strip_prefix("Digest ") else {
        return false;
    };
    let get = |name: &str| {
        let mut parts = parameters.split(", ");
        let value = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_string()
    };
    let algorithm = get("algorithm");
    let h = |text: String| hash(&algorithm, &text);
    let uri = request.split(' ').nth(1).unwrap_or_default();
    let secret = h(format!("{}:carrier:{PASSWORD}", get("username")));
    let about = h(format!("REGISTER:{uri}"));
    let (nc, cnonce) = (get("nc"), get("cnonce"));
    get("uri") == uri && get("response") == h(format!("{secret}:n0nce:{nc}:{cnonce}:auth:{about}"))
}

pub fn expect(text: &str, name: &str, begin: &str) -> Result<(), String> {
    match header(text, name).starts_with(begin) {
        true => Ok(()),
        false => Err(format!("{name}: {begin} expected in\n{text}")),
    }
}

const ROWS: &str = "
INSERT INTO system_information VALUES ('jambonz.example', 'sip.jambonz.example');
INSERT INTO accounts VALUES ('a1', 'one', 'acc.example', 1), ('a2', 'off', 'off.example', 0);
INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, requires_register, register_username,
    register_sip_realm, register_password, register_from_user, register_from_domain,
    register_public_ip_in_contact, trunk_type, is_active) VALUES
    ('c-udp', 'udp', 'a1', 1, 'foo', 'carrier.example', 'PASSWORD', 'reguser', 'regdomain', 0, 'static_ip', 1),
    ('c-tcp', 'tcp', NULL, 1, 'bar', 'carrier.example', 'PASSWORD', NULL, NULL, 1, 'reg', 1),
    ('c-two', 'two', NULL, 1, 'two', NULL, 'PASSWORD', NULL, NULL, 0, 'static_ip', 1),
    ('c-static', 'static', NULL, 1, 'static', NULL, 'PASSWORD', NULL, NULL, 0, 'static_ip', 1),
    ('c-reg', 'reg', NULL, 1, 'reg', NULL, 'PASSWORD', NULL, NULL, 0, 'reg', 1),
    ('c-bad', 'bad', NULL, 1, 'bad', NULL, 'PASSWORD', NULL, 'a b', 0, 'static_ip', 1),
    ('c-off', 'off', 'a2', 1, 'off', NULL, 'PASSWORD', NULL, NULL, 0, 'static_ip', 1),
    ('c-not', 'not', NULL, 0, 'not', NULL, 'PASSWORD', NULL, NULL, 0, 'static_ip', 1),
    ('c-gone', 'gone', NULL, 1, 'gone', NULL, 'PASSWORD', NULL, NULL, 0, 'static_ip', 0),
    ('c-silent', 'silent', NULL, 1, 'none', NULL, NULL, NULL, NULL, 0, 'static_ip', 1);
INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, voip_carrier_sid, outbound, is_active,
    send_options_ping, protocol) VALUES
    ('g-udp', '127.0.0.1', PORT, 'c-udp', 1, 1, 1, 'udp'),
    ('g-udp-again', '127.0.0.1', PORT, 'c-udp', 1, 1, 0, 'udp'),
    ('g-in', '127.0.0.2', PORT, 'c-udp', 0, 1, 1, 'udp'),
    ('g-idle', '127.0.0.3', PORT, 'c-udp', 1, 0, 1, 'udp'),
    ('g-tcp', '127.0.0.1', TCP, 'c-tcp', 1, 1, 0, 'tcp'),
    ('g-two', '127.0.0.1', PORT, 'c-two', 1, 1, 1, 'udp'),
    ('g-two-name', 'localhost', PORT, 'c-two', 1, 1, 0, 'udp'),
    ('g-static', '127.0.0.1', PORT, 'c-static', 1, 1, 1, 'udp'),
    ('g-reg', '127.0.0.1', PORT, 'c-reg', 1, 1, 0, 'udp'),
    ('g-bad', '127.0.0.1', PORT, 'c-bad', 1, 1, 0, 'udp'),
    ('g-off', '127.0.0.1', PORT, 'c-off', 1, 1, 0, 'udp'),
    ('g-not', '127.0.0.1', PORT, 'c-not', 1, 1, 0, 'udp'),
    ('g-gone', '127.0.0.1', PORT, 'c-gone', 1, 1, 0, 'udp'),
    ('g-silent', '127.0.0.1', PORT, 'c-silent', 1, 1, 0, 'udp');
";

fn carriers(group: &Group) -> Result<(), String> {
    let carrier = Carrier::new(&[
        ("g-udp", Manner::Grants(401, "MD5", 2)),
        ("g-tcp", Manner::Grants(407, "SHA-256", 600)),
        ("g-two", Manner::Grants(401, "MD5", 600)),
        ("g-two-name", Manner::Grants(401, "MD5", 600)),
        ("g-static", Manner::Refuses(403)),
        ("g-reg", Manner::Refuses(404)),
        ("ping:g-udp", Manner::Refuses(200)),
        ("ping:g-two", Manner::Refuses(503)),
        ("ping:g-static", Manner::Refuses(405)),
    ])?;
    let jambonz = Jambonz::new(group, &carrier, ROWS)?;
    let site = &jambonz.site;
    let mut instance = site.start(&group.core)?;

    // What is sent.
    let sent = carrier.wait("g-udp", 2)?;
    let [first, second] = [&sent[0], &sent[1]];
    if !first.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n") {
        return Err(format!("the Request-URI is another one:\n{first}"));
    }
    expect(first, "From", "<sip:reguser@regdomain>;tag=")?;
    expect(first, "To", "<sip:reguser@regdomain>")?;
    expect(
        first,
        "Contact",
        "<sip:reguser@acc.example;transport=udp>;expires=3600",
    )?;
    expect(first, "User-Agent", "Jambonz of the tests")?;
    expect(second, "Authorization", "Digest username=\"foo\"")?;
    let number = |text: &str| {
        header(text, "CSeq")
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
    };
    let numbers: Vec<Option<u32>> = sent.iter().map(|text| number(text)).collect();
    if numbers[0].map(|n| n + 1) != numbers[1] {
        return Err(format!("CSeqs {numbers:?}"));
    }
    let of_tcp = carrier.wait("g-tcp", 2)?;
    expect(&of_tcp[0], "Via", "SIP/2.0/TCP")?;
    expect(&of_tcp[0], "From", "<sip:bar@carrier.example>")?;
    let contact = format!("<sip:bar@{};transport=tcp>", site.place());
    expect(&of_tcp[0], "Contact", &contact)?;
    for key in ["g-two", "g-two-name"] {
        let requests = carrier.wait(key, 2)?;
        expect(
            &requests[0],
            "Contact",
            "<sip:two@sip.jambonz.example;transport=udp>",
        )?;
    }

    // What the portal shows.
    let status = jambonz.status("c-tcp", |status| status["status"] == "ok")?;
    let cseq = header(&of_tcp[1], "CSeq");
    let is_there = status["reason"] == "200 OK"
        && status["cseq"] == cseq
        && status["callId"] == "g-tcp"
        && status["expires"] == 600
        && status["timestamp"]
            .as_str()
            .is_some_and(|at| at.starts_with("20") && at.ends_with('Z'));
    if !is_there {
        return Err(format!("register_status {status}"));
    }
    jambonz.status("c-bad", |status| {
        status["status"] == "fail" && status["reason"] == "Invalid from_domain a b"
    })?;

    // Where calls may come from.
    let end = jambonz.redis(&["HGET", "eph-gw-ip:127.0.0.1", "c-tcp"], |end| {
        end.parse::<i64>().is_ok()
    })?;
    let left = end
        .parse()
        .map_or(0, |end: i64| end - harness::tokens::now());
    if !(500..=600).contains(&left) {
        return Err(format!("eph-gw-ip ends in {left} s"));
    }
    jambonz.redis(&["TTL", "eph-gw-ip:127.0.0.1"], |ttl| {
        ttl.parse()
            .is_ok_and(|ttl: i64| (7000..=7200).contains(&ttl))
    })?;
    jambonz.redis(&["HEXISTS", "eph-gw-ip:127.0.0.1", "c-udp"], |is| is == "0")?;

    // Who does it.
    let token = jambonz.redis(&["GET", "blue:regbot-token"], |token| token.len() > 8)?;
    jambonz.redis(&["TTL", "blue:regbot-token"], |ttl| {
        ttl.parse().is_ok_and(|ttl: i64| (1..=11).contains(&ttl))
    })?;

    // It is refreshed at half of what was granted.
    let again = carrier.wait("g-udp", 4)?;
    expect(&again[3], "Authorization", "Digest username=\"foo\"")?;
    if numbers[1] >= number(&again[2]) || header(&again[2], "From") != header(first, "From") {
        return Err(format!("it is not the same registration:\n{}", again[2]));
    }

    // Refusals switch off.
    let flags =
        "SELECT CONCAT(requires_register, is_active) FROM voip_carriers WHERE voip_carrier_sid=";
    jambonz.becomes(&format!("{flags}'c-static';"), "01")?;
    jambonz.becomes(&format!("{flags}'c-reg';"), "10")?;
    jambonz.status("c-static", |status| {
        status["status"] == "fail"
            && status["reason"] == "403 As the tests want it"
            && status["expires"] == 0
    })?;
    for key in ["g-static", "g-reg"] {
        let count = carrier.requests(key).len();
        if count != 3 {
            return Err(format!("{key}: {count} requests"));
        }
    }

    // Both owners are told, and those of the gateways that are not there.
    let told = || {
        site.mi()
            .statistic("alerts_raised")
            .ok()
            .filter(|n| *n >= 4)
    };
    wait_for(LIMIT, told).ok_or("nobody is told of what was switched off")?;

    // Gateways that are not there.
    let ping = |sid: &str, is: &str| {
        let key = format!("blacklist-sip-gateway:{sid}");
        jambonz.redis(&["GET", &key], |value| value == is).map(drop)
    };
    ping("g-two", "1")?;
    ping("g-static", "1")?;
    jambonz.redis(&["TTL", "blacklist-sip-gateway:g-two"], |ttl| {
        ttl.parse().is_ok_and(|ttl: i64| (90..=100).contains(&ttl))
    })?;
    jambonz.becomes(
        "SELECT GROUP_CONCAT(sip_gateway_sid) FROM sip_gateways WHERE send_options_ping AND outbound \
         AND is_active ORDER BY 1;",
        "g-udp,g-two",
    )
    .or_else(|_| {
        jambonz.becomes(
            "SELECT send_options_ping FROM sip_gateways WHERE sip_gateway_sid='g-static';",
            "0",
        )
    })?;
    ping("g-udp", "")?;
    carrier.set("ping:g-two", Manner::Refuses(200));
    ping("g-two", "")?;
    let options = carrier.wait("ping:g-udp", 1)?;
    if !options[0].starts_with(&format!(
        "OPTIONS sip:127.0.0.1:{} SIP/2.0\r\n",
        carrier.udp
    )) {
        return Err(format!("OPTIONS is another one:\n{}", options[0]));
    }

    // What a command shows.
    let list = wait_for(LIMIT, || {
        let list = site.mi().run("trunk_list", Value::Null).ok()?;
        (list["total"] == 4 && list["registered"] == 4).then_some(list)
    });
    let list =
        list.ok_or_else(|| format!("trunk_list: {:?}", site.mi().run("trunk_list", Value::Null)))?;
    let shown = list["trunks"].as_array().cloned().unwrap_or_default();
    let of_tcp = shown.iter().find(|trunk| trunk["gateway"] == "g-tcp");
    let is_right = of_tcp.is_some_and(|trunk| {
        trunk["carrier"] == "c-tcp"
            && trunk["status"] == "ok"
            && trunk["expires"] == 600
            && trunk["next"].as_u64().is_some_and(|next| next <= 300)
    });
    if list["active"] != 1 || !is_right {
        return Err(format!("trunk_list {list}"));
    }

    // Nothing for those that want none.
    for key in [
        "g-udp-again",
        "g-in",
        "g-idle",
        "g-bad",
        "g-off",
        "g-not",
        "g-gone",
        "g-silent",
        "ping:g-in",
        "ping:g-idle",
        "ping:g-tcp",
    ] {
        if let Some(request) = carrier.requests(key).first() {
            return Err(format!("{key} is sent\n{request}"));
        }
    }

    // A carrier goes, another changes, a third stays as it is.
    let before = ["g-two", "g-tcp"].map(|key| carrier.requests(key).len());
    jambonz.sql(
        "UPDATE voip_carriers SET register_from_user='other' WHERE voip_carrier_sid='c-two'; \
         DELETE FROM voip_carriers WHERE voip_carrier_sid='c-tcp';",
    )?;
    jambonz.redis(&["EXISTS", "eph-gw-ip:127.0.0.1"], |is| is == "0")?;
    let changed = carrier.wait("g-two", before[0] + 2)?;
    expect(&changed[before[0]], "From", "<sip:other@")?;
    if carrier.requests("g-tcp").len() != before[1] {
        return Err("a carrier that is gone is registered".to_string());
    }

    // A reload of the routes neither waits for it nor ends it.
    site.mi().run("reload_routes", Value::Null)?;

    // Another machine takes it over: this one stops, and leaves what there is.
    jambonz.redis(
        &["SET", "blue:regbot-token", "another", "EX", "100"],
        |done| done == "OK",
    )?;
    let is_idle = wait_for(LIMIT, || {
        let list = site.mi().run("trunk_list", Value::Null).ok()?;
        (list["active"] == 0 && list["total"] == 0).then_some(())
    });
    is_idle.ok_or("it goes on although another machine registers")?;
    let count = carrier.requests("g-udp").len();
    thread::sleep(SILENCE);
    if carrier.requests("g-udp").len() > count {
        return Err("it registers although another machine does".to_string());
    }
    jambonz.redis(&["DEL", "blue:regbot-token"], |done| done == "1")?;
    jambonz.redis(&["GET", "blue:regbot-token"], |now| now == token)?;
    carrier.wait("g-udp", count + 2)?;
    secrecy::check(&instance.log(), [PASSWORD])?;
    instance.check_workers()
}

const FEW: &str = "
INSERT INTO voip_carriers (voip_carrier_sid, name, requires_register, register_username,
    register_password, trunk_type) VALUES
    ('c-one', 'one', 1, 'one', 'PASSWORD', 'reg'), ('c-dead', 'dead', 1, 'dead', 'PASSWORD', 'reg'),
    ('c-tls', 'tls', 1, 'tls', 'PASSWORD', 'static_ip');
INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, voip_carrier_sid, send_options_ping) VALUES
    ('g-one', '127.0.0.1', PORT, 'c-one', 0), ('g-dead', '127.0.0.1', 9, 'c-dead', 1);
INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, voip_carrier_sid, protocol) VALUES
    ('g-tls', 'localhost', TLS, 'c-tls', 'tls/srtp');
";

/// Registrations go on, and what is to be written is written later.
fn failures(group: &Group) -> Result<(), String> {
    let carrier = Carrier::new(&[("g-one", Manner::Grants(401, "MD5", 2))])?;
    let over_tls = ports::free();
    let jambonz = Jambonz::new(group, &carrier, &FEW.replace("TLS", &over_tls.to_string()))?;
    let site = &jambonz.site;
    let tls = site.tls.map(|_| tls_server(site, over_tls)).transpose()?;
    let mut instance = site.start(&group.core)?;
    carrier.wait("g-one", 2)?;
    jambonz.redis(&["HEXISTS", "eph-gw-ip:127.0.0.1", "c-one"], |is| is == "1")?;
    jambonz.status("c-one", |status| status["status"] == "ok")?;

    // Another one is reached over TLS.
    if let Some((_server, said)) = tls {
        let has_come = || {
            let said = fs::read_to_string(&said).ok()?;
            let is_it =
                said.starts_with("REGISTER sip:localhost SIP/2.0") && said.contains("SIP/2.0/TLS");
            is_it.then_some(())
        };
        wait_for(LIMIT, has_come)
            .ok_or_else(|| format!("nothing comes over TLS\n{}", tail(&instance.log(), 25)))?;
    }

    // Redis is away.
    site.redis.kill();
    let count = carrier.requests("g-one").len();
    carrier.wait("g-one", count + 4)?;
    let cseq = jambonz.status("c-one", |status| status["status"] == "ok")?["cseq"].clone();
    site.redis.resume()?;
    jambonz.redis(&["HEXISTS", "eph-gw-ip:127.0.0.1", "c-one"], |is| is == "1")?;
    jambonz.redis(&["EXISTS", "blue:regbot-token"], |is| is == "1")?;

    // The database takes nothing.
    jambonz.sql(&format!(
        "REVOKE SELECT, UPDATE ON {}.* FROM 'opensipsro'@'127.0.0.1';",
        jambonz.database
    ))?;
    let count = carrier.requests("g-one").len();
    carrier.wait("g-one", count + 4)?;
    carrier.set("g-one", Manner::Refuses(500));
    carrier.wait("g-one", carrier.requests("g-one").len() + 1)?;
    jambonz.sql(&format!(
        "GRANT SELECT, UPDATE ON {}.* TO 'opensipsro'@'127.0.0.1';",
        jambonz.database
    ))?;
    let status = jambonz.status("c-one", |status| status["status"] == "fail")?;
    if status["reason"] != "500 As the tests want it" || status["cseq"] == cseq {
        return Err(format!("register_status {status}"));
    }
    // The carrier says that it is not registered: nobody calls from there in its name.
    jambonz.redis(&["HEXISTS", "eph-gw-ip:127.0.0.1", "c-one"], |is| is == "0")?;
    // Nobody answers there.
    jambonz.status("c-dead", |status| status["reason"] == "408 Request Timeout")?;
    jambonz.redis(&["EXISTS", "blacklist-sip-gateway:g-dead"], |is| is == "1")?;
    secrecy::check(&instance.log(), [PASSWORD])?;
    instance.check_workers()
}
