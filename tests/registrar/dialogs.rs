//! What belongs to a call reaches the other side; anything else goes nowhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::registrar::Site;

use super::device::{Device, Request, Transport, expect};
use super::field::{log_length, no_error};
use super::group::{Group, Scenario};
use super::hop::{Elsewhere, Hop, answer_with, headers, uri};

pub const SCENARIOS: &[Scenario] = &[
    ("a call of a device", of_device),
    ("a call to a device", to_device),
    ("a call that is not answered yet", early),
    ("a call from behind a NAT", behind_nat),
    ("requests of no call", of_no_call),
    ("requests that lead away from their call", away),
    ("requests for the name that was called", by_name),
    ("no contact, no place to go to", contactless),
    ("proxies that a device makes up", astray),
    ("a route that a device rewrites", rewritten),
    ("a device that knows no routes", routeless),
];

/// They stop and start the registrar.
pub const ALONE: &[Scenario] = &[("a call goes on after a restart", restart)];

/// Methods that a call may use.
const METHODS: [&str; 9] = [
    "INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE", "OPTIONS", "PRACK", "BYE",
];

/// A call between a device and the next hop, as both know it.
pub struct Call {
    pub device: Device,
    /// The address that each gives for itself.
    of_hop: String,
    of_device: String,
    /// The device's From, with its tag, and that of the next hop.
    pub from: String,
    to: String,
    /// The URIs of the registrar, from the device to the next hop: two if the transport changes.
    routes: Vec<String>,
    /// How many of the last of these are proxies of the next hop.
    proxies: usize,
    /// The last CSeq of the next hop.
    cseq: u32,
}

/// The address that the next hop gives for itself.
fn contact(site: &Site) -> String {
    format!("Contact: <sip:there@127.0.0.1:{}>\r\n", site.next_hop)
}

/// The transports over which both sides call.
pub fn wires(site: &Site) -> Vec<Transport> {
    let mut transports = vec![Transport::Udp, Transport::Tcp];
    transports.extend(site.ws.map(|_| Transport::Ws));
    transports
}

impl Call {
    /// A device calls, and the next hop sends each of these answers in turn.
    pub fn of(device: Device, site: &Site, hop: &Hop, answers: &[&str]) -> Result<Call, String> {
        let line = contact(site);
        Call::with(device, hop, answers, &line, &Request::invite())
    }

    fn with(
        mut device: Device,
        hop: &Hop,
        answers: &[&str],
        lines: &str,
        invite: &Request,
    ) -> Result<Call, String> {
        device.new_call();
        device.send(invite)?;
        let invite = hop.next("INVITE")?;
        let mut heard = String::new();
        for status in answers {
            hop.send(&answer_with(&invite, status, lines))?;
            heard = next(&mut device, &format!("SIP/2.0 {status}"))?;
        }
        let mut call = Call {
            of_hop: uri(&heard, "Contact")?,
            of_device: uri(&invite, "Contact")?,
            from: device.own_from(),
            to: headers(&heard, "To").concat(),
            routes: routes(&heard),
            device,
            proxies: 0,
            cseq: 100,
        };
        if answers.last().is_some_and(|status| status.starts_with('2')) {
            call.acknowledge(hop)?;
        }
        Ok(call)
    }

    /// A correct request from the device.
    pub fn request(&self, method: &'static str) -> Request {
        Request {
            method,
            uri: self.of_hop.clone(),
            to: self.to.clone(),
            ..Request::default()
        }
        .with(self.route())
    }

    fn acknowledge(&mut self, hop: &Hop) -> Result<(), String> {
        let cseq = self.device.cseq;
        let ack = Request {
            cseq,
            ..self.request("ACK")
        };
        device_acknowledges(hop, &mut self.device, &ack).map(drop)
    }

    /// The device sends it, and the next hop receives it.
    pub fn reaches_hop(&mut self, hop: &Hop, request: &Request) -> Result<String, String> {
        self.device.send(request)?;
        let got = hop.next(request.method)?;
        let line = format!("{}X-Call-Hook: https://evil.example\r\n", self.contact());
        let answer = answer_with(&got, "200 OK", &line);
        let heard = hop_repeats(hop, &mut self.device, &answer, "SIP/2.0 200")?;
        if heard.contains("evil") {
            return Err(format!("evil is still there:\n{heard}"));
        }
        if request.method == "INVITE" {
            self.acknowledge(hop)?;
        }
        Ok(got)
    }

    /// The device's route.
    fn route(&self) -> String {
        format!("Route: {}", self.routes.join(", "))
    }

    /// The next hop's route, behind its own proxies.
    fn way_back(&self) -> String {
        let back = self.routes.iter().rev().skip(self.proxies);
        back.cloned().collect::<Vec<_>>().join(", ")
    }

    /// Whether its requests go to this host.
    pub fn is_routed_by(&self, host: &str) -> bool {
        let is_of = |route: &String| route.starts_with(&format!("<sip:{host}:"));
        !self.routes.is_empty() && self.routes.iter().all(is_of)
    }

    fn contact(&self) -> String {
        format!("Contact: <{}>\r\n", self.of_hop)
    }

    /// A request from the next hop to the device.
    pub fn hop_request(&mut self, site: &Site, method: &str) -> String {
        self.cseq += 1;
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{id}x{cseq}\r\n\
             Max-Forwards: 70\r\nRoute: {route}\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {id}\r\nCSeq: {cseq} {method}\r\n{contact}Content-Length: 0\r\n\r\n",
            uri = self.of_device,
            port = site.next_hop,
            id = self.device.call_id,
            cseq = self.cseq,
            route = self.way_back(),
            from = self.to,
            to = self.from,
            contact = self.contact(),
        )
    }

    /// The next hop sends it, and the device receives it.
    pub fn reaches_device(
        &mut self,
        site: &Site,
        hop: &Hop,
        method: &str,
    ) -> Result<String, String> {
        let text = self.hop_request(site, method);
        hop.send(&text)?;
        let own = [format!("{} {method}", self.cseq)];
        let got = loop {
            let got = next(&mut self.device, method)?;
            if headers(&got, "CSeq") == own {
                break got;
            }
        };
        let line = format!(
            "Contact: <{}>\r\nX-Call-Hook: https://evil.example\r\n\
             X-Registered-User: evil@a.example\r\n",
            self.device.contact()
        );
        let answer = answer_with(&got, "200 OK", &line);
        self.device.send_raw(answer.as_bytes())?;
        let heard = hop.next("SIP/2.0 200")?;
        if heard.contains("evil") {
            return Err(format!(
                "the device's word of a hook is still there:\n{heard}"
            ));
        }
        if ["INVITE", "UPDATE"].contains(&method) {
            self.of_device = uri(&heard, "Contact")?;
        }
        if method == "INVITE" {
            self.cseq -= 1;
            let ack = self.hop_request(site, "ACK");
            let ack = ack.replace("z9hG4bK", "z9hG4bKack");
            hop_acknowledges(hop, &mut self.device, &ack)?;
        }
        Ok(got)
    }
}

/// The route set that a caller learns: Record-Route reversed (RFC 3261 section 12.1.2).
fn routes(answer: &str) -> Vec<String> {
    headers(answer, "Record-Route").into_iter().rev().collect()
}

/// The next message to a device that begins with this.
pub fn next(device: &mut Device, begin: &str) -> Result<String, String> {
    loop {
        let text = device.receive_text()?;
        if text.starts_with(begin) {
            return Ok(text);
        }
    }
}

/// How soon an ACK is sent again.
const AGAIN: Duration = Duration::from_millis(300);

/// The next hop sends something until the device has heard it, as whoever speaks UDP does.
fn hop_repeats(hop: &Hop, device: &mut Device, text: &str, heard: &str) -> Result<String, String> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                hop.send(text)?;
                std::thread::park_timeout(AGAIN);
            }
            Ok::<_, String>(())
        });
        let heard = next(device, heard);
        is_over.store(true, Ordering::Relaxed);
        sending.thread().unpark();
        let sent = sending.join().map_err(|_| "a panic".to_string())?;
        heard.and_then(|text| sent.map(|()| text))
    })
}

/// The next hop acknowledges, each time that the answer would come again (RFC 3261 section
/// 13.2.2.4): OpenSIPS drops an ACK that overtakes what it notes of the answer.
pub fn hop_acknowledges(hop: &Hop, device: &mut Device, ack: &str) -> Result<(), String> {
    hop_repeats(hop, device, ack, "ACK").map(drop)
}

/// The device acknowledges; what the next hop receives.
fn device_acknowledges(hop: &Hop, device: &mut Device, ack: &Request) -> Result<String, String> {
    std::thread::scope(|scope| {
        let hearing = scope.spawn(|| hop.next("ACK"));
        while !hearing.is_finished() {
            device.send(ack)?;
            let until = Instant::now() + AGAIN;
            while !hearing.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        hearing.join().map_err(|_| "a panic".to_string())?
    })
}

fn mary(site: &Site, transport: Transport) -> Result<Device, String> {
    let mut device = Device::over(transport, site, "mary", "a.example")?;
    device.register()?;
    Ok(device)
}

fn of_device(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    for transport in wires(site) {
        let mut call = Call::of(
            mary(site, transport)?,
            site,
            &hop,
            &["180 Ringing", "200 OK"],
        )?;
        for method in METHODS {
            if ["BYE", "PRACK"].contains(&method) {
                continue;
            }
            let got = call.reaches_hop(&hop, &call.request(method))?;
            if !got.starts_with(&format!("{method} {} ", call.of_hop)) {
                return Err(format!("{method} for another:\n{got}"));
            }
            call.reaches_device(site, &hop, method)
                .map_err(|e| format!("{method}: {e}"))?;
        }
        // It reports a new address, and is then called there.
        let moved = format!(
            "{}x",
            call.device.contact().replace("sip:mary", "sip:moved")
        );
        let request = call.request("INVITE").contact(format!("<{moved}>"));
        let got = call.reaches_hop(&hop, &request)?;
        call.of_device = uri(&got, "Contact")?;
        if !call.of_device.starts_with("sip:moved@") {
            return Err(format!("not moved:\n{got}"));
        }
        let got = call.reaches_device(site, &hop, "INFO")?;
        if !got.starts_with(&format!("INFO {} ", call.of_device)) {
            return Err(format!("INFO for another:\n{got}"));
        }
        call.reaches_hop(&hop, &call.request("BYE"))?;
        // That was its end.
        for method in ["INFO", "INVITE"] {
            let request = call.request(method);
            expect(call.device.ask(&request)?, 481)?;
        }
    }
    hop.silent()
}

/// The next hop calls a device, whose answer also contains these lines. `change` is what the device
/// does to its answer.
pub fn called(
    site: &Site,
    hop: &Hop,
    device: Device,
    change: impl Fn(String) -> String,
) -> Result<Call, String> {
    Ok(called_and_heard(site, hop, device, change)?.0)
}

/// The same for a device that knows no routes: the next hop learns them all the same.
pub fn called_without_routes(site: &Site, hop: &Hop, device: Device) -> Result<Call, String> {
    let without = |answer: String| {
        let lines = answer.split_inclusive("\r\n");
        lines
            .filter(|line| !line.starts_with("Record-Route:"))
            .collect()
    };
    let (call, heard) = called_and_heard(site, hop, device, without)?;
    Ok(Call {
        routes: headers(&heard, "Record-Route"),
        ..call
    })
}

/// A call to a device, and its answer as the next hop receives it.
fn called_and_heard(
    site: &Site,
    hop: &Hop,
    mut device: Device,
    change: impl Fn(String) -> String,
) -> Result<(Call, String), String> {
    let id = format!("to-{}-{}", device.local, device.call_id);
    let from = "<sip:100@a.example>;tag=hop";
    hop.send(&format!(
        "INVITE sip:mary@a.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{id}\r\n\
         Max-Forwards: 70\r\nFrom: {from}\r\nTo: <sip:mary@a.example>\r\n\
         Call-ID: {id}\r\nCSeq: 1 INVITE\r\n{}Content-Length: 0\r\n\r\n",
        contact(site),
        port = site.next_hop
    ))?;
    let invite = next(&mut device, "INVITE")?;
    let line = format!("Contact: <{}>\r\n", device.contact());
    let answer = change(answer_with(&invite, "200 OK", &line));
    device.send_raw(answer.as_bytes())?;
    let heard = hop.next("SIP/2.0 200")?;
    device.call_id = id;
    let call = Call {
        of_hop: uri(&invite, "Contact")?,
        of_device: uri(&heard, "Contact")?,
        from: headers(&heard, "To").concat(),
        to: from.to_string(),
        routes: headers(&invite, "Record-Route"),
        device,
        proxies: 0,
        cseq: 1,
    };
    Ok((call, heard))
}

fn to_device(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    for transport in wires(site) {
        let mut call = called(site, &hop, mary(site, transport)?, |answer| answer)?;
        let ack = call.hop_request(site, "ACK").replace("CSeq: 2", "CSeq: 1");
        hop_acknowledges(&hop, &mut call.device, &ack)
            .map_err(|e| format!("{transport:?}, ACK: {e}"))?;
        for method in ["INFO", "UPDATE", "INVITE", "BYE"] {
            call.reaches_device(site, &hop, method)
                .map_err(|e| format!("{transport:?}, {method} to it: {e}"))?;
            if method != "BYE" {
                let mut request = call.request(method);
                request.from = call.from.clone();
                call.reaches_hop_as(&hop, &request)
                    .map_err(|e| format!("{transport:?}, {method} of it: {e}"))?;
            }
        }
    }
    Ok(())
}

impl Call {
    /// As [`Call::reaches_hop`], for a device that was called.
    pub fn reaches_hop_as(&mut self, hop: &Hop, request: &Request) -> Result<(), String> {
        self.device.send(request)?;
        let own = [format!("{} {}", self.device.cseq, request.method)];
        // Anything else is a retransmission.
        let got = loop {
            let got = hop.next(request.method)?;
            if got.contains(&self.device.call_id) && headers(&got, "CSeq") == own {
                break got;
            }
        };
        let answer = answer_with(&got, "200 OK", &self.contact());
        hop_repeats(hop, &mut self.device, &answer, "SIP/2.0 200")?;
        if request.method == "INVITE" {
            let ack = Request {
                method: "ACK",
                cseq: self.device.cseq,
                ..request.clone()
            };
            device_acknowledges(hop, &mut self.device, &ack)?;
        }
        Ok(())
    }
}

fn early(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    for transport in wires(site) {
        let device = mary(site, transport)?;
        let mut call = Call::of(device, site, &hop, &["183 Session Progress"])?;
        call.reaches_hop(&hop, &call.request("PRACK"))?;
        // What it claims about itself, and its credentials, go no further.
        let says = [
            "P-Asserted-Identity: <sip:evil@a.example>",
            "p-preferred-identity: <sip:evil@a.example>",
            "Remote-Party-ID: <sip:evil@a.example>",
            "Authorization: evil",
            "Proxy-Authorization: evil",
            "X-JWT: evil",
            "X-Registered-User: evil",
        ];
        let update = call.request("UPDATE").with(says.join("\r\n"));
        let got = call.reaches_hop(&hop, &update)?;
        if got.contains("evil") {
            return Err(format!("what the device said is still there:\n{got}"));
        }
        call.reaches_device(site, &hop, "UPDATE")?;
        // Wherever it is addressed to, it goes to the other side.
        for request in led_away(&call, &elsewhere.place()?, "INFO") {
            if request.uri == call.of_hop {
                expect(call.device.ask(&request)?, 403)?;
                continue;
            }
            call.device.send(&request)?;
            let got = hop.next("INFO")?;
            if !got.starts_with(&format!("INFO {} ", call.of_hop)) || got.contains("\r\nRoute:") {
                return Err(format!("it is still for another:\n{got}"));
            }
            hop.send(&answer_with(&got, "200 OK", ""))?;
            next(&mut call.device, "SIP/2.0 200")?;
        }
        elsewhere.silent()?;
        call.reaches_hop(&hop, &call.request("BYE"))?;
        proxied(site, &hop, &elsewhere, transport)?;
    }
    Ok(())
}

/// Requests pass the proxies in front of the other side, before the answer and after it.
fn proxied(
    site: &Site,
    hop: &Hop,
    elsewhere: &Elsewhere,
    transport: Transport,
) -> Result<(), String> {
    let first = format!("<sip:proxy@127.0.0.1:{};lr>", site.next_hop);
    // Longer than what OpenSIPS returns for all headers of a name at once.
    let second = format!("<sip:inner@192.0.2.1;lr;did={}>", "x".repeat(600));
    let lines = format!(
        "Record-Route: {second}\r\nRecord-Route: {first}\r\n{}",
        contact(site)
    );
    for answers in [
        &["183 Session Progress"][..],
        &["183 Session Progress", "200 OK"],
    ] {
        let device = mary(site, transport)?;
        let mut call = Call::with(device, hop, answers, &lines, &Request::invite())?;
        call.proxies = 2;
        let got = call.reaches_hop(hop, &call.request("UPDATE"))?;
        let left = headers(&got, "Route").join(", ");
        if left != format!("{first}, {second}") {
            return Err(format!("the way is not by {first}, {second}:\n{got}"));
        }
        let nowhere = format!("<sip:{};lr>", elsewhere.place()?);
        // To a reader that looks only for brackets, this is the first one.
        let named = format!("{first}, \"x>y\" {nowhere}");
        for wrong in [
            vec![&first],
            vec![&second, &first],
            vec![&first, &nowhere],
            vec![&named, &second],
            vec![&named],
            vec![&first, &second, &second],
            vec![],
        ] {
            let ours = call.routes.iter().take(call.routes.len() - 2);
            let all: Vec<String> = ours.chain(wrong).cloned().collect();
            let mut request = call.request("INFO");
            request.headers = vec![format!("Route: {}", all.join(", "))];
            let answer = call.device.ask(&request)?;
            expect(answer, 403).map_err(|e| format!("{all:?}: {e}"))?;
        }
        elsewhere.silent()?;
        call.reaches_device(site, hop, "INFO")?;
        call.reaches_hop(hop, &call.request("BYE"))?;
    }
    Ok(())
}

fn behind_nat(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "mary", "a.example")?;
    let local = "<sip:mary@192.168.1.5:5060>";
    let register = Request {
        via: "192.168.1.5:5060".to_string(),
        ..Request::register().contact(format!("{local};expires=900"))
    };
    expect(device.authorize(&register, "secret")?, 200)?;
    let invite = Request {
        via: "192.168.1.5:5060".to_string(),
        ..Request::invite().contact(local)
    };
    let mut call = Call::with(device, &hop, &["200 OK"], &contact(site), &invite)?;
    if !call.of_device.contains(&call.device.local) {
        return Err(format!("the next hop is to send to {}", call.of_device));
    }
    call.reaches_device(site, &hop, "INFO")?;
    let request = call.request("INVITE").contact(local);
    let got = call.reaches_hop(&hop, &request)?;
    call.of_device = uri(&got, "Contact")?;
    call.reaches_device(site, &hop, "INVITE")?;
    call.reaches_device(site, &hop, "BYE").map(drop)
}

/// A To tag does not open a way that an INVITE without one is denied.
fn of_no_call(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = mary(site, Transport::Udp)?;
    let ours = format!("Route: <sip:127.0.0.1:{};lr>", site.udp);
    for method in METHODS.into_iter().chain(["ACK"]) {
        let to_hop = Request {
            method,
            uri: format!("sip:100@127.0.0.1:{}", site.next_hop),
            to: "<sip:100@a.example>;tag=there".to_string(),
            ..Request::default()
        };
        for request in [to_hop.clone(), to_hop.with(ours.clone())] {
            device.new_call();
            match method {
                "ACK" => device.send(&request)?,
                _ => drop(expect(device.ask(&request)?, 481)?),
            }
        }
    }
    // A device that uses us as its outbound proxy says so, and it makes no difference.
    for line in [
        ours.clone(),
        ours.replace(";lr", ";transport=udp;lr"),
        ours.replace(";lr", ";lr=on"),
        ours.replace("Route: <", "route:<"),
    ] {
        let mut other = Device::new(site, "john", "a.example")?;
        let register = Request::register().with(line.clone());
        expect(other.authorize(&register, "secret")?, 200).map_err(|e| format!("{line}: {e}"))?;
        device.new_call();
        device.send(&Request::invite().with(line.clone()))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        if invite.contains("\r\nRoute:") || invite.contains("\r\nroute:") {
            return Err(format!("our own Route went on:\n{invite}"));
        }
        expect(device.receive()?, 486)?;
    }
    // Nor is a call sent past the next hop.
    for route in ["<sip:127.0.0.1:9;lr>", "<sip:127.0.0.1:9>"] {
        let elsewhere = Request::invite().with(format!("Route: {route}"));
        expect(device.ask(&elsewhere)?, 403)?;
        let elsewhere = Request::invite().with(format!("{ours}, {route}"));
        expect(device.ask(&elsewhere)?, 403)?;
        let elsewhere = Request::invite().with(format!("{ours}\r\nRoute: {route}"));
        expect(device.ask(&elsewhere)?, 403)?;
        let named = ours.replace("Route: <", &format!("Route: \"x>y\" {route}, <"));
        expect(device.ask(&Request::invite().with(named))?, 403)?;
        let mixed = ours.replace(";lr>", &format!(";lr>,{route}"));
        expect(device.ask(&Request::register().with(mixed))?, 403)?;
    }
    hop.silent()?;
    // For an existing call, all three must be right.
    let mut call = Call::of(device, site, &hop, &["200 OK"])?;
    let right = call.request("INFO");
    let tag = |value: &str| format!("{value}x");
    let wrong = [
        Request {
            to: tag(&right.to),
            ..right.clone()
        },
        Request {
            from: tag(&call.from),
            ..right.clone()
        },
        Request {
            to: tag(&right.to),
            from: tag(&call.from),
            ..right.clone()
        },
    ];
    for request in wrong {
        expect(call.device.ask(&request)?, 481)?;
    }
    let id = call.device.call_id.clone();
    call.device.new_call();
    expect(call.device.ask(&right)?, 481)?;
    call.device.call_id = id;
    // And only the methods that calls use.
    for method in ["SUBSCRIBE", "PUBLISH", "EVIL"] {
        let request = call.request(method);
        let answer = expect(call.device.ask(&request)?, 405)?;
        if answer
            .header("Allow")
            .is_none_or(|allow| !allow.contains("REFER"))
        {
            return Err(format!("{answer:?}"));
        }
    }
    hop.silent()?;
    call.reaches_hop(&hop, &call.request("BYE")).map(drop)
}

/// Requests in this call that are addressed to somebody else.
fn led_away(call: &Call, place: &str, method: &'static str) -> Vec<Request> {
    let right = call.request(method);
    let ours = call.route();
    let ruri = |uri: String| Request {
        uri,
        ..right.clone()
    };
    let (_, host) = call.of_hop.split_once('@').unwrap_or_default();
    let port = place.rsplit(':').next().unwrap_or_default();
    let routes = |lines: &[String]| Request {
        headers: lines.to_vec(),
        ..right.clone()
    };
    vec![
        ruri(format!("sip:there@{place}")),
        ruri(format!("sip:there@{host};maddr=127.0.0.1;x={port}")),
        ruri(format!("sip:there@127.0.0.2:{port};maddr=127.0.0.1")),
        routes(&[format!("{ours}, <sip:{place};lr>")]),
        routes(&[ours.clone(), format!("Route: <sip:{place};lr>")]),
    ]
}

/// Whether the route of a request is that of its call, wherever it is addressed to.
fn is_on_its_way(call: &Call, request: &Request) -> bool {
    request.headers == [call.route()] && ![&call.of_hop, &call.of_device].contains(&&request.uri)
}

/// Such a request reaches the other side of its call at the address that this gave for itself, by these proxies.
fn reaches_other_side(
    call: &mut Call,
    hop: &Hop,
    request: &Request,
    proxies: &[String],
) -> Result<(), String> {
    let method = request.method;
    call.device.send(request)?;
    let own = [format!("{} {method}", call.device.cseq)];
    // Anything else is a retransmission.
    let got = loop {
        let got = hop.next(method)?;
        if headers(&got, "CSeq") == own {
            break got;
        }
    };
    let routes = headers(&got, "Route").join(",").replace(", ", ",");
    if !got.starts_with(&format!("{method} {} ", call.of_hop)) || routes != proxies.join(",") {
        return Err(format!("{request:?} is for another:\n{got}"));
    }
    let answer = answer_with(&got, "200 OK", &call.contact());
    hop_repeats(hop, &mut call.device, &answer, "SIP/2.0 200")?;
    match method {
        "INVITE" => call.acknowledge(hop),
        _ => Ok(()),
    }
}

/// A device that speaks for the other side reaches itself, at its own address, or nobody.
fn reaches_itself(call: &mut Call, request: &Request) -> Result<(), String> {
    let method = request.method;
    call.device.send(request)?;
    let own = [format!("{} {method}", call.device.cseq)];
    loop {
        let text = call.device.receive_text()?;
        if headers(&text, "CSeq") != own || text.starts_with("SIP/2.0 1") {
            continue;
        }
        if text.starts_with("SIP/2.0") {
            return Ok(());
        }
        if !text.starts_with(&format!("{method} {} ", call.of_device)) {
            return Err(format!("{request:?} is for another:\n{text}"));
        }
        let answer = answer_with(&text, "200 OK", "");
        call.device.send_raw(answer.as_bytes())?;
    }
}

fn away(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let place = elsewhere.place()?;
    for transport in wires(site) {
        let mut call = Call::of(mary(site, transport)?, site, &hop, &["200 OK"])?;
        for method in ["INFO", "MESSAGE", "INVITE", "REFER", "ACK"] {
            let ours = call.routes.join(", ");
            let maddr = ours.replace(";lr", ";lr;maddr=127.0.0.2");
            let first = [
                format!("Route: <sip:{place};lr>"),
                format!("Route: <sip:{place};lr>, {ours}"),
                format!("Route: <sip:{place}>, {ours}"),
                format!("Route: {maddr}"),
            ];
            let first = first.into_iter().map(|line| Request {
                headers: vec![line],
                uri: format!("sip:there@{place}"),
                ..call.request(method)
            });
            let all: Vec<Request> = led_away(&call, &place, method)
                .into_iter()
                .chain(first)
                // In the name of the other side: then it is meant for the device itself.
                .chain(
                    led_away(&call, &place, method)
                        .into_iter()
                        .map(|r| Request {
                            from: call.to.clone(),
                            to: call.from.clone(),
                            ..r
                        }),
                )
                .collect();
            for request in all {
                if method == "ACK" {
                    call.device.send(&request)?;
                    continue;
                }
                if is_on_its_way(&call, &request) {
                    match request.from == call.to {
                        false => reaches_other_side(&mut call, &hop, &request, &[])?,
                        // It would give an address for the other side; and its own routes, in their order, lead to a
                        // socket from which no connection of its own is found.
                        true if method == "INVITE" || transport != Transport::Udp => {}
                        true => reaches_itself(&mut call, &request)?,
                    }
                    continue;
                }
                let answer = call.device.ask(&request)?;
                if ![403, 481].contains(&answer.status) {
                    return Err(format!("{request:?}: {answer:?}"));
                }
            }
        }
        elsewhere.silent()?;
        hop.silent()?;
        // The call is unchanged for both sides.
        call.reaches_hop(&hop, &call.request("INFO"))?;
        call.reaches_device(site, &hop, "INFO")?;
        call.reaches_device(site, &hop, "BYE")?;
    }
    // A contact that leads elsewhere is replaced by the real one.
    let mut device = mary(site, Transport::Udp)?;
    let port = place.rsplit(':').next().unwrap_or_default();
    let local = device.local.clone();
    for elsewhere in [
        format!("<sip:mary@127.0.0.2:{port}>"),
        format!("<sip:mary@{local};maddr=127.0.0.2>"),
        format!("<sip:mary@elsewhere.example:{port}>"),
    ] {
        let invite = Request::invite().contact(elsewhere);
        let mut call = Call::with(device, &hop, &["200 OK"], &contact(site), &invite)?;
        call.reaches_device(site, &hop, "INFO")?;
        call.reaches_device(site, &hop, "BYE")?;
        device = call.device;
    }
    elsewhere.silent()
}

/// Some devices address what belongs to a call to whom they have called, or write the other side's contact in a
/// way of their own.
fn by_name(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let since = log_length(group)?;
    let port = site.next_hop;
    let proxies = [
        format!("<sip:127.0.0.1:{port};lr;proxy=1>"),
        "<sip:inner@192.0.2.1;lr>".to_string(),
    ];
    for transport in wires(site) {
        for proxies in [&proxies[..], &proxies[..1], &[]] {
            let by_name = called_by_name(site, &hop, transport, proxies);
            by_name.map_err(|e| format!("{transport:?}, {proxies:?}: {e}"))?;
        }
        // The other way round.
        for is_contact in [false, true] {
            let mut call = called(site, &hop, mary(site, transport)?, |answer| answer)?;
            let ack = call.hop_request(site, "ACK").replace("CSeq: 2", "CSeq: 1");
            hop_acknowledges(&hop, &mut call.device, &ack)?;
            let of_device = call.of_device.clone();
            for method in ["INFO", "UPDATE", "BYE"] {
                call.of_device = match is_contact {
                    true => of_device.replace("device=", "device=9"),
                    false => "sip:mary@a.example".to_string(),
                };
                let got = call.reaches_device(site, &hop, method)?;
                if !got.starts_with(&format!("{method} {of_device} ")) {
                    return Err(format!("{transport:?}: {method} is for another:\n{got}"));
                }
            }
        }
    }
    elsewhere.silent()?;
    // Where two threads read one connection, they find half of a message each.
    if !group.core.loses_messages() {
        no_error(group, since)?;
    }
    hop.silent()
}

/// A call by these proxies, ended by a BYE for the name.
fn called_by_name(
    site: &Site,
    hop: &Hop,
    transport: Transport,
    proxies: &[String],
) -> Result<(), String> {
    let lines = proxies.iter().rev();
    let lines: String = lines.map(|p| format!("Record-Route: {p}\r\n")).collect();
    let lines = format!("{lines}{}", contact(site));
    let device = mary(site, transport)?;
    let mut call = Call::with(device, hop, &["200 OK"], &lines, &Request::invite())?;
    call.proxies = proxies.len();
    let one_line = call.route();
    let each = call.routes.iter().map(|route| format!("Route: {route}"));
    let each: Vec<String> = each.collect();
    for uri in [
        "sip:100@a.example".to_string(),
        "sip:100@elsewhere.example;transport=tcp".to_string(),
        "tel:100".to_string(),
        format!("sip:100@127.0.0.1:{}", site.udp),
        format!("{};transport=udp;x=y", call.of_hop),
    ] {
        for headers in [vec![one_line.clone()], each.clone()] {
            for method in ["INFO", "INVITE"] {
                let request = Request {
                    uri: uri.clone(),
                    headers: headers.clone(),
                    ..call.request(method)
                };
                reaches_other_side(&mut call, hop, &request, proxies)
                    .map_err(|e| format!("{method} {uri} by {headers:?}: {e}"))?;
            }
        }
    }
    let bye = Request {
        uri: "sip:100@a.example".to_string(),
        ..call.request("BYE")
    };
    // Of this call, and by its route.
    for (wrong, status) in [
        (
            Request {
                to: format!("{}x", bye.to),
                ..bye.clone()
            },
            481,
        ),
        (
            Request {
                uri: bye.uri.clone(),
                headers: vec![format!("{one_line}, <sip:127.0.0.1:9;lr>")],
                ..call.request("INFO")
            },
            403,
        ),
    ] {
        let answer = call.device.ask(&wrong)?;
        expect(answer, status).map_err(|e| format!("{wrong:?}: {e}"))?;
    }
    reaches_other_side(&mut call, hop, &bye, proxies)?;
    expect(call.device.ask(&bye)?, 481).map(drop)
}

fn contactless(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let place = elsewhere.place()?;
    let mut device = mary(site, Transport::Udp)?;
    for contact in [
        "-",
        "*",
        "<sip:a@127.0.0.1:9>, <sip:b@127.0.0.1:9>",
        "<>",
        "<sip:",
    ] {
        device.new_call();
        expect(device.ask(&Request::invite().contact(contact))?, 400)
            .map_err(|e| format!("{contact}: {e}"))?;
    }
    hop.silent()?;
    // A call answered without a contact still has another side.
    device.new_call();
    device.send(&Request::invite())?;
    let invite = hop.next("INVITE")?;
    hop.send(&answer_with(&invite, "200 OK", ""))?;
    let heard = next(&mut device, "SIP/2.0 200")?;
    let mut call = Call {
        of_hop: format!("sip:there@127.0.0.1:{}", site.next_hop),
        of_device: uri(&invite, "Contact")?,
        from: device.own_from(),
        to: headers(&heard, "To").concat(),
        routes: routes(&heard),
        device,
        proxies: 0,
        cseq: 100,
    };
    call.acknowledge(&hop)?;
    for request in led_away(&call, &place, "INFO") {
        if request.uri == call.of_hop {
            expect(call.device.ask(&request)?, 403)?;
            continue;
        }
        call.device.send(&request)?;
        let got = hop.next("INFO")?;
        hop.send(&answer_with(&got, "200 OK", ""))?;
        next(&mut call.device, "SIP/2.0 200")?;
    }
    elsewhere.silent()?;
    call.reaches_hop(&hop, &call.request("BYE")).map(drop)
}

/// A device might make its other side, or us, send to any address.
fn astray(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let place = elsewhere.place()?;
    let port = place.rsplit(':').next().unwrap_or_default();
    let far = format!("<sip:127.0.0.2:{port};lr>");
    let led = format!("<sip:{place};lr;maddr=127.0.0.2>");
    let mut device = mary(site, Transport::Udp)?;
    for line in [
        format!("Record-Route: {far}"),
        format!("Record-Route: {led}"),
        format!("Record-Route: <sip:{place};lr>, {far}"),
        format!("Record-Route: <sip:{place};lr>\r\nRecord-Route: {led}"),
        "Record-Route: <sip:elsewhere.example;lr>".to_string(),
        // To a reader that looks only for brackets, it ends in the display name.
        format!("Record-Route: \"x>y\" {far}"),
        format!("Record-Route: <sip:{place};lr>, \"x>y\" {far}"),
        format!("Record-Route: <sip:{place};lr>\r\nRecord-Route: \"x, <y>\" {far}"),
        format!("Record-Route: {}", far.trim_matches(['<', '>'])),
        format!(
            "Record-Route: <sip:{place};lr;x={}>, {far}",
            "y".repeat(600)
        ),
    ] {
        device.new_call();
        expect(device.ask(&Request::invite().with(line.clone()))?, 403)
            .map_err(|e| format!("{line}: {e}"))?;
    }
    hop.silent()?;
    // As the called side, it says so in its answer.
    let changes: [&dyn Fn(String) -> String; 4] = [
        &|answer| {
            answer.replacen(
                "Record-Route:",
                &format!("Record-Route: {far}\r\nRecord-Route:"),
                1,
            )
        },
        &|answer| answer.replacen("Record-Route:", &format!("Record-Route: {led},"), 1),
        &|answer| {
            answer.replacen(
                "Record-Route:",
                &format!("Record-Route: {far}\r\nX-Was:"),
                1,
            )
        },
        &|answer| {
            format!(
                "{}Record-Route: {far}\r\n\r\n",
                answer.trim_end_matches("\r\n").to_string() + "\r\n"
            )
        },
    ];
    for change in changes {
        let mut call = called(site, &hop, device, change)?;
        let ours = call.routes.join(", ");
        for (from, to, uri) in [
            (&call.to, &call.from, call.of_device.clone()),
            (&call.from, &call.to, call.of_hop.clone()),
        ] {
            for route in [
                ours.clone(),
                format!("{ours}, {far}"),
                format!("{ours}, {led}"),
                far.clone(),
            ] {
                let request = Request {
                    method: "INFO",
                    uri: uri.clone(),
                    from: from.clone(),
                    to: to.clone(),
                    ..Request::default()
                };
                let request = request.with(format!("Route: {route}"));
                let answer = call.device.ask(&request)?;
                if ![403, 481].contains(&answer.status) {
                    return Err(format!("{request:?}: {answer:?}"));
                }
            }
        }
        elsewhere.silent()?;
        hop.silent()?;
        device = call.device;
    }
    Ok(())
}

fn restart(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let mut call = Call::of(mary(site, Transport::Udp)?, site, &hop, &["200 OK"])?;
    call.reaches_hop(&hop, &call.request("INFO"))?;
    group.stop();
    group.start()?;
    call.reaches_hop(&hop, &call.request("INVITE"))?;
    call.reaches_device(site, &hop, "INFO")?;
    for request in led_away(&call, &elsewhere.place()?, "INFO") {
        match is_on_its_way(&call, &request) {
            true => reaches_other_side(&mut call, &hop, &request, &[])?,
            false => drop(expect(call.device.ask(&request)?, 403)?),
        }
    }
    elsewhere.silent()?;
    call.reaches_device(site, &hop, "BYE")?;
    let request = call.request("INFO");
    expect(call.device.ask(&request)?, 481).map(drop)
}

/// As pyVoIP does: its requests have no Route, its answers no Record-Route, and to its ACK it makes up a To
/// tag.
fn routeless(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    for transport in wires(site) {
        let outcome = routeless_over(transport, site, &hop, &elsewhere);
        outcome.map_err(|e| format!("{transport:?}: {e}"))?;
    }
    // What is no URI belongs to no call, and is no error of ours.
    let begin = log_length(group)?;
    let mut device = mary(site, Transport::Udp)?;
    for uri in [
        "sip:",
        "sip:@a.example",
        "nothing",
        "sip:100@[::1",
        "sip:100@a:b:c",
        "x:y",
        "sip:100@a.example:99999",
    ] {
        let beginning = "<sip:100@a.example>";
        let within = "<sip:100@a.example>;tag=there";
        for (method, to) in [
            ("INFO", within),
            ("BYE", within),
            ("ACK", within),
            ("INVITE", beginning),
            ("OPTIONS", beginning),
            ("MESSAGE", beginning),
            ("CANCEL", beginning),
            ("REGISTER", "<sip:mary@a.example>"),
        ] {
            let request = Request {
                method,
                uri: uri.to_string(),
                to: to.to_string(),
                ..Request::default()
            };
            device.new_call();
            device.send(&request)?;
            if method != "ACK" {
                expect(device.receive()?, 400).map_err(|e| format!("{method} {uri}: {e}"))?;
            }
        }
    }
    no_error(group, begin)?;
    hop.silent()
}

fn routeless_over(
    transport: Transport,
    site: &Site,
    hop: &Hop,
    elsewhere: &Elsewhere,
) -> Result<(), String> {
    // It calls.
    let mut device = mary(site, transport)?;
    device.new_call();
    device.send(&Request::invite())?;
    let invite = hop.next("INVITE")?;
    let proxy = format!("<sip:127.0.0.1:{};lr;proxy=1>", site.next_hop);
    let lines = format!("Record-Route: {proxy}\r\n{}", contact(site));
    hop.send(&answer_with(&invite, "200 OK", &lines))?;
    let heard = next(&mut device, "SIP/2.0 200")?;
    let of_hop = uri(&heard, "Contact")?;
    let to = headers(&heard, "To").concat();
    let is_right = |method: &str, got: &str| {
        got.starts_with(&format!("{method} {of_hop} ")) && headers(got, "Route") == [proxy.clone()]
    };
    let ack = Request {
        method: "ACK",
        to: "<sip:100@a.example>;tag=made-up".to_string(),
        cseq: device.cseq,
        ..Request::default()
    };
    // Not the caller's.
    for wrong in [
        Request {
            from: format!("{}x", device.own_from()),
            ..ack.clone()
        },
        Request {
            cseq: ack.cseq + 1,
            ..ack.clone()
        },
    ] {
        device.send(&wrong)?;
    }
    // Nor somebody's who has seen the INVITE.
    let mut stranger = Device::over(transport, site, "john", "a.example")?;
    stranger.call_id = device.call_id.clone();
    let seen = Request {
        from: device.own_from(),
        ..ack.clone()
    };
    stranger.send(&seen.with("X-Stranger: yes"))?;
    let got = device_acknowledges(hop, &mut device, &ack)?;
    if got.contains("X-Stranger") || !is_right("ACK", &got) || headers(&got, "To") != [to.clone()] {
        return Err(format!("an ACK for another:\n{got}"));
    }
    let own = [format!("{} ACK", ack.cseq)];
    if headers(&got, "From") != [device.own_from()] || headers(&got, "CSeq") != own {
        return Err(format!("an ACK of another:\n{got}"));
    }
    // It goes to the other side, whatever it is addressed to, or nowhere.
    let info = Request {
        method: "INFO",
        uri: format!("sip:100@{}", elsewhere.place()?),
        to,
        cseq: ack.cseq + 1,
        ..Request::default()
    };
    for wrong in [
        Request {
            to: format!("{}x", info.to),
            ..info.clone()
        },
        Request {
            from: format!("{}x", device.own_from()),
            ..info.clone()
        },
    ] {
        expect(device.ask(&wrong)?, 481)?;
    }
    for method in ["INFO", "BYE"] {
        let request = Request {
            method,
            cseq: 0,
            ..info.clone()
        };
        device.send(&request)?;
        let got = hop.next(method)?;
        if !is_right(method, &got) {
            return Err(format!("{method} for another:\n{got}"));
        }
        hop.send(&answer_with(&got, "200 OK", ""))?;
        expect(device.receive()?, 200)?;
    }
    expect(device.ask(&Request { cseq: 0, ..info })?, 481)?;
    elsewhere.silent()?;
    // It calls twice with the same Call-ID, as one does that has restarted and counts anew: each ACK is for its
    // own call.
    device.new_call();
    for number in 1..=2 {
        let from = format!("{}-{number}", device.own_from());
        let invite = Request {
            from: from.clone(),
            ..Request::invite()
        };
        device.send(&invite)?;
        let invite = hop.next("INVITE")?;
        let answer = answer_with(&invite, "200 OK", &contact(site));
        hop.send(&answer)?;
        next(&mut device, "SIP/2.0 200")?;
        let ack = Request {
            from: from.clone(),
            cseq: device.cseq,
            ..ack.clone()
        };
        let got = device_acknowledges(hop, &mut device, &ack)?;
        if headers(&got, "To") != headers(&answer, "To") || headers(&got, "From") != [from] {
            return Err(format!("an ACK of another call:\n{got}"));
        }
    }
    // It is called.
    let mut call = called_without_routes(site, hop, mary(site, transport)?)?;
    let ack = call.hop_request(site, "ACK").replace("CSeq: 2", "CSeq: 1");
    hop_acknowledges(hop, &mut call.device, &ack)?;
    call.reaches_device(site, hop, "INFO")?;
    let bye = Request {
        method: "BYE",
        uri: call.of_hop.clone(),
        from: call.from.clone(),
        to: call.to.clone(),
        ..Request::default()
    };
    call.reaches_hop_as(hop, &bye)?;
    // Before there is an answer, there is no way without a Route.
    let mut call = Call::of(mary(site, transport)?, site, hop, &["183 Session Progress"])?;
    let update = Request {
        headers: Vec::new(),
        ..call.request("UPDATE")
    };
    expect(call.device.ask(&update)?, 481)?;
    call.reaches_hop(hop, &call.request("BYE")).map(drop)
}

/// A device that is called answers with other proxies than those that the INVITE came by: the caller hears its
/// own ones.
fn rewritten(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let elsewhere = Elsewhere::new()?;
    let evil = format!("<sip:{};lr>", elsewhere.place()?);
    let mut device = mary(site, Transport::Udp)?;
    let port = site.next_hop;
    let way = format!("<sip:127.0.0.1:{port};lr>");
    for (number, has_way) in [true, false].into_iter().enumerate() {
        let id = format!("rewritten-{number}-{}", device.local);
        let mut line = format!("Record-Route: {way}\r\n");
        if !has_way {
            line.clear();
        }
        hop.send(&format!(
            "INVITE sip:mary@a.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{id}\r\n{line}\
             Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=hop\r\n\
             To: <sip:mary@a.example>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n{}\
             Content-Length: 0\r\n\r\n",
            contact(site)
        ))?;
        let invite = next(&mut device, "INVITE")?;
        let mine = format!("Contact: <{}>\r\n", device.contact());
        let answer = answer_with(&invite, "200 OK", &mine);
        let line = format!("Record-Route: {evil}\r\n");
        let answer = match number {
            0 => answer.replace(&format!("Record-Route: {way}\r\n"), &line),
            _ => answer.replace("Content-Length", &format!("{line}Content-Length")),
        };
        device.send_raw(answer.as_bytes())?;
        let heard = hop.next("SIP/2.0 200")?;
        let routes = headers(&heard, "Record-Route").join(",");
        let is_whole =
            routes.contains(&format!(":{}", site.udp)) && routes.contains(&way) == has_way;
        if routes.contains(&evil) || !is_whole {
            return Err(format!("{number}: the caller would go elsewhere:\n{heard}"));
        }
    }
    elsewhere.silent()
}
