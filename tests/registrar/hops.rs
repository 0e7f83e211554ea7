//! Max-Forwards, and devices whose connection is gone.

use std::cell::Cell;
use std::time::Duration;

use harness::answer::Answer;
use harness::registrar::Site;
use harness::server::wait_for;

use super::device::{Device, Request, Transport, expect, refused};
use super::dialogs::Call;
use super::field::{log_length, no_error};
use super::group::{Group, Scenario};
use super::hop::{Hop, headers};
use super::several::calls::{answer_of, invite, reaches};

pub const SCENARIOS: &[Scenario] = &[
    ("Max-Forwards counts where a request is sent on", counted),
    ("a device whose connection is gone", gone),
];

/// How long it may take until OpenSIPS has noticed that a connection is gone.
const NOTICED: Duration = Duration::from_secs(60);

/// What is no number from 0 to 255.
const MALFORMED: [&str; 8] = ["-1", "x", "1.5", "", "70 70", "256", "4294967296", "0x46"];

/// Sends a request with this line in place of its Max-Forwards.
fn ask(device: &mut Device, request: &Request, line: &str) -> Result<Answer, String> {
    let text = device.render(request);
    let text = text.replace("Max-Forwards: 70\r\n", line);
    device.send_raw(text.as_bytes())?;
    device.receive()
}

fn of(value: &str) -> String {
    format!("Max-Forwards: {value}\r\n")
}

/// What arrives for what was sent.
const SENT_ON: [(&str, &str); 6] = [
    ("Max-Forwards: 1\r\n", "0"),
    ("Max-Forwards: 70\r\n", "69"),
    ("Max-Forwards:  070 \r\n", "69"),
    ("max-forwards: 100\r\n", "99"),
    ("Max-Forwards: 255\r\n", "254"),
    ("", "70"),
];

fn counted(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let since = log_length(group)?;
    let mut device = Device::new(site, "mary", "a.example")?;
    let options = Request {
        method: "OPTIONS",
        ..Request::default()
    };
    // What is answered here.
    for value in ["0", "00", "1"] {
        let request = Request::register();
        let offered = ask(&mut device, &request, &of(value))?;
        expect(offered, 401).map_err(|e| format!("{value}: {e}"))?;
        expect(ask(&mut device, &options, &of(value))?, 200)?;
    }
    expect(ask(&mut device, &Request::register(), "")?, 401)?;
    device.register()?;
    for value in MALFORMED {
        for request in [Request::register(), Request::invite(), options.clone()] {
            refused(
                ask(&mut device, &request, &of(value))?,
                400,
                "Max-Forwards is from 0 to 255",
            )
            .map_err(|e| format!("{value}: {e}"))?;
        }
    }
    // A device that is registered, and a stranger.
    let mut stranger = Device::new(site, "mary", "a.example")?;
    for device in [&mut device, &mut stranger] {
        device.new_call();
        expect(ask(device, &Request::invite(), &of("0"))?, 483)?;
    }
    for (line, arrives) in SENT_ON {
        device.new_call();
        let text = device.render(&Request::invite());
        device.send_raw(text.replace("Max-Forwards: 70\r\n", line).as_bytes())?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "Max-Forwards") != [arrives] {
            return Err(format!("{line:?}: not {arrives}:\n{invite}"));
        }
    }
    // To a device.
    let call = |line: &str, id: &str| {
        let text = invite(site, "mary@a.example", id);
        hop.send(&text.replace("Max-Forwards: 70\r\n", line))?;
        loop {
            let text = hop.next("SIP/2.0 ")?;
            if text.contains(id) && !text.starts_with("SIP/2.0 1") {
                return Ok::<_, String>(text);
            }
        }
    };
    let number = device.local.clone();
    for (value, status) in [("0", "483"), ("x", "400")] {
        let answer = call(&of(value), &format!("hops-{value}-{number}"))?;
        if !answer.starts_with(&format!("SIP/2.0 {status}")) {
            return Err(format!("{value}: {answer}"));
        }
    }
    // Within a call.
    let mut call = Call::of(device, site, &hop, &["200 OK"])?;
    for method in ["INFO", "INVITE", "BYE", "OPTIONS"] {
        let request = call.request(method);
        let answer = ask(&mut call.device, &request, &of("0"))?;
        expect(answer, 483).map_err(|e| format!("{method}: {e}"))?;
    }
    let request = call.request("INFO");
    call.reaches_hop(&hop, &request)?;
    no_error(group, since)?;
    hop.silent()
}

fn streams(site: &Site) -> Vec<Transport> {
    let others = [
        (Transport::Tls, site.tls),
        (Transport::Ws, site.ws),
        (Transport::Wss, site.wss),
    ];
    let there = others.into_iter().filter(|(_, port)| port.is_some());
    std::iter::once(Transport::Tcp)
        .chain(there.map(|(transport, _)| transport))
        .collect()
}

fn gone(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    for transport in streams(site) {
        let name = transport.name();
        let mut device = Device::over(transport, site, "mary", "a.example")?;
        device.register()?;
        let (own, call_id) = (device.local.clone(), device.call_id.clone());
        let call = Call::of(device, site, &hop, &["200 OK"]);
        let mut call = call.map_err(|e| format!("{name}, before: {e}"))?;
        let ends = [
            call.hop_request(site, "INFO"),
            call.hop_request(site, "BYE"),
        ];
        drop(call);
        // Until that is noticed, nobody answers.
        let number = Cell::new(0);
        let called = || {
            number.set(number.get() + 1);
            let id = format!("gone-{name}-{own}-{}", number.get());
            match answer_of(&hop, site, "mary@a.example", &id) {
                Ok(408) => None,
                other => Some(other),
            }
        };
        match wait_for(NOTICED, called).ok_or("it never ends")?? {
            480 => {}
            status => return Err(format!("{name}: a call gets {status}")),
        }
        // What belongs to its call goes nowhere, either.
        for request in ends {
            hop.send(&request)?;
            let method = request.split(' ').next().unwrap_or_default();
            let answer = loop {
                let answer = hop
                    .next("SIP/2.0 ")
                    .map_err(|e| format!("{name}, {method}: {e}"))?;
                let of = headers(&answer, "CSeq").concat();
                if of.ends_with(method)
                    && headers(&answer, "Call-ID") == headers(&request, "Call-ID")
                {
                    break answer;
                }
            };
            if !answer.starts_with("SIP/2.0 480") {
                return Err(format!("{name}: {answer}"));
            }
        }
        // It is back, with the Call-ID that it had.
        let mut device = Device::over(transport, site, "mary", "a.example")?;
        device.call_id = call_id;
        device.register()?;
        reaches(&hop, site, &mut device, &format!("back-{name}-{own}"))
            .map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}
