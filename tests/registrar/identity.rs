//! Nobody can pose as somebody else: what was proven, and as whom a device registers and calls.

use harness::answer::Answer;
use harness::digest::Response;
use harness::registrar::token_of;
use serde_json::Value;

use super::device::{Device, Request, expect, refused};
use super::field::{log_length, no_error};
use super::group::{Group, Scenario};
use super::hop::{Hop, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("credentials that name two", two_readings),
    ("a name in another case", case),
    ("a name that is escaped", escaped),
    ("a token is not for every realm", bare),
    ("calls in another's name", calls),
    ("a method that is none", methods),
];

const THEIRS: &str = "Not your address of record";

/// This user's credentials for a REGISTER from the device.
fn credentials(device: &mut Device, user: &str, request: &Request) -> Result<Response, String> {
    let challenge = device.challenge(request)?;
    Ok(Response::to(&challenge, user, "secret", "sip:a.example"))
}

fn register(device: &mut Device, user: &str) -> Result<Answer, String> {
    let request = Request::register();
    let response = credentials(device, user, &request)?;
    device.ask(&request.with(format!("Authorization: {}", response.header("REGISTER"))))
}

/// Fails if anything is registered under that name.
fn nobody(group: &Group, aor: &str) -> Result<(), String> {
    let site = group.site()?;
    let user = aor.split('@').next().unwrap_or_default();
    let contacts = contacts(group, user)?;
    match site.redis.is_empty_of(aor)? && contacts.is_empty() {
        true => Ok(()),
        false => Err(format!("{aor} is registered: {contacts:?}")),
    }
}

/// usrloc's contacts of a user with this name, case-sensitively.
fn contacts(group: &Group, user: &str) -> Result<Vec<String>, String> {
    let contacts = group.site()?.located(&format!("{user}@a.example"))?;
    let uri = |contact: &Value| contact["Contact"].as_str().map(str::to_string);
    Ok(contacts.iter().filter_map(uri).collect())
}

fn two_readings(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut john = Device::new(site, "john", "a.example")?;
    john.register()?;
    let before = site.redis.user("john@a.example")?;
    // eve has a password, and wants to be john.
    let mut device = Device::new(site, "john", "a.example")?;
    let request = Request::register();
    for (what, forge) in FORGERIES {
        let response = credentials(&mut device, "eve", &request)?;
        let right = response.header("REGISTER");
        let other = Response {
            username: "john".to_string(),
            password: "?".to_string(),
            ..response
        };
        let lines = forge(&right, &other.header("REGISTER"));
        let answer = device.ask(&request.clone().with(lines))?;
        if ![400, 403].contains(&answer.status) {
            return Err(format!("{what}: {answer:?}"));
        }
    }
    let mut device = Device::new(site, "eve", "a.example")?;
    refused(register(&mut device, "eve@evil.example")?, 403, THEIRS)?;
    refused(register(&mut device, "john")?, 403, THEIRS)?;
    nobody(group, "eve@a.example")?;
    // Of two headers, the one that answers our challenge counts.
    let response = credentials(&mut device, "eve", &request)?;
    let old = "Authorization: Digest username=\"eve\", realm=\"old.example\", nonce=\"2bc45681\", \
               uri=\"sip:a.example\", response=\"a479ff0410ecfb643d3e8a31801422c2\"";
    let both = format!("{old}\r\nAuthorization: {}", response.header("REGISTER"));
    expect(device.ask(&request.clone().with(both))?, 200)?;
    let after = site.redis.user("john@a.example")?;
    match (before, after) {
        (Some((before, ..)), Some((after, ..))) if before == after => {}
        other => return Err(format!("john's registration has changed: {other:?}")),
    }
    let off = Request::register().contact(format!("<{}>;expires=0", device.contact()));
    expect(device.authorize(&off, "secret")?, 200).map(drop)
}

/// Header lines made of the right credentials and of others.
type Forgery = (&'static str, fn(&str, &str) -> String);

const FORGERIES: &[Forgery] = &[
    ("a quote that is escaped", |right, _| {
        format!(r#"Authorization: {right}, opaque="\", username=john, z=\"""#)
    }),
    ("a name behind the name", |right, _| {
        format!(r#"Authorization: {right}, username="john""#)
    }),
    ("a name before the name", |right, _| {
        let right = right.replacen("Digest ", "Digest username=\"john\", ", 1);
        format!("Authorization: {right}")
    }),
    ("a name without quotes", |right, _| {
        format!("Authorization: {right}, username=john")
    }),
    ("a name of RFC 8187", |right, _| {
        format!("Authorization: {right}, username*=UTF-8''john")
    }),
    ("two users", |right, other| {
        format!("Authorization: {other}\r\nAuthorization: {right}")
    }),
    ("two users, turned round", |right, other| {
        format!("Authorization: {right}\r\nAuthorization: {other}")
    }),
    ("a line without a colon", |right, other| {
        format!("Authorization: {other}\r\nJunk\r\nAuthorization: {right}")
    }),
    ("a form feed", |right, other| {
        format!("Authorization: {other}\r\n\x0cAuthorization: {right}")
    }),
    ("a bare CR", |right, other| {
        format!("Authorization: {other}\r\n\rAuthorization: {right}")
    }),
    ("eve alone", |right, _| format!("Authorization: {right}")),
];

fn case(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut mary = Device::new(site, "mary", "a.example")?;
    mary.register()?;
    for user in ["Mary", "MARY", "marY"] {
        let mut device = Device::new(site, user, "a.example")?;
        refused(register(&mut device, "mary")?, 403, THEIRS)?;
        nobody(group, &format!("{user}@a.example"))?;
    }
    let hook = format!("X-JWT: {}", token_of("jane", "", &in_ten_minutes()));
    let mut jane = Device::new(site, "JANE", "token.example")?;
    refused(
        jane.ask(&Request::register().with(hook.clone()))?,
        403,
        THEIRS,
    )?;
    nobody(group, "JANE@token.example")?;
    // The domain is the same in any letter case.
    let mut jane = Device::new(site, "jane", "Token.Example")?;
    expect(jane.ask(&Request::register().with(hook))?, 200)?;
    if site.redis.user("jane@token.example")?.is_none() {
        return Err("jane is not registered".to_string());
    }
    // A contact that differs in case is a different one.
    let upper = mary.contact().replace("sip:mary", "sip:MARY");
    let request = Request::register().contact(format!("<{upper}>;expires=600"));
    expect(mary.ask(&request)?, 401)?;
    expect(mary.authorize(&request, "secret")?, 200)?;
    let known = site.redis.user("mary@a.example")?;
    match known.is_some_and(|(members, ..)| members["contact"] == upper.as_str()) {
        true if contacts(group, "mary")? == [upper] => Ok(()),
        _ => Err("the contact is still the old one".to_string()),
    }
}

fn in_ten_minutes() -> String {
    (harness::tokens::now() + 600).to_string()
}

fn escaped(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    // The same address of record, written in three ways: one registration.
    let mut device = Device::new(site, "mary", "a.example")?;
    for user in ["%6dary", "m%61r%79", "mary"] {
        device = Device::new(site, user, "a.example")?;
        expect(register(&mut device, "mary")?, 200).map_err(|e| format!("{user}: {e}"))?;
        let (members, ..) = site.redis.user("mary@a.example")?.ok_or("not in Redis")?;
        if members["contact"] != device.contact() {
            return Err(format!("{user}: {members}"));
        }
        if contacts(group, "mary")? != [device.contact()] {
            return Err(format!("{user}: {:?}", contacts(group, "mary")));
        }
        nobody(group, "%6dary@a.example")?;
    }
    // That is how it is called, and how it calls.
    hop.send(&format!(
        "INVITE sip:m%61ry@a.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKesc{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\n\
         To: <sip:m%61ry@a.example>\r\nCall-ID: escaped-{port}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:100@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n",
        port = site.next_hop
    ))?;
    let invite = loop {
        let text = device.receive_text()?;
        if text.starts_with("INVITE") {
            break text;
        }
    };
    device.send_raw(super::hop::answer_to(&invite, "486 Busy Here").as_bytes())?;
    hop.next("SIP/2.0 486")?;
    let from = Request {
        from: "<sip:m%61ry@a.example>;tag=esc".to_string(),
        ..Request::invite()
    };
    device.new_call();
    device.send(&from)?;
    let invite = hop.answer("INVITE", "486 Busy Here")?;
    if headers(&invite, "X-Registered-User") != ["mary@a.example"] {
        return Err(format!("it is not mary who calls:\n{invite}"));
    }
    expect(device.receive()?, 486)?;
    // Invalid characters are invalid, escaped or not, and no error of ours.
    let begin = log_length(group)?;
    for user in [
        "%256dary",
        "%2525",
        "m%00ary",
        "mary%00",
        "m%0d%0aary",
        "m%20ary",
        "m%22ary",
        "m%5cary",
        "m%C3%A4ry",
        "m%40ry",
        "m%3ary",
        "%6",
        "m%ary",
        "m%zzry",
        "%",
    ] {
        let mut device = Device::new(site, user, "a.example")?;
        let answer = device.ask(&Request::register())?;
        // If the core cannot parse To at all, there is no address of record.
        refused(answer, 403, "Invalid address of record").map_err(|e| format!("{user}: {e}"))?;
        let answer = device.ask(&Request::invite())?;
        refused(answer, 403, "Invalid address of record").map_err(|e| format!("{user}: {e}"))?;
    }
    no_error(group, begin)
}

/// A profile that names a user without a realm belongs to nobody, whatever the token says about a
/// realm.
fn bare(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let end = in_ten_minutes();
    let good = token_of("jane", "", &end);
    let mut device = Device::new(site, "jane", "token.example")?;
    let off = Request::register().contact("*").with("Expires: 0");
    let off = off.with(format!("Authorization: Bearer {good}"));
    expect(device.ask(&off)?, 200)?;
    for claims in [
        "",
        r#""realm":"token.example","#,
        r#""realm":"token.example","username":"jane@token.example","aor":"jane@token.example","#,
        r#""aud":"token.example","sub":"jane@token.example","#,
    ] {
        let line = format!("Authorization: Bearer {}", token_of("bare", claims, &end));
        refused(device.ask(&Request::register().with(line))?, 403, THEIRS)
            .map_err(|e| format!("{claims}: {e}"))?;
        let line = format!("X-JWT: {}", token_of("bare", claims, &end));
        refused(device.ask(&Request::invite().with(line))?, 403, THEIRS)
            .map_err(|e| format!("{claims}: {e}"))?;
    }
    nobody(group, "jane@token.example")?;
    // Two tokens are as good as none, in whatever headers.
    for lines in [
        format!("Authorization: Bearer {good}\r\nX-JWT: {good}"),
        format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}"),
        format!("X-JWT: {good}\r\nX-JWT: {good}"),
        format!("Proxy-Authorization: Bearer {good}\r\nX-JWT: {good}"),
    ] {
        expect(device.ask(&Request::register().with(lines))?, 400)?;
    }
    // A header with another scheme is not a token, and does not hide the token that is there.
    let lines = format!("Authorization: Digest username=\"x\"\r\nAuthorization: Bearer {good}");
    expect(device.ask(&Request::register().with(lines))?, 200)?;
    expect(device.ask(&off)?, 200)?;
    nobody(group, "jane@token.example")
}

fn calls(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    let mut john = Device::new(site, "john", "a.example")?;
    john.register()?;
    // Only mary is at its address: not john, although registered, and not MARY.
    for from in [
        "<sip:john@a.example>;tag=1",
        "<sip:MARY@a.example>;tag=1",
        "<sip:mary@silent.example>;tag=1",
        "<sip:nobody@a.example>;tag=1",
        "\"mary\" <sip:john@a.example>;tag=1",
    ] {
        let request = Request {
            from: from.to_string(),
            ..Request::invite()
        };
        device.new_call();
        expect(device.ask(&request)?, 407).map_err(|e| format!("{from}: {e}"))?;
        // Nor with a password of her own.
        let response = credentials(&mut device, "mary", &request)?;
        let response = Response {
            realm: response.realm.clone(),
            uri: "sip:100@a.example".to_string(),
            ..response
        };
        let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
        let answer = device.ask(&request.clone().with(line))?;
        if answer.status != 403 {
            return Err(format!("{from}: {answer:?}"));
        }
    }
    // Duplicates of a header that says who calls whom are refused.
    for line in [
        "From: <sip:john@a.example>;tag=2",
        "f: <sip:john@a.example>;tag=2",
        "To: <sip:john@a.example>",
        "i: another",
        "CSeq: 2 INVITE",
    ] {
        device.new_call();
        expect(device.ask(&Request::invite().with(line))?, 400)
            .map_err(|e| format!("{line}: {e}"))?;
    }
    // From the same address but another port: it could be anybody.
    let mut neighbour = Device::new(site, "mary", "a.example")?;
    expect(neighbour.ask(&Request::invite())?, 407)?;
    hop.silent()
}

/// `register` is not REGISTER: it would be undefined whose address of record counts.
fn methods(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let good = token_of("jane", "", &in_ten_minutes());
    let mut device = Device::new(site, "jane", "token.example")?;
    for method in [
        "register", "Register", "REGISTEr", "invite", "InVITE", "bye",
    ] {
        for line in [
            format!("Authorization: Bearer {good}"),
            format!("X-JWT: {good}"),
        ] {
            let request = Request {
                method,
                uri: "sip:token.example".to_string(),
                to: "<sip:joan@token.example>".to_string(),
                ..Request::default()
            };
            expect(device.ask(&request.with(line))?, 400).map_err(|e| format!("{method}: {e}"))?;
        }
        let request = Request {
            method,
            uri: "sip:a.example".to_string(),
            to: "<sip:mary@a.example>".to_string(),
            from: "<sip:eve@a.example>;tag=1".to_string(),
            ..Request::default()
        };
        expect(device.ask(&request)?, 400).map_err(|e| format!("{method}: {e}"))?;
    }
    nobody(group, "joan@token.example")?;
    hop.silent()
}
