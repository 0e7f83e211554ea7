//! jambonz's feature servers and servers of RTP, which say by OPTIONS whether they take calls; read back by redis-cli.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::answer::Answer;
use harness::instance::tail;
use harness::registrar::Site;
use harness::server::{uninterrupted, wait_for};
use harness::udp::ClientSocket;
use serde_json::{Value, json};

use super::device::{Device, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[("registrations are listed", registrations)];

pub const OF_MYSQL: &[Scenario] = &[
    ("servers check in and out", check_in),
    ("servers that fall silent are taken out", silent),
];

/// Within this, what is done every 100 ms is done.
const PROMPT: Duration = Duration::from_secs(10);

/// Who may check in: the first seven addresses of loopback.
pub const NETWORKS: &str = "127.0.0.0/29, 2001:db8::/32";

/// One of jambonz's servers.
pub struct Server {
    socket: ClientSocket,
    /// Its address and port.
    pub local: String,
}

impl Server {
    /// One on this address of loopback.
    pub fn at(last: u8) -> Result<Server, String> {
        let address = Ipv4Addr::new(127, 0, 0, last);
        let socket = ClientSocket::bind((address, 0)).map_err(|e| e.to_string())?;
        let limit = Some(Duration::from_secs(20));
        socket.set_read_timeout(limit).map_err(|e| e.to_string())?;
        let local = socket.local_addr().map_err(|e| e.to_string())?.to_string();
        Ok(Server { socket, local })
    }

    /// Sends OPTIONS with these headers, and returns the answer.
    pub fn says(&self, site: &Site, headers: &[&str]) -> Result<Answer, String> {
        static CALLS: AtomicU64 = AtomicU64::new(1);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let (local, place) = (&self.local, site.place());
        let id = format!("checkin-{}-{call}", std::process::id());
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "OPTIONS sip:{place} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{id}\r\n\
             From: <sip:server@{local}>;tag={id}\r\nTo: <sip:{place}>\r\nCall-ID: {id}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        let sent = self.socket.send_to(request.as_bytes(), &place);
        sent.map_err(|e| e.to_string())?;
        let mut buffer = vec![0; 65_535];
        loop {
            let read = uninterrupted(|| self.socket.recv(&mut buffer));
            let length = read.map_err(|e| format!("no answer to {headers:?}: {e}"))?;
            let answer = Answer::parse(&buffer[..length]).ok_or("not a SIP answer")?;
            if answer.status >= 200 && answer.header("Call-ID") == Some(&id) {
                return Ok(answer);
            }
        }
    }

    /// As a feature server; the answer has to say that there are that many.
    pub fn is(&self, site: &Site, status: &str, members: u64) -> Result<(), String> {
        counts(
            self.says(site, &[&format!("X-FS-Status: {status}")])?,
            members,
        )
    }
}

fn counts(answer: Answer, members: u64) -> Result<(), String> {
    let answer = expect(answer, 200)?;
    match answer.header("X-Members") {
        Some(value) if value == members.to_string() => Ok(()),
        other => Err(format!("X-Members: {members} expected, got {other:?}")),
    }
}

/// A probe gets 200, and nothing else happens.
fn is_a_probe(answer: Answer) -> Result<(), String> {
    match expect(answer, 200)?.header("X-Members") {
        None => Ok(()),
        Some(members) => Err(format!("a probe is told of {members} members")),
    }
}

/// The members of a set, sorted.
pub fn members(site: &Site, key: &str) -> Result<Vec<String>, String> {
    let said = site.redis.cli(&["SMEMBERS", key])?;
    let mut members: Vec<String> = said
        .lines()
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect();
    members.sort();
    Ok(members)
}

pub fn has(site: &Site, key: &str, expected: &[&str]) -> Result<(), String> {
    let mut expected: Vec<String> = expected.iter().map(|&member| member.to_owned()).collect();
    expected.sort();
    let found = members(site, key)?;
    match found == expected {
        true => Ok(()),
        false => Err(format!("{key}: {expected:?} expected, got {found:?}")),
    }
}

pub fn will_have(site: &Site, key: &str, expected: &[&str]) -> Result<(), String> {
    let mut last = Ok(());
    wait_for(PROMPT, || {
        last = has(site, key, expected);
        last.is_ok().then_some(())
    });
    last
}

/// The values of a member of each object of a list.
fn listed(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let rows = answer[list].as_array().cloned().unwrap_or_default();
    let text = |row: &Value| row[name].as_str().unwrap_or_default().to_owned();
    rows.iter().map(text).collect()
}

fn is_listed(answer: &Value, list: &str, expected: &[&str]) -> Result<(), String> {
    match listed(answer, list, "server") == expected {
        true => Ok(()),
        false => Err(format!("{list}: {expected:?} expected, got {answer}")),
    }
}

/// Those of this machine, and of sidecar, which has no index.
fn registrations(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    site.redis.cli(&["FLUSHALL"])?;
    Device::new(site, "mary", "a.example")?.register()?;
    Device::new(site, "jim", "silent.example")?.register()?;
    site.redis
        .cli(&["SET", "user:other@a.example", "{}", "EX", "100"])?;
    site.redis
        .cli(&["ZADD", "active-user", "1000", "user:ended@a.example"])?;
    let list = |about: Value| site.mi().run("registration_list", about);
    let has = |answer: &Value, expected: &[&str]| {
        let mut found = listed(answer, "registrations", "aor");
        found.sort();
        match found == expected {
            true => Ok(()),
            false => Err(format!("{expected:?} expected, got {answer}")),
        }
    };
    // What sidecar has made is taken up at intervals.
    let both = || {
        let found = list(json!({ "realm": "A.example" })).ok()?;
        has(&found, &["mary@a.example", "other@a.example"]).ok()?;
        Some(found)
    };
    let of_one = wait_for(Duration::from_secs(20), both).ok_or("other@a.example is not listed")?;
    has(
        &list(Value::Null)?,
        &["jim@silent.example", "mary@a.example", "other@a.example"],
    )?;
    let left = of_one["registrations"][0]["left"].as_u64();
    if of_one["count"] != 2 || !left.is_some_and(|left| (80..=100).contains(&left)) {
        return Err(format!("registration_list: {of_one}"));
    }
    let second = list(json!({ "realm": "a.example", "offset": "1" }))?;
    has(&second, &["mary@a.example"])?;
    has(&list(json!({ "realm": "none.example" }))?, &[])?;
    match list(json!({ "offset": "x" })) {
        Err(error) if error.contains("400") => Ok(()),
        other => Err(format!("offset x: {other:?}")),
    }
}

fn check_in(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![
        ("SITE_NETWORKS", NETWORKS.to_string()),
        ("CLUSTER_ID", "blue".to_string()),
        ("CHECKIN_INTERVAL", "100".to_string()),
    ];
    let mut instance = site.start(&group.core)?;
    let (one, two) = (Server::at(1)?, Server::at(2)?);
    let all = || {
        feature_servers(&site, &one, &two)?;
        rtp_servers(&site, &one, &two)?;
        strangers(&site)?;
        hostile(&site, &one)?;
        drained(&site, &one, &two)?;
        without_redis(&site, &one)
    };
    all().map_err(|e| format!("{e}\n{}", tail(&instance.log(), 25)))?;
    instance.check_workers()
}

fn feature_servers(site: &Site, one: &Server, two: &Server) -> Result<(), String> {
    let url = "http://127.0.0.1:3000";
    let open = [
        "X-FS-Status: open",
        &format!("X-FS-ServiceUrl: {url}"),
        "X-FS-Calls: 0",
    ];
    counts(one.says(site, &open)?, 1)?;
    two.is(site, "open", 2)?;
    // Once more changes nothing.
    two.is(site, "open", 2)?;
    has(site, "blue:active-fs", &[&one.local, &two.local])?;
    has(site, "blue:fs-service-url", &[url])?;
    has(site, "default:active-fs", &[])?;
    let mi = site.mi();
    let number = |name: &str| mi.statistic(name);
    if (number("feature_servers")?, number("rtp_servers")?) != (2, 0) {
        return Err(format!("feature_servers is {}", number("feature_servers")?));
    }
    // Anything else is closed, and takes the URL along.
    let closed = ["X-FS-Status: closed", &format!("X-FS-ServiceUrl: {url}")];
    counts(one.says(site, &closed)?, 1)?;
    has(site, "blue:active-fs", &[&two.local])?;
    has(site, "blue:fs-service-url", &[])?;
    two.is(site, "Open", 0)?;
    has(site, "blue:active-fs", &[])
}

fn rtp_servers(site: &Site, one: &Server, two: &Server) -> Result<(), String> {
    let open = ["X-RTP-Status: open"];
    counts(one.says(site, &open)?, 1)?;
    counts(two.says(site, &open)?, 2)?;
    // By the address alone: one that sends from another port is the same.
    counts(Server::at(2)?.says(site, &open)?, 2)?;
    has(site, "blue:active-rtp", &["127.0.0.1", "127.0.0.2"])?;
    has(site, "blue:active-fs", &[])?;
    if site.mi().statistic("rtp_servers")? != 2 {
        return Err("rtp_servers is not 2".to_string());
    }
    // Both headers: one of RTP.
    let both = ["X-FS-Status: open", "X-RTP-Status: closed"];
    counts(two.says(site, &both)?, 1)?;
    counts(one.says(site, &["X-RTP-Status: closed"])?, 0)?;
    has(site, "blue:active-rtp", &[])
}

fn strangers(site: &Site) -> Result<(), String> {
    let stranger = Server::at(8)?;
    for headers in [
        &["X-FS-Status: open", "X-FS-ServiceUrl: http://evil.example"][..],
        &["X-RTP-Status: open"],
        &[],
    ] {
        is_a_probe(stranger.says(site, headers)?)?;
    }
    // From within, without a state.
    is_a_probe(Server::at(1)?.says(site, &["X-FS-ServiceUrl: http://127.0.0.1"])?)?;
    for key in ["blue:active-fs", "blue:active-rtp", "blue:fs-service-url"] {
        has(site, key, &[])?;
    }
    Ok(())
}

/// What can't be taken is refused, and nothing of it is noted.
fn hostile(site: &Site, one: &Server) -> Result<(), String> {
    let long = format!("X-FS-ServiceUrl: http://{}", "x".repeat(1024));
    let state = format!("X-FS-Status: {}", "x".repeat(65));
    for headers in [
        &["X-FS-Status: open", &long][..],
        &["X-FS-Status: open", "X-FS-ServiceUrl: http://a b"],
        &["X-FS-Status: open", "X-FS-ServiceUrl: http://a\u{1}"],
        &[
            "X-FS-Status: open",
            "X-FS-ServiceUrl: http://\u{e9}.example",
        ],
        &[
            "X-FS-Status: open",
            "X-FS-ServiceUrl: http://a",
            "X-FS-ServiceUrl: http://b",
        ],
        &["X-FS-Status: open", "X-FS-Status: closed"],
        &["X-RTP-Status: open", "x-rtp-status: open"],
        &["X-FS-Status: "],
        &[&state],
    ] {
        let answer = one.says(site, headers)?;
        expect(answer, 400).map_err(|e| format!("{headers:?}: {e}"))?;
    }
    for key in ["blue:active-fs", "blue:active-rtp", "blue:fs-service-url"] {
        has(site, key, &[])?;
    }
    // A script or command takes it as it is.
    let odd = "http://127.0.0.1/'\"]]..redis.call('FLUSHALL')--\\";
    counts(
        one.says(
            site,
            &["X-FS-Status: open", &format!("X-FS-ServiceUrl: {odd}")],
        )?,
        1,
    )?;
    has(site, "blue:fs-service-url", &[odd])?;
    let closed = ["X-FS-Status: closed", &format!("X-FS-ServiceUrl: {odd}")];
    counts(one.says(site, &closed)?, 0)
}

fn drained(site: &Site, one: &Server, two: &Server) -> Result<(), String> {
    let mi = site.mi();
    let order = |command: &str, address: &str| mi.run(command, json!({ "address": address }));
    let ask = |command: &str| mi.run(command, Value::Null);
    one.is(site, "open", 1)?;
    two.is(site, "open", 2)?;
    is_listed(
        &order("server_drain", "127.0.0.1")?,
        "drained",
        &["127.0.0.1"],
    )?;
    has(site, "blue:drained-fs", &["127.0.0.1"])?;
    // It stays until it checks in again, and is shown as what it is.
    let list = ask("server_list")?;
    is_listed(&list, "servers", &[&one.local, &two.local])?;
    if listed(&list, "servers", "status") != ["drained", "active"] {
        return Err(format!("server_list: {list}"));
    }
    is_listed(&list, "drained", &["127.0.0.1"])?;
    is_listed(&ask("server_available")?, "available", &[&two.local])?;
    one.is(site, "open", 1)?;
    has(site, "blue:active-fs", &[&two.local])?;
    // That is about feature servers alone.
    counts(one.says(site, &["X-RTP-Status: open"])?, 1)?;
    is_listed(&ask("server_drained")?, "drained", &["127.0.0.1"])?;
    is_listed(&order("server_undrain", "127.0.0.1")?, "drained", &[])?;
    has(site, "blue:drained-fs", &[])?;
    one.is(site, "open", 2)?;
    // Another program may have written an address in its own way.
    site.redis.cli(&[
        "SADD",
        "blue:drained-fs",
        "2001:DB8:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
    ])?;
    one.is(site, "open", 1)?;
    order("server_undrain", "2001:db8::1")?;
    order("server_undrain", "127.0.0.1")?;
    has(site, "blue:drained-fs", &[])?;
    for address in ["", "127.0.0.1:5060", "host.example", "127.0.0.256"] {
        match order("server_drain", address) {
            Err(error) if error.contains("400") => {}
            other => return Err(format!("server_drain {address:?}: {other:?}")),
        }
    }
    Ok(())
}

fn without_redis(site: &Site, one: &Server) -> Result<(), String> {
    site.redis.pause();
    let answer = one.says(site, &["X-FS-Status: open"]);
    let command = site.mi().run("server_list", Value::Null);
    let probe = one.says(site, &[]);
    site.redis.resume()?;
    expect(answer?, 503)?;
    is_a_probe(probe?)?;
    match command {
        Err(error) if error.contains("500") => {}
        other => return Err(format!("server_list without Redis: {other:?}")),
    }
    let mut last = Ok(());
    wait_for(PROMPT, || {
        last = one.is(site, "open", 1);
        last.is_ok().then_some(())
    });
    last
}

fn silent(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![
        ("SITE_NETWORKS", NETWORKS.to_string()),
        ("CHECKIN_EXPIRES", "1000".to_string()),
        ("CHECKIN_INTERVAL", "100".to_string()),
    ];
    // Members that others have put there, before the registrar was.
    let fs = "default:active-fs";
    site.redis.cli(&["SADD", fs, "192.0.2.1:5060", "odd"])?;
    site.redis
        .cli(&["SADD", "default:active-rtp", "192.0.2.2"])?;
    let mut instance = site.start(&group.core)?;
    let (one, two) = (Server::at(1)?, Server::at(2)?);
    let url = "http://127.0.0.2:3000";
    let says = |server: &Server| {
        let open = ["X-FS-Status: open", &format!("X-FS-ServiceUrl: {url}")];
        expect(server.says(&site, &open)?, 200).map(drop)
    };
    says(&two)?;
    // One that goes on checking in stays; all others are taken out, those of others as well.
    let begin = Instant::now();
    let mut last = Err("not looked".to_string());
    while last.is_err() && begin.elapsed() < PROMPT {
        one.says(&site, &["X-FS-Status: open"])?;
        last = has(&site, fs, &[&one.local])
            .and_then(|()| has(&site, "default:active-rtp", &[]))
            .and_then(|()| has(&site, "default:fs-service-url", &[]));
        std::thread::sleep(Duration::from_millis(50));
    }
    last?;
    if begin.elapsed() < Duration::from_millis(900) {
        return Err(format!("taken out after {:?}", begin.elapsed()));
    }
    // Who is back is back, and what is put there later is found as well.
    says(&two)?;
    site.redis
        .cli(&["SADD", "default:active-rtp", "192.0.2.3"])?;
    will_have(&site, fs, &[])?;
    will_have(&site, "default:active-rtp", &[])?;
    will_have(&site, "default:fs-service-url", &[])?;
    // Nothing is left of them.
    let left = || {
        let seen = site
            .redis
            .cli(&["EXISTS", "{default:active-fs}:auth_web_seen"]);
        let counted = site.mi().statistic("feature_servers");
        (seen.as_deref() == Ok("0") && counted == Ok(0)).then_some(())
    };
    wait_for(PROMPT, left).ok_or("something is left of them")?;
    let log = instance.log();
    if !log.contains("192.0.2.1:5060 has not checked in") {
        return Err("the log does not say who has not checked in".to_string());
    }
    instance.check_workers()
}
