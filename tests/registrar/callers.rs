//! Callers whose From names nobody, or has the device's own address: their credentials name them.

use harness::digest::Response;
use harness::registrar::{Site, token, token_of};

use super::device::{Device, Request, Transport, expect, refused};
use super::field::{challenge, log_length, no_error};
use super::group::{Group, Scenario};
use super::hop::{Hop, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("callers with an address of their own", own_address),
    ("callers with an address of their own, by token", by_token),
    ("callers who name others", others),
];

/// What a device may have in From, and whether that is a caller without a name.
fn froms(device: &Device) -> Vec<(String, bool)> {
    let host = device.local.split(':').next().unwrap_or_default();
    let mut froms = vec![
        ("<sip:john@192.0.2.7>".to_string(), false),
        ("<sip:100@192.0.2.7:5062>".to_string(), false),
        ("<sip:192.0.2.7>".to_string(), false),
        (format!("\"CEO\" <sip:mary@{host}>"), false),
        (format!("<sip:john@{}>", device.local), false),
        ("<sip:john@[2001:db8::7]:5062>".to_string(), false),
        (
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_string(),
            true,
        ),
        ("<sip:anonymous.invalid>".to_string(), true),
        ("<sip:mary@unknown.invalid>".to_string(), false),
        ("<sip:Anonymous@elsewhere.example>".to_string(), true),
        // Of no realm of ours.
        ("<tel:+15550100>".to_string(), false),
        ("\"1\" <tel:100;phone-context=a.example>".to_string(), false),
        ("<sip:a.example>".to_string(), false),
        ("<sip:limited.example:5062>".to_string(), false),
        ("<sip:pbx.elsewhere.example>".to_string(), false),
        ("<sip:mary@elsewhere.example>".to_string(), false),
        ("<sip:asterisk@localhost:5062;x=y>".to_string(), false),
        ("<sip:john@elsewhere.example>".to_string(), false),
    ];
    froms.push((format!("<{}>", device.contact()), false));
    froms
}

/// An INVITE with this From, and what others may not say.
fn invite(from: &str, realm: &str) -> Request {
    let evil = "<sip:mary@a.example>";
    Request {
        uri: format!("sip:100@{realm}"),
        from: format!("{from};tag=1"),
        ..Request::invite()
    }
    .with(format!("P-Asserted-Identity: {evil}"))
    .with(format!("Remote-Party-ID: {evil}"))
    .with("X-Registered-User: mary@a.example")
}

/// The answer to a challenge with the username as it is given.
fn respond(device: &mut Device, request: &Request, user: &str) -> Result<Request, String> {
    let offered = challenge(&expect(device.ask(request)?, 407)?)?;
    let realm = request.uri.rsplit('@').next().unwrap_or_default();
    if offered.realm != realm {
        return Err(format!("challenged for {}", offered.realm));
    }
    let response = Response::to(&offered, user, "secret", &request.uri);
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    Ok(request.clone().with(line))
}

/// Who calls, as the next hop gets to know.
fn calls(
    hop: &Hop,
    device: &mut Device,
    request: &Request,
    aor: &str,
    is_asserted: bool,
) -> Result<(), String> {
    device.send(request)?;
    let invite = hop.answer("INVITE", "486 Busy Here")?;
    expect(device.receive()?, 486)?;
    let asserted = match is_asserted {
        true => vec![format!("<sip:{aor}>")],
        false => vec![],
    };
    let is_right = headers(&invite, "X-Registered-User") == [aor]
        && headers(&invite, "P-Asserted-Identity") == asserted
        && headers(&invite, "Remote-Party-ID").is_empty()
        && headers(&invite, "Proxy-Authorization").is_empty();
    match is_right {
        true => Ok(()),
        false => Err(format!("it is not {aor} who calls:\n{invite}")),
    }
}

fn transports(site: &Site) -> Vec<Transport> {
    let mut transports = vec![Transport::Udp, Transport::Tcp];
    transports.extend(site.ws.map(|_| Transport::Ws));
    transports
}

fn own_address(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let since = log_length(group)?;
    for transport in transports(site) {
        let mut device = Device::over(transport, site, "john", "a.example")?;
        // Where somebody is registered says nothing of who calls without a name, or with another.
        device.register()?;
        for (from, is_nameless) in froms(&device) {
            device.new_call();
            let request = invite(&from, "a.example");
            if from.contains("sip:john@") && !from.contains(".invalid") {
                calls(&hop, &mut device, &request, "john@a.example", true)
                    .map_err(|e| format!("{transport:?}, {from}: {e}"))?;
                continue;
            }
            let with = respond(&mut device, &request, "john")?;
            calls(&hop, &mut device, &with, "john@a.example", !is_nameless)
                .map_err(|e| format!("{transport:?}, {from}: {e}"))?;
        }
    }
    // The name as the credentials have it, or as the endpoint does.
    let request = invite("<sip:mary@192.0.2.7>", "a.example");
    for (login, aor) in [
        ("o'brien", "o'brien@a.example"),
        ("58614006", "18005550100*102@a.example"),
    ] {
        let mut device = Device::new(site, "john", "a.example")?;
        let with = respond(&mut device, &request, login)?;
        calls(&hop, &mut device, &with, aor, true).map_err(|e| format!("{login}: {e}"))?;
    }
    // Where two threads read one connection, they find half of a message each.
    if !group.core.loses_messages() {
        no_error(group, since)?;
    }
    hop.silent()
}

fn by_token(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let since = log_length(group)?;
    let token = token(r#""call_hook":"https://token.example/call","#);
    let line = format!("Proxy-Authorization: Bearer {token}");
    for (from, is_nameless) in froms(&Device::new(site, "jane", "token.example")?) {
        let mut device = Device::new(site, "jane", "token.example")?;
        let request = invite(&from, "token.example").with(line.clone());
        calls(
            &hop,
            &mut device,
            &request,
            "jane@token.example",
            !is_nameless,
        )
        .map_err(|e| format!("{from}: {e}"))?;
        let asked = invite(&from, "token.example");
        let answer = expect(device.ask(&asked)?, 407)?;
        let offered = answer.header("Proxy-Authenticate").unwrap_or_default();
        if !offered.starts_with("Bearer realm=\"token.example\"") {
            return Err(format!("{from}: {answer:?}"));
        }
        // A user that reads like another's address is nobody.
        let end = (harness::tokens::now() + 600).to_string();
        let double = token_of(
            "double",
            r#""call_hook":"https://token.example/call","#,
            &end,
        );
        let asked = invite(&from, "token.example");
        let of_double = format!("Proxy-Authorization: Bearer {double}");
        expect(device.ask(&asked.with(of_double))?, 403)
            .map_err(|e| format!("{from}, double: {e}"))?;
        // It is good in its own realm alone.
        let elsewhere = invite(&from, "a.example").with(line.clone());
        expect(device.ask(&elsewhere)?, 403).map_err(|e| format!("{from}: {e}"))?;
    }
    no_error(group, since)?;
    hop.silent()
}

fn others(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let since = log_length(group)?;
    let from = "<sip:mary@192.0.2.7>";
    let mut device = Device::new(site, "john", "a.example")?;
    // Somebody else's password, and none that is right.
    let mut request = invite(from, "a.example");
    let offered = challenge(&expect(device.ask(&request)?, 407)?)?;
    let response = Response::to(&offered, "mary", "wrong", "sip:100@a.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    expect(device.ask(&request.clone().with(line))?, 403)?;
    // A name that is none, or looks like one of elsewhere.
    let with = respond(&mut device, &request, "eve@evil.example")?;
    refused(device.ask(&with)?, 403, "Invalid address of record")?;
    // A nonce of another realm, in whose name its own endpoint would admit.
    let foreign = invite(from, "limited.example");
    let offered = challenge(&expect(device.ask(&foreign)?, 407)?)?;
    let response = Response::to(&offered, "one", "secret", "sip:100@a.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    expect(device.ask(&request.clone().with(line))?, 407)?;
    // A nonce that was made for a caller with a name of that realm is not for one without.
    let named = Request {
        uri: "sip:100@a.example".to_string(),
        from: "<sip:one@limited.example>;tag=1".to_string(),
        ..Request::invite()
    };
    let offered = challenge(&expect(device.ask(&named)?, 407)?)?;
    let response = Response::to(&offered, "one", "secret", "sip:100@a.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    expect(device.ask(&request.clone().with(line))?, 407)?;
    // Where nobody is known, and where there is no realm at all.
    request.uri = "sip:100@unknown.example".to_string();
    refused(device.ask(&request)?, 403, "Unknown realm")?;
    request.uri = "sip:100@off.example".to_string();
    refused(device.ask(&request)?, 403, "Account has been deactivated")?;
    for uri in ["sip:100@192.0.2.8", "sip:100@[2001:db8::8]"] {
        request.uri = uri.to_string();
        refused(device.ask(&request)?, 403, "Realm is an IP address")?;
    }
    // Nor where the caller is of elsewhere.
    for from in [
        "<tel:+15550100>",
        "<sip:a.example>",
        "<sip:john@elsewhere.example>",
    ] {
        for (uri, reason) in [
            ("sip:100@unknown.example", "Unknown realm"),
            ("sip:100@off.example", "Account has been deactivated"),
            ("sip:100@192.0.2.8", "Realm is an IP address"),
        ] {
            let mut request = invite(from, "a.example");
            request.uri = uri.to_string();
            refused(device.ask(&request)?, 403, reason).map_err(|e| format!("{from}: {e}"))?;
        }
        // He is nobody of elsewhere, either.
        let request = invite(from, "a.example");
        let with = respond(&mut device, &request, "eve@evil.example")?;
        refused(device.ask(&with)?, 403, "Invalid address of record")
            .map_err(|e| format!("{from}: {e}"))?;
    }
    // Who names a realm of ours is of that realm, and has to be the one that he names.
    let named = invite("<sip:mary@a.example>", "limited.example");
    let offered = challenge(&expect(device.ask(&named)?, 407)?)?;
    let response = Response::to(&offered, "john", "secret", "sip:100@limited.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    refused(
        device.ask(&named.with(line))?,
        403,
        "Not your address of record",
    )?;
    // To others that is a.example as well.
    let rooted = invite("<sip:mary@A.example.>", "limited.example");
    refused(device.ask(&rooted)?, 403, "Unknown realm")?;
    // What OpenSIPS can't read is nobody, though others may read a name there.
    for from in [
        "<sip:mary@a.example:99999>",
        "<sip:mary@a.example@x>",
        "<sipx:mary@a.example>",
        "<im:mary@a.example>",
        "<mary>",
        "<mailto:mary@a.example>",
    ] {
        refused(device.ask(&invite(from, "a.example"))?, 400, "Invalid From")
            .map_err(|e| format!("{from}: {e}"))?;
    }
    no_error(group, since)?;
    hop.silent()
}
