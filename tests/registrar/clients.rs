//! What softphones do that are configured with an outbound proxy, or have no browser around them.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use harness::answer::Answer;
use harness::instance::Instance;
use harness::redis::{Options, Redis};
use harness::registrar::Site;

use super::device::{Device, Request, Transport, expect, secure};
use super::dialogs::called_without_routes;
use super::group::{Group, Scenario, over_streams};
use super::hop::Hop;
use super::websocket;

pub const SCENARIOS: &[Scenario] = &[
    ("refusals are acknowledged with a Route", acknowledged),
    ("WebSocket without an Origin", originless),
];

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[
    ("an outbound proxy that is named", named),
    ("WebSocket needs an Origin where that is set", with_origin),
    (
        "passwords of any character, and an encrypted database",
        passwords,
    ),
];

/// After this an answer that was under way has arrived.
const UNDER_WAY: Duration = Duration::from_millis(1500);

/// Within this an answer that was not acknowledged comes again: T2 of RFC 3261 section 17.2.1, and
/// time for a busy machine.
const AGAIN: Duration = Duration::from_secs(5);

/// The ACK to a refusal: with the branch, the Request-URI and the To tag that belong to it, and these
/// header lines in place of its Route.
fn acknowledge(invite: &str, answer: &Answer, lines: &str) -> String {
    let mut ack = String::new();
    for line in invite.lines().take_while(|line| !line.is_empty()) {
        match line.split(':').next().unwrap_or_default() {
            "Contact" | "Route" | "Max-Forwards" | "Content-Length" => {}
            "To" => ack.push_str(&format!("To: {}\r\n", answer.header("To").unwrap_or(""))),
            "CSeq" => ack.push_str(&format!("{}\r\n", line.replace("INVITE", "ACK"))),
            _ => ack.push_str(&format!(
                "{}\r\n",
                line.replacen("INVITE sip", "ACK sip", 1)
            )),
        }
    }
    format!("{ack}{lines}\r\nContent-Length: 0\r\n\r\n")
}

/// Fails if the answer comes again although it was acknowledged, as often as it came.
fn quiet(mut device: Device, ack: &str, what: &str) -> Result<(), String> {
    let call = ack.lines().find(|line| line.starts_with("Call-ID: "));
    let call = call.ok_or("no Call-ID")?.to_string();
    device.patience(UNDER_WAY);
    while let Ok(text) = device.receive_text() {
        if text.contains(&call) {
            device.send_raw(ack.as_bytes())?;
        }
    }
    device.patience(AGAIN);
    // An earlier device on this port may have left an answer of its own.
    while let Ok(text) = device.receive_text() {
        if text.contains(&call) {
            return Err(format!("{what}: it is repeated:\n{text}"));
        }
    }
    Ok(())
}

fn acknowledged(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let ours = format!("Route: <sip:127.0.0.1:{};lr>", site.udp);
    let acknowledgements = [
        format!("Max-Forwards: 70\r\n{ours}"),
        ours.clone(),
        format!("{ours}\r\n{ours}"),
        "Max-Forwards: 70\r\nRoute: <sip:name.example:5060;lr>".to_string(),
        format!("Max-Forwards: 70\r\nRoute: sip:127.0.0.1:{};lr", site.udp),
        "Max-Forwards: 70".to_string(),
        "Max-Forwards: 0".to_string(),
        format!("Max-Forwards: 70\n{ours}"),
        format!("Max-Forwards: 70\r\nContact: <sip:a@b>\r\nContact: <sip:a@b>\r\n{ours}"),
    ];
    let mut done = Vec::new();
    for lines in acknowledgements {
        // Of the next hop, of us, and after a CANCEL.
        for status in [
            "404 Not Found",
            "486 Busy Here",
            "500 Server Internal Error",
            "407",
            "487 Request Terminated",
        ] {
            let mut device = Device::new(site, "mary", "a.example")?;
            if status != "407" {
                device.register()?;
                device.new_call();
            }
            let invite = device.render(&Request::invite().with(ours.clone()));
            device.send_raw(invite.as_bytes())?;
            match status {
                "407" => {}
                "487 Request Terminated" => cancelled(&mut device, &hop, &invite)?,
                status => drop(hop.answer("INVITE", status)?),
            }
            let answer = loop {
                let answer = device.receive()?;
                if answer
                    .header("CSeq")
                    .is_some_and(|cseq| cseq.ends_with("INVITE"))
                {
                    break answer;
                }
            };
            let code = status[..3].parse().map_err(|e| format!("{status}: {e}"))?;
            let answer = expect(answer, code)?;
            let ack = acknowledge(&invite, &answer, &lines);
            device.send_raw(ack.as_bytes())?;
            done.push((device, ack, format!("{status}, {lines:?}")));
        }
    }
    let quiet = |(device, ack, what): (Device, String, String)| move || quiet(device, &ack, &what);
    let waiting: Vec<_> = done
        .into_iter()
        .map(|one| std::thread::spawn(quiet(one)))
        .collect();
    waiting
        .into_iter()
        .try_for_each(|one| one.join().map_err(|_| "a panic".to_string())?)
}

/// The next hop rings, the device gives up, and the next hop ends the call.
fn cancelled(device: &mut Device, hop: &Hop, invite: &str) -> Result<(), String> {
    let at_hop = hop.answer("INVITE", "180 Ringing")?;
    while !device.receive_text()?.starts_with("SIP/2.0 180") {}
    let cancel = invite.replacen("INVITE sip", "CANCEL sip", 1);
    device.send_raw(cancel.replace(" INVITE\r\n", " CANCEL\r\n").as_bytes())?;
    hop.answer("CANCEL", "200 OK")?;
    hop.send(&super::hop::answer_to(&at_hop, "487 Request Terminated"))
}

fn named(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let names = "proxy.example.org, other.example.org:5999,A.example";
    site.settings = vec![
        ("OWN_NAMES", names.to_string()),
        ("ADVERTISED_ADDRESS", "192.0.2.9".to_string()),
    ];
    let _instance = site.start(&group.core)?;
    let hop = Hop::new(&site)?;
    let port = site.udp;
    for route in [
        format!("<sip:proxy.example.org:{port};lr>"),
        "<sip:proxy.example.org;lr>".to_string(),
        "<sip:Proxy.Example.ORG;transport=udp;lr>".to_string(),
        "<sip:other.example.org:5999;lr>".to_string(),
        "<sip:a.example;lr>".to_string(),
        format!("<sip:192.0.2.9:{port};lr>"),
        format!("<sip:127.0.0.1:{port};lr>"),
    ] {
        let line = format!("Route: {route}");
        let mut device = Device::new(&site, "mary", "a.example")?;
        let register = Request::register().with(line.clone());
        expect(device.authorize(&register, "secret")?, 200).map_err(|e| format!("{line}: {e}"))?;
        device.new_call();
        device.send(&Request::invite().with(line.clone()))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        if invite.contains("\r\nRoute:") {
            return Err(format!("our own Route went on:\n{invite}"));
        }
        expect(device.receive()?, 486)?;
    }
    // So it names itself to the others, also where a device forgets that.
    let mut device = Device::new(&site, "mary", "a.example")?;
    device.register()?;
    let call = called_without_routes(&site, &hop, device)?;
    if !call.is_routed_by("192.0.2.9") {
        return Err("the call does not go by the advertised address".to_string());
    }
    // Names, ports and ways that are not ours.
    for route in [
        "<sip:elsewhere.example;lr>",
        "<sip:x.proxy.example.org;lr>",
        "<sip:proxy.example.org.elsewhere.example;lr>",
        "<sip:proxy.example.org:9;lr>",
        "<sip:proxy.example.org:50600;lr>",
        "<sip:other.example.org;lr>",
        "<sip:proxy.example.org;maddr=127.0.0.2;lr>",
        "<sip:proxy.example.org@elsewhere.example;lr>",
        "<sip:proxy.example.org;lr>, <sip:127.0.0.1:9;lr>",
        "<sip:proxy.example.org;lr>\r\nRoute: <sip:elsewhere.example;lr>",
        "<sip:proxy.example.org,other.example.org:5999;lr>",
    ] {
        let mut device = Device::new(&site, "mary", "a.example")?;
        for request in [Request::register(), Request::invite()] {
            let answer = device.ask(&request.with(format!("Route: {route}")))?;
            if !matches!(answer.status, 400 | 403) {
                return Err(format!("{route}: {answer:?}"));
            }
        }
    }
    hop.silent()
}

/// The upgrade with these header lines, over WS and WSS.
fn upgrade(site: &Site, lines: &str) -> Result<(), String> {
    for transport in [Transport::Ws, Transport::Wss] {
        let Some(port) = transport.port(site) else {
            continue;
        };
        over_streams();
        let connect = || {
            let mut stream = TcpStream::connect((site.address.as_str(), port))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            match transport {
                Transport::Wss => {
                    let mut stream = secure(stream, &site.certificate())?;
                    websocket::open_with(&mut stream, lines)
                }
                _ => websocket::open_with(&mut stream, lines),
            }
        };
        connect().map_err(|e| format!("{}: {e}", transport.name()))?;
    }
    Ok(())
}

fn originless(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    upgrade(site, "")?;
    upgrade(site, "Origin: null\r\n")
}

fn with_origin(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![("REQUIRE_ORIGIN", "yes".to_string())];
    let _instance = site.start(&group.core)?;
    upgrade(&site, "Origin: http://127.0.0.1\r\n")?;
    match upgrade(&site, "") {
        Err(_) => Ok(()),
        Ok(()) => Err("nobody asked for the Origin".to_string()),
    }
}

/// Every character that has a meaning in a URL, in a script, in a shell or in its quotes.
const PASSWORD: &str = "p\"q'r\\s$t${SIP_PORT}#u%v%41@w/x:y?z=1&[;] *~`é\u{1d11e}!";

/// Starts it, again if OpenSIPS crashes: its tls_openssl keeps libcrypto's list of errors in shared memory,
/// so that processes which connect to MariaDB with TLS at the same time may free one of them twice.
fn start(site: &Site, group: &Group) -> Result<Instance, String> {
    const TRIES: usize = 5;
    let is_crash = |why: &str| {
        ["134", "139"]
            .iter()
            .any(|n| why.contains(&format!("status: {n}")))
    };
    for _ in 1..TRIES {
        match site.start(&group.core) {
            Err(why) if is_crash(&why.to_string()) => {}
            other => return other.map_err(|e| e.to_string()),
        }
    }
    site.start(&group.core).map_err(|e| e.to_string())
}

fn passwords(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let redis_password = format!("{PASSWORD}\t.");
    let options = Options {
        password: Some(&redis_password),
        ..Options::default()
    };
    site.redis = Arc::new(Redis::start_with(&group.setting.folder(), &options)?);
    let (_, place) = site.database.url.rsplit_once('@').ok_or("no host")?;
    let (_, schema) = place.rsplit_once('/').ok_or("no database")?;
    let user = format!("odd_{schema}");
    let literal = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    site.database.sql(&format!(
        "CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{literal}' REQUIRE SSL;\n\
         GRANT ALL ON {schema}.* TO '{user}'@'127.0.0.1';"
    ))?;
    let url = format!("mysql://{user}:{}@{place}", PASSWORD.replace('%', "%25"));
    // OpenSIPS's tls_openssl fails now and then where several processes begin TLS to a database at once.
    let settings = |url: String| {
        vec![
            ("REDIS_PASSWORD", redis_password.clone()),
            ("DB_URL", url),
            ("UDP_WORKERS", "1".to_string()),
        ]
    };
    // The server takes no plain connection of this user, of whichever driver.
    site.settings = settings(url.clone());
    if site.start(&group.core).is_ok() {
        return Err("it runs without TLS".to_string());
    }
    site.settings = settings(format!("{url}?ssl-mode=REQUIRED"));
    let mut instance = start(&site, group)?;
    let mut device = Device::new(&site, "mary", "a.example")?;
    device.register()?;
    if site.redis.is_empty_of("mary@a.example")? {
        return Err("nothing is in Redis".to_string());
    }
    instance.check_workers()?;
    match instance.log().contains(PASSWORD) {
        true => Err("the password is in the log".to_string()),
        false => Ok(()),
    }
}
