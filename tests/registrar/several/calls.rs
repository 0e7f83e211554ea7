//! Calls that come in at one registrar for devices at the other.

use std::time::{Duration, Instant};

use harness::registrar::Site;
use harness::server::uninterrupted;
use harness::udp::ClientSocket;

use super::super::device::{Device, Request, Transport, expect};
use super::super::dialogs::{called, called_without_routes, hop_acknowledges, next, wires};
use super::super::hop::{Hop, answer_to};
use super::Scenario;
use super::pair::Pair;

pub const SCENARIOS: &[Scenario] = &[
    ("a call comes in at the other", through),
    ("a call is cancelled at the other", cancelled),
    ("a registrar that advertises another address", advertised),
    ("only a peer is taken for one", strangers),
    ("an outdated entry makes no loop", outdated),
];

/// Within this, a call to where nobody is must have failed.
const SOON: Duration = Duration::from_secs(15);

/// An INVITE of the next hop for this address of record.
pub fn invite(site: &Site, aor: &str, id: &str) -> String {
    invite_from(&format!("127.0.0.1:{}", site.next_hop), aor, id)
}

fn invite_from(place: &str, aor: &str, id: &str) -> String {
    format!(
        "INVITE sip:{aor} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bK{id}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\nTo: <sip:{aor}>\r\n\
         Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:100@{place}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Calls, and returns the final answer.
pub fn answer_of(hop: &Hop, site: &Site, aor: &str, id: &str) -> Result<u16, String> {
    let begin = Instant::now();
    hop.send(&invite(site, aor, id))?;
    loop {
        let text = hop.next("SIP/2.0 ")?;
        let status: u16 = text[8..11].parse().map_err(|_| text.clone())?;
        if status >= 200 && text.contains(id) {
            return match begin.elapsed() < SOON {
                true => Ok(status),
                false => Err(format!("{status} after {:?}", begin.elapsed())),
            };
        }
    }
}

/// The next hop calls a device, which answers that it is busy.
pub fn reaches(hop: &Hop, site: &Site, device: &mut Device, id: &str) -> Result<(), String> {
    let aor = format!("{}@{}", device.user, device.realm);
    hop.send(&invite(site, &aor, id))?;
    let text = next(device, "INVITE")?;
    device.send_raw(answer_to(&text, "486 Busy Here").as_bytes())?;
    hop.next("SIP/2.0 486")?;
    next(device, "ACK").map(drop)
}

fn through(pair: &mut Pair) -> Result<(), String> {
    let (a, b) = (&pair.a, &pair.b);
    // It only hears B.
    let hop = Hop::new(b)?;
    for transport in wires(a) {
        for ends in ["the next hop", "the device"] {
            let mut device = Device::over(transport, a, "mary", "a.example")?;
            device.register()?;
            // A device that hangs up by itself may know no routes.
            let mut call = match ends {
                "the device" => called_without_routes(b, &hop, device)?,
                _ => called(b, &hop, device, |answer| answer)?,
            };
            let ack = call.hop_request(b, "ACK").replace("CSeq: 2", "CSeq: 1");
            hop_acknowledges(&hop, &mut call.device, &ack)?;
            for method in ["INFO", "UPDATE", "INVITE", "REFER"] {
                call.reaches_device(b, &hop, method)
                    .map_err(|e| format!("{transport:?}, {method} to the device: {e}"))?;
                let mut request = call.request(method);
                request.from = call.from.clone();
                call.reaches_hop_as(&hop, &request)
                    .map_err(|e| format!("{transport:?}, {method} of the device: {e}"))?;
            }
            if ends == "the next hop" {
                call.reaches_device(b, &hop, "BYE")?;
            } else {
                let mut request = call.request("BYE");
                request.from = call.from.clone();
                request.headers.clear();
                call.reaches_hop_as(&hop, &request)?;
            }
            // That was its end for both.
            let mut request = call.request("INFO");
            request.from = call.from.clone();
            expect(call.device.ask(&request)?, 481)?;
            let late = call.hop_request(b, "INFO");
            hop.send(&late)?;
            hop.next("SIP/2.0 481")?;
        }
    }
    Ok(())
}

fn cancelled(pair: &mut Pair) -> Result<(), String> {
    let (a, b) = (&pair.a, &pair.b);
    let hop = Hop::new(b)?;
    for transport in wires(a) {
        let mut device = Device::over(transport, a, "mary", "a.example")?;
        device.register()?;
        let id = format!("cancel-{}", device.local);
        let invite = invite(b, "mary@a.example", &id);
        hop.send(&invite)?;
        let got = next(&mut device, "INVITE")?;
        device.send_raw(answer_to(&got, "180 Ringing").as_bytes())?;
        hop.next("SIP/2.0 180")?;
        let without_contact = |line: &&str| !line.starts_with("Contact");
        let cancel: Vec<&str> = invite.lines().filter(without_contact).collect();
        hop.send(&(cancel.join("\r\n") + "\r\n").replace("INVITE", "CANCEL"))
            .and_then(|()| {
                let cancel = next(&mut device, "CANCEL")?;
                device.send_raw(answer_to(&cancel, "200 OK").as_bytes())
            })?;
        let terminated = answer_to(&got, "487 Request Terminated");
        device.send_raw(terminated.as_bytes())?;
        hop.next("SIP/2.0 487")?;
        // OpenSIPS 4.0.1 loses a message over a stream now and then (its issue 4232); another answer
        // has another ACK.
        if next(&mut device, "ACK").is_err() {
            device.send_raw(terminated.as_bytes())?;
            next(&mut device, "ACK")?;
        }
    }
    Ok(())
}

/// Devices know A by another address than B, which is told the one for its peers.
fn advertised(pair: &mut Pair) -> Result<(), String> {
    pair.stop();
    // The same address, by another name.
    pair.a.settings = vec![
        ("ADVERTISED_ADDRESS", "127.2".to_string()),
        ("PRIVATE_ADDRESS", pair.a.place()),
    ];
    pair.start_a()?;
    pair.start_b()?;
    let (a, b) = (&pair.a, &pair.b);
    let hop = Hop::new(b)?;
    let mut device = Device::over(Transport::Tcp, a, "mary", "a.example")?;
    device.register()?;
    let (members, _, _) = a.redis.user("mary@a.example")?.ok_or("not in Redis")?;
    if members["privateSbcAddress"] != a.place() || members["sbcAddress"] == a.place() {
        return Err(format!("it is at {members}"));
    }
    // It is still recognized as its own.
    expect(device.ask(&Request::register())?, 200)?;
    let mut call = called(b, &hop, device, |answer| answer)?;
    let ack = call.hop_request(b, "ACK").replace("CSeq: 2", "CSeq: 1");
    hop_acknowledges(&hop, &mut call.device, &ack)?;
    call.reaches_device(b, &hop, "INFO")?;
    let mut request = call.request("BYE");
    request.from = call.from.clone();
    call.reaches_hop_as(&hop, &request)
}

/// Somebody who is neither next hop nor peer, although on the machine of one.
fn strangers(pair: &mut Pair) -> Result<(), String> {
    let (a, b) = (&pair.a, &pair.b);
    let mut device = Device::new(a, "mary", "a.example")?;
    device.register()?;
    device.patience(super::pair::SILENCE);
    for address in ["127.0.0.1", "127.0.0.5", b.address.as_str()] {
        for (number, site) in [a, b].into_iter().enumerate() {
            let socket = ClientSocket::bind((address, 0)).map_err(|e| e.to_string())?;
            let connected = socket.connect(site.place());
            connected
                .and_then(|()| socket.set_read_timeout(Some(SOON)))
                .map_err(|e| e.to_string())?;
            let place = socket.local_addr().map_err(|e| e.to_string())?.to_string();
            let id = format!("stranger-{place}-{number}");
            let text = invite_from(&place, "mary@a.example", &id);
            socket.send(text.as_bytes()).map_err(|e| e.to_string())?;
            let answer = final_answer(&socket).map_err(|e| format!("{address}: {e}"))?;
            if !answer.starts_with("SIP/2.0 407") {
                return Err(format!("{address} gets\n{answer}"));
            }
        }
    }
    if let Ok(text) = device.receive_text() {
        return Err(format!("a stranger's call arrives:\n{text}"));
    }
    // The same one as peer.
    let hop = Hop::new(b)?;
    reaches(&hop, b, &mut device, "member")
}

fn final_answer(socket: &ClientSocket) -> Result<String, String> {
    let mut buffer = vec![0; 65_535];
    loop {
        let length = uninterrupted(|| socket.recv(&mut buffer)).map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !text.starts_with("SIP/2.0 1") {
            return Ok(text);
        }
    }
}

/// What Redis has says that a device is at a registrar which does not know it.
fn outdated(pair: &mut Pair) -> Result<(), String> {
    let (a, b) = (&pair.a, &pair.b);
    let called_at = |site: &Site, id: &str| -> Result<u16, String> {
        let hop = Hop::new(site)?;
        let status = answer_of(&hop, site, "mary@a.example", id)?;
        hop.silent().map(|()| status)
    };
    let said_at = |site: &Site| -> Result<(), String> {
        let (mut members, left, _) = a.redis.user("mary@a.example")?.ok_or("not in Redis")?;
        members["sbcAddress"] = site.place().into();
        members["privateSbcAddress"] = site.place().into();
        let (text, left) = (members.to_string(), left.to_string());
        let words = ["SET", "user:mary@a.example", &text, "EX", &left];
        a.redis.cli(&words).map(drop)
    };
    // It is gone, and so is its connection.
    Device::over(Transport::Tcp, a, "mary", "a.example")?.register()?;
    for at in [a, b] {
        said_at(at)?;
        for site in [a, b] {
            let id = format!("loop-{}-{}", at.address, site.address);
            let status = called_at(site, &id)?;
            if status != 480 {
                return Err(format!("{} says {status} ({id})", site.place()));
            }
        }
    }
    // Over UDP, B tries where A would.
    Device::new(a, "mary", "a.example")?.register()?;
    said_at(b)?;
    let status = called_at(a, "loop-udp")?;
    if status != 408 {
        return Err(format!("nobody is there, and A says {status}"));
    }
    let hop = Hop::new(a)?;
    match answer_of(&hop, a, "nobody@a.example", "nobody")? {
        404 => Ok(()),
        status => Err(format!("nobody: {status}")),
    }
}
