//! Registrations over each transport for which OpenSIPS has a module.

use serde_json::json;

use super::device::{Device, Request, Transport, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("UDP", |group| over(group, Transport::Udp)),
    ("TCP", |group| over(group, Transport::Tcp)),
    ("TLS", |group| over(group, Transport::Tls)),
    ("WS", |group| over(group, Transport::Ws)),
    ("WSS", |group| over(group, Transport::Wss)),
];

fn over(group: &Group, transport: Transport) -> Result<(), String> {
    let site = group.site()?;
    let port = transport
        .port(site)
        .ok_or("this OpenSIPS has no module for it")?;
    let mut device = Device::over(transport, site, "mary", "a.example")?;
    expect(
        device.ask(&Request {
            method: "OPTIONS",
            ..Request::default()
        })?,
        200,
    )?;
    device.register()?;
    let (members, _, _) = site.redis.user("mary@a.example")?.ok_or("not in Redis")?;
    for (name, value) in [
        ("protocol", json!(transport.name())),
        ("sbcAddress", json!(format!("127.0.0.1:{port}"))),
        ("proxy", json!(format!("sip:{}", device.local))),
        ("contact", json!(device.contact())),
    ] {
        if members[name] != value {
            return Err(format!("{name} is not {value}: {members}"));
        }
    }
    // Again over the same connection: without a challenge.
    expect(device.ask(&Request::register())?, 200)?;
    // The same address over another transport is a different one.
    let other = match transport {
        Transport::Udp => Transport::Tcp,
        _ => Transport::Udp,
    };
    expect(
        Device::over(other, site, "mary", "a.example")?.ask(&Request::register())?,
        401,
    )?;
    let request = Request::register().contact(format!("<{}>;expires=0", device.contact()));
    expect(device.authorize(&request, "secret")?, 200)?;
    match site.redis.is_empty_of("mary@a.example")? {
        true => Ok(()),
        false => Err("it is still in Redis".to_string()),
    }
}
