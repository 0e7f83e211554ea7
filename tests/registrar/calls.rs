//! Calls from devices, and calls to them.

use super::device::{Device, Request, Transport, expect, refused};
use super::group::{Group, Scenario};
use super::hop::{Hop, answer_to, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("who may call", who),
    ("hooks are ours to set", hooks),
    ("calls to a device", to_device),
];

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[("a source address of UDP proves nobody", sources)];

/// As shipped, the registrar identifies a calling device by its connection, and over UDP by its
/// credentials.
fn sources(group: &Group) -> Result<(), String> {
    // The group's registrar trusts UDP source addresses.
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![("TRUST_UDP_SOURCE", "no".to_string())];
    let _instance = site.start(&group.core)?;
    let hop = Hop::new(&site)?;
    let mut device = Device::new(&site, "mary", "a.example")?;
    device.register()?;
    device.new_call();
    expect(device.ask(&Request::invite())?, 407)?;
    hop.silent()?;
    let called = std::thread::scope(|scope| {
        let hop = scope.spawn(|| hop.answer("INVITE", "486 Busy Here"));
        expect(device.authorize(&Request::invite(), "secret")?, 486)?;
        hop.join().map_err(|_| "a panic".to_string())?
    })?;
    with_hooks(&called, "mary@a.example")?;
    let mut device = Device::over(Transport::Tcp, &site, "mary", "a.example")?;
    device.register()?;
    device.new_call();
    device.send(&Request::invite())?;
    with_hooks(&hop.answer("INVITE", "486 Busy Here")?, "mary@a.example")?;
    expect(device.receive()?, 486).map(drop)
}

/// Fails unless exactly the grant's hooks were passed on.
fn with_hooks(invite: &str, aor: &str) -> Result<(), String> {
    for (name, value) in [
        ("X-Registered-User", aor),
        ("X-Call-Hook", "https://a.example/call"),
        ("X-Call-Status-Hook", "https://a.example/status"),
    ] {
        if headers(invite, name) != [value] {
            return Err(format!("{name} is not {value} alone:\n{invite}"));
        }
    }
    match invite.contains("evil") {
        true => Err(format!("what the device said is still there:\n{invite}")),
        false => Ok(()),
    }
}

fn who(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    // From where it registered: without a password.
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    device.new_call();
    device.send(&Request::invite())?;
    with_hooks(&hop.answer("INVITE", "486 Busy Here")?, "mary@a.example")?;
    expect(device.receive()?, 486)?;
    // From elsewhere: with one.
    let mut other = Device::new(site, "mary", "a.example")?;
    expect(other.ask(&Request::invite())?, 407)?;
    let invite = Request::invite();
    refused(other.authorize(&invite, "wrong")?, 403, "wrong password")?;
    let called = std::thread::scope(|scope| {
        let hop = scope.spawn(|| hop.answer("INVITE", "486 Busy Here"));
        let answer = other.authorize(&invite, "secret")?;
        expect(answer, 486)?;
        hop.join().map_err(|_| "a panic".to_string())?
    })?;
    with_hooks(&called, "mary@a.example")?;
    if called.contains("response=") {
        return Err(format!("credentials are sent on:\n{called}"));
    }
    // Without a hook in the grant there are no calls, wherever they come from.
    let mut silent = Device::new(site, "jim", "silent.example")?;
    silent.register()?;
    refused(
        silent.ask(&Request::invite())?,
        403,
        "Calls are not allowed",
    )?;
    let mut elsewhere = Device::new(site, "jim", "silent.example")?;
    let answer = elsewhere.authorize(&Request::invite(), "secret")?;
    refused(answer, 403, "Calls are not allowed")?;
    // A hook that is not a URL does not count.
    let mut odd = Device::new(site, "odd", "a.example")?;
    odd.register()?;
    refused(odd.ask(&Request::invite())?, 403, "Calls are not allowed")?;
    // An inactive account, and an invalid realm.
    let mut device = Device::new(site, "john", "off.example")?;
    refused(
        device.ask(&Request::invite())?,
        403,
        "Account has been deactivated",
    )?;
    let mut device = Device::new(site, "john", "10.1.2.3")?;
    refused(
        device.ask(&Request::invite())?,
        403,
        "Realm is an IP address",
    )
}

fn hooks(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    for line in [
        "X-Call-Hook: https://evil.example",
        "x-call-hook: https://evil.example",
        "X-Call-Hook : https://evil.example",
        "X-CALL-STATUS-HOOK  : https://evil.example",
        "X-Registered-User: evil",
        "X-Call-Hook:\r\n https://evil.example",
        "X-CALL-HOOK:https://evil.example\r\nX-Call-Hook: https://evil.example",
        "x-Registered-User  : evil@a.example",
        "P-Asserted-Identity: <sip:evil@a.example>",
        "P-Preferred-Identity: <sip:evil@a.example>",
        "Remote-Party-ID: <sip:evil@a.example>",
        "X-JWT: evil",
        "X-Account-Sid: evil",
        "X-Jambonz-Routing: evil",
        "x-jambonz-fs-uuid : evil",
        "X-Forwarded-For: evil",
        "X-Authenticated-User: evil@a.example",
        "X-Voip-Carrier-Sid:evil",
        "X-Requested-Carrier-Sid: evil",
        "X-Service-Provider-Sid: evil",
        "X-Application-Sid: evil",
        "X-Originating-Carrier: evil",
        "X-MS-Teams-Tenant-FQDN: evil",
        "X-Cisco-Recording-Participant: evil",
        "X-Five9-StreamingPairId: evil",
        "X-Reason: evil",
        "X-Jambonz-1: evil",
    ] {
        device.new_call();
        device.send(&Request::invite().with(line).with("X-Of-The-Device: stays"))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        with_hooks(&invite, "mary@a.example").map_err(|e| format!("{line}: {e}"))?;
        if invite.contains("evil") || !invite.contains("X-Of-The-Device: stays") {
            return Err(format!("{line}: {invite}"));
        }
        expect(device.receive()?, 486)?;
    }
    Ok(())
}

fn to_device(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let invite = |user: &str, number: u32| {
        format!(
            "INVITE sip:{user}@a.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKto{user}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\n\
             To: <sip:{user}@a.example>\r\nCall-ID: to-{user}-{number}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:100@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n",
            port = site.next_hop
        )
    };
    let mut transports = vec![Transport::Udp, Transport::Tcp];
    transports.extend(site.ws.map(|_| Transport::Ws));
    for (number, transport) in (0..).zip(transports) {
        let mut device = Device::over(transport, site, "mary", "a.example")?;
        device.register()?;
        hop.send(&invite("mary", number))?;
        let text = loop {
            let text = device.receive_text()?;
            if text.starts_with("INVITE") {
                break text;
            }
        };
        device.send_raw(answer_to(&text, "486 Busy Here").as_bytes())?;
        loop {
            let text = hop.receive()?;
            if text.starts_with("SIP/2.0 486") {
                break;
            }
        }
        device.receive_text()?;
    }
    hop.send(&invite("nobody", 1))?;
    loop {
        let text = hop.receive()?;
        if text.starts_with("SIP/2.0 404") {
            return Ok(());
        }
    }
}
