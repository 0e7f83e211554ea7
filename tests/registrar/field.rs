//! What devices, webhooks and jambonz send in the field.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use harness::answer::Answer;
use harness::digest::{Challenge, Response};
use harness::registrar::{Site, token};
use harness::server::uninterrupted;
use harness::udp::ClientSocket;
use serde_json::{Value, json};

use super::device::{Device, Request, Transport, expect, refused};
use super::dialogs::wires;
use super::group::{Group, Scenario};
use super::hop::{Hop, answer_to, answer_with, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("first requests without an answer", first),
    ("contacts that nobody can read", unreadable_contacts),
    ("what is odd and lawful", odd),
    ("what is wrong is told", wrong),
    ("a device redirects its calls", redirected),
    ("algorithms that were not offered", algorithms),
    ("several sets of credentials", several),
    ("tokens as JsSIP sends them", jssip),
    ("old devices and empty parameters", old_forms),
    ("numbers and methods in CSeq", sequences),
    ("callers without a name", anonymous),
    ("callers without a name, by token", anonymous_by_token),
    ("a login that is not the number", login),
    ("an old contact and a new one", replaced),
    ("a contact that is there twice", repeated),
    ("methods of a contact", methods),
    ("extensions that are required", required),
    ("a device that has restarted", restarted),
    ("seconds of 32 bits", long),
    ("answers as endpoints write them", answers),
    ("endpoints that deny by status", statuses),
    ("hooks that are objects", hooks),
    ("a realm below that of an account", below),
    (
        "realms below that of an account have one limit",
        counted_above,
    ),
    ("JSON that is not read", unread),
    ("a query shows one's own contact", query),
    ("realms and users that no table has", strange),
];

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[("sources that are trusted", trusted)];

pub fn challenge(answer: &Answer) -> Result<Challenge, String> {
    answer
        .header("WWW-Authenticate")
        .or(answer.header("Proxy-Authenticate"))
        .and_then(Challenge::parse)
        .ok_or_else(|| format!("no challenge: {answer:?}"))
}

/// The errors that the registrar has logged.
fn errors(group: &Group, since: u64) -> Result<Vec<String>, String> {
    let log = group.with(|instance| instance.log_since(since))?;
    // Whoever waits for it to start connects and says nothing, which is an error to OpenSIPS.
    let is_ours = |line: &&str| {
        let of_transport = ["tls", "proto_", "tcp"]
            .iter()
            .any(|word| line.contains(word));
        (line.contains("ERROR:") || line.contains("CRITICAL:")) && !of_transport
    };
    Ok(log.lines().filter(is_ours).map(str::to_string).collect())
}

/// Nothing of this is the registrar's error.
pub fn no_error(group: &Group, since: u64) -> Result<(), String> {
    match errors(group, since)?.first() {
        Some(line) => Err(format!("in the log is {line}")),
        None => Ok(()),
    }
}

/// It is one error, and this says which.
fn one_error(group: &Group, since: u64, said: &[&str]) -> Result<(), String> {
    match errors(group, since)?.as_slice() {
        [line] if said.iter().all(|said| line.contains(said)) => Ok(()),
        lines => Err(format!("not one error with {said:?}: {lines:?}")),
    }
}

pub fn log_length(group: &Group) -> Result<u64, String> {
    group.with(|instance| instance.log_length())
}

/// Redis and usrloc say the same: this contact, or none.
fn agree(site: &Site, aor: &str, contact: Option<&str>) -> Result<Value, String> {
    let known = site.redis.user(aor)?.map(|(members, ..)| members);
    let of_redis = known.as_ref().and_then(|m| m["contact"].as_str());
    let of_usrloc = site.contact(aor)?;
    match of_redis == contact && of_usrloc == contact.unwrap_or_default() {
        true => Ok(known.unwrap_or_default()),
        false => Err(format!(
            "{contact:?} expected, Redis has {of_redis:?}, usrloc {of_usrloc:?}"
        )),
    }
}

/// What IMS clients, PJSIP and sipsorcery send first: a name, and nothing that could be checked.
const FIRST: &[&str] = &[
    r#"Digest username="NAME@REALM",realm="REALM",nonce="",uri="sip:REALM",response="""#,
    r#"Digest username="NAME", realm="REALM", nonce="", uri="sip:REALM", response="", algorithm=AKAv1-MD5"#,
    r#"Digest username="NAME", realm="REALM", uri="sip:REALM""#,
    r#"Digest username="NAME", realm="", nonce="", uri="sip:REALM", response="""#,
    r#"Digest username="NAME", realm="REALM", nonce="", uri="sip:REALM", response="00000000000000000000000000000000""#,
    r#"Digest username="NAME", realm="REALM", nonce="n", uri="sip:REALM", response="""#,
    r#"Digest username="NAME""#,
    r#"Digest username="NAME", realm="REALM", nonce="n", uri="sip:REALM", response="0000", algorithm=SHA-1"#,
    r#"Digest username="NAME", realm="REALM", nonce="n", uri="sip:REALM", response="00000000000000000000000000000000", Digest username="other", realm="REALM""#,
    r#"Digest username="NAME", realm="REALM", nonce="n", uri="sip:REALM", response="00000000000000000000000000000000", Bearer abc.def.ghi"#,
    "Basic am9objpzZWNyZXQ=",
    "abc.def",
    // Of devices that have nothing to say, or fill in a template.
    "",
    "Digest",
    "Bearer",
    r#"Digest realm="REALM",nonce="",uri="sip:REALM",response="""#,
    r#"Digest username="", realm="REALM", nonce="", uri="sip:REALM", response="""#,
    r#"Digest username="NAME@REALM", realm="REALM", nonce=, uri="sip:REALM", response="#,
];

fn first(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let since = log_length(group)?;
    for (user, realm, scheme) in [
        ("mary", "a.example", "Digest"),
        ("jane", "token.example", "Bearer"),
    ] {
        for value in FIRST {
            let value = value.replace("NAME", user).replace("REALM", realm);
            for (request, status) in [(Request::register(), 401), (Request::invite(), 407)] {
                for name in ["Authorization", "Proxy-Authorization"] {
                    let mut device = Device::new(site, user, realm)?;
                    let asked = request.clone().with(format!("{name}: {value}"));
                    let answer = expect(device.ask(&asked)?, status)
                        .map_err(|e| format!("{name}: {value}: {e}"))?;
                    let header = answer
                        .header("WWW-Authenticate")
                        .or(answer.header("Proxy-Authenticate"))
                        .unwrap_or_default();
                    if !header.starts_with(&format!("{scheme} realm=\"{realm}\"")) {
                        return Err(format!("{name}: {value}: {answer:?}"));
                    }
                    // What it is told leads on.
                    if scheme == "Digest" && status == 401 {
                        let response =
                            Response::to(&challenge(&answer)?, user, "secret", "sip:a.example");
                        let line = format!("Authorization: {}", response.header("REGISTER"));
                        expect(device.ask(&Request::register().with(line))?, 200)?;
                    }
                }
            }
        }
    }
    no_error(group, since)
}

/// RFC 2069, and parameters that are there but empty.
fn old_forms(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let since = log_length(group)?;
    for more in [
        "",
        ", qop=\"\"",
        ", algorithm=\"\"",
        ", opaque=\"\", qop=\"\"",
    ] {
        let mut device = Device::new(site, "john", "a.example")?;
        let offered = device.challenge(&Request::register())?;
        let mut response = Response::to(&offered, "john", "secret", "sip:a.example");
        response.qop = None;
        let header = response.header("REGISTER");
        let header = match more.contains("algorithm") {
            true => header.replace(", algorithm=MD5", ""),
            false => header,
        };
        let line = format!("Authorization: {header}{more}");
        expect(device.ask(&Request::register().with(line.clone()))?, 200)
            .map_err(|e| format!("{line}: {e}"))?;
        agree(site, "john@a.example", Some(&device.contact()))?;
    }
    no_error(group, since)
}

/// Who answers takes the method from CSeq, and usrloc the number (RFC 3261 section 8.1.1.5).
fn sequences(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "john", "a.example")?;
    device.register()?;
    let since = log_length(group)?;
    for request in [Request::register(), Request::invite()] {
        let method = request.method;
        let other = match method {
            "REGISTER" => "INVITE",
            _ => "REGISTER",
        };
        for sequence in [
            format!("7 {other}"),
            format!("7 {}", method.to_lowercase()),
            format!("x {method}"),
            format!("-1 {method}"),
            format!("4294967296 {method}"),
        ] {
            let mut from = Device::new(site, "john", "a.example")?;
            let text = from.render(&request);
            let own = format!("CSeq: {} {method}\r\n", from.cseq);
            let changed = text.replace(&own, &format!("CSeq: {sequence}\r\n"));
            from.send_raw(changed.as_bytes())?;
            let answer =
                expect(from.receive_any()?, 400).map_err(|e| format!("{sequence}: {e}"))?;
            let reason = answer.header("X-Reason").unwrap_or_default();
            if !reason.starts_with("CSeq must be") {
                return Err(format!("{sequence}: {answer:?}"));
            }
        }
    }
    agree(site, "john@a.example", Some(&device.contact()))?;
    hop.silent()?;
    no_error(group, since)
}

fn algorithms(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    for algorithm in ["SHA-256", "SHA-512-256", "MD5-sess"] {
        let mut device = Device::new(site, "mary", "a.example")?;
        let offered = device.challenge(&Request::register())?;
        let mut response = Response::to(&offered, "mary", "secret", "sip:a.example");
        response.algorithm = algorithm.to_string();
        let line = format!("Authorization: {}", response.header("REGISTER"));
        let answer = expect(device.ask(&Request::register().with(line))?, 401)?;
        let anew = challenge(&answer)?;
        // It is not to repeat itself, but to do otherwise.
        if anew.stale || anew.algorithm != "MD5" {
            return Err(format!("{algorithm}: {answer:?}"));
        }
        let response = Response::to(&anew, "mary", "secret", "sip:a.example");
        let line = format!("Authorization: {}", response.header("REGISTER"));
        expect(device.ask(&Request::register().with(line))?, 200)?;
    }
    Ok(())
}

/// Header lines made of the right response to a challenge.
type Lines<'a> = &'a dyn Fn(&Response) -> String;

fn several(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let register = |user: &str, lines: Lines<'_>| {
        let mut device = Device::new(site, user, "a.example")?;
        let offered = device.challenge(&Request::register())?;
        let response = Response::to(&offered, user, "secret", "sip:a.example;transport=udp");
        device.ask(&Request::register().with(lines(&response)))
    };
    let old = "Digest username=\"john\", realm=\"old.example\", nonce=\"2bc45681\", algorithm=MD5, \
               uri=\"sip:a.example;transport=udp\", response=\"a479ff0410ecfb643d3e8a31801422c2\"";
    let first = "Digest username=\"john\", realm=\"a.example\", nonce=\"\", uri=\"sip:a.example\", \
                 response=\"\"";
    let bearer = "Bearer eyJhbGciOiJub25lIn0.e30.nobody";
    let hashed = |response: &Response| {
        let mut other = response.clone();
        other.algorithm = "SHA-256".to_string();
        other.header("REGISTER")
    };
    let right = |response: &Response| response.header("REGISTER");
    let both = |one: &str, other: &str| format!("Authorization: {one}\r\nAuthorization: {other}");
    let others: [(&str, Lines<'_>); 4] = [
        ("another realm", &|_| old.to_string()),
        ("a first request", &|_| first.to_string()),
        ("another algorithm", &hashed),
        ("a token", &|_| bearer.to_string()),
    ];
    for (what, other) in others {
        let before = |r: &Response| both(&other(r), &right(r));
        let behind = |r: &Response| both(&right(r), &other(r));
        let aside = |r: &Response| {
            let other = other(r);
            format!(
                "Proxy-Authorization: {other}\r\nAuthorization: {}",
                right(r)
            )
        };
        for lines in [&before as Lines<'_>, &behind, &aside] {
            expect(register("john", lines)?, 200).map_err(|e| format!("{what}: {e}"))?;
        }
    }
    // Who names somebody else beside himself is nobody.
    let since = log_length(group)?;
    for other in [old, first] {
        let mary = other.replace("john", "mary");
        for name in ["Authorization", "Proxy-Authorization"] {
            let lines = |r: &Response| format!("{name}: {mary}\r\nAuthorization: {}", right(r));
            expect(register("john", &lines)?, 400).map_err(|e| format!("{mary}: {e}"))?;
        }
    }
    // Whom a list names can't be told: it is challenged, whatever is beside it.
    for other in [old, &old.replace("john", "mary"), bearer] {
        let listed = |r: &Response| format!("Authorization: {}, {other}", right(r));
        expect(register("john", &listed)?, 401).map_err(|e| format!("{other}: {e}"))?;
        let beside = |r: &Response| both(&format!("{old}, {other}"), &right(r));
        expect(register("john", &beside)?, 401).map_err(|e| format!("{other}: {e}"))?;
    }
    no_error(group, since)
}

fn jssip(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let hook = r#""call_hook":"https://token.example/call","#;
    let good = token(hook);
    for line in [
        format!("Authorization: {good}"),
        format!("Authorization:   {good}  "),
        format!("Proxy-Authorization: Bearer {good}"),
        format!("Proxy-Authorization: {good}"),
        format!("Authorization: bearer {good}"),
        format!(
            "Authorization: Digest username=\"jane\", realm=\"token.example\", nonce=\"\", \
             uri=\"sip:token.example\", response=\"\"\r\nAuthorization: {good}"
        ),
    ] {
        let mut device = Device::new(site, "jane", "token.example")?;
        expect(device.ask(&Request::register().with(line.clone()))?, 200)
            .map_err(|e| format!("{line}: {e}"))?;
        agree(site, "jane@token.example", Some(&device.contact()))?;
        // From elsewhere, where nobody is registered.
        let mut device = Device::new(site, "jane", "token.example")?;
        device.send(&Request::invite().with(line.clone()))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486).map_err(|e| format!("{line}: {e}"))?;
        if headers(&invite, "X-Registered-User") != ["jane@token.example"] || invite.contains(&good)
        {
            return Err(format!("{line}:\n{invite}"));
        }
    }
    let mut device = Device::new(site, "jane", "token.example")?;
    for line in [
        "Authorization: eyJhbGciOiJIUzI1NiJ9.e30.AAAA".to_string(),
        format!("Authorization: Bearer {good}, Bearer {good}"),
    ] {
        expect(device.ask(&Request::register().with(line.clone()))?, 401)
            .map_err(|e| format!("{line}: {e}"))?;
    }
    // To a webhook a bare token is one as well.
    let mut john = Device::new(site, "john", "a.example")?;
    let line = format!("Authorization: {good}");
    refused(
        john.ask(&Request::register().with(line))?,
        403,
        "unknown token",
    )?;
    hop.silent()
}

/// An INVITE of a caller who does not want to be named.
fn nameless(preferred: &str) -> Request {
    let request = Request {
        from: "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1".to_string(),
        ..Request::invite()
    };
    match preferred {
        "" => request,
        value => request.with(format!("P-Preferred-Identity: {value}")),
    }
}

fn anonymous(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    for preferred in [
        "<sip:john@a.example>",
        "\"John\" <sip:john@A.example;user=phone>",
        "John <sips:john@a.example:5061>",
    ] {
        let request = nameless(preferred);
        let mut device = Device::new(site, "john", "a.example")?;
        let answer = expect(device.ask(&request)?, 407).map_err(|e| format!("{preferred}: {e}"))?;
        let offered = challenge(&answer)?;
        if offered.realm != "a.example" {
            return Err(format!("{preferred}: {answer:?}"));
        }
        let respond = |offered: &Challenge, user: &str| {
            let response = Response::to(offered, user, "secret", "sip:100@a.example");
            format!("Proxy-Authorization: {}", response.header("INVITE"))
        };
        device.send(&request.clone().with(respond(&offered, "john")))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        let from = headers(&invite, "From").join("");
        if headers(&invite, "X-Registered-User") != ["john@a.example"]
            || invite.contains("P-Preferred-Identity")
            || invite.contains("P-Asserted-Identity")
            || from.contains("john")
        {
            return Err(format!("{preferred}:\n{invite}"));
        }
        // A name that is not anonymous has to be the right one.
        let named = Request {
            from: "<sip:mary@unknown.invalid>;tag=1".to_string(),
            ..request.clone()
        };
        let offered = challenge(&expect(device.ask(&named)?, 407)?)?;
        device.send(&named.with(respond(&offered, "john")))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "P-Asserted-Identity") != ["<sip:john@a.example>"] {
            return Err(format!("{preferred}: mary calls:\n{invite}"));
        }
        // Whom he prefers to be has to be proven.
        let offered = challenge(&expect(device.ask(&request)?, 407)?)?;
        let answer = device.ask(&request.clone().with(respond(&offered, "mary")))?;
        refused(answer, 403, "Not your address of record")?;
    }
    // The same where the domain is his own.
    let own = Request {
        from: "<sip:Anonymous@a.example>;tag=1".to_string(),
        ..nameless("<sip:john@a.example>")
    };
    let mut device = Device::new(site, "john", "a.example")?;
    let offered = challenge(&expect(device.ask(&own)?, 407)?)?;
    let response = Response::to(&offered, "john", "secret", "sip:100@a.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    device.send(&own.with(line))?;
    let invite = hop.answer("INVITE", "486 Busy Here")?;
    expect(device.receive()?, 486)?;
    if headers(&invite, "X-Registered-User") != ["john@a.example"] {
        return Err(format!("it is not john who calls:\n{invite}"));
    }
    // What could be read in two ways names nobody, and neither does a name that is there already.
    for preferred in [
        "",
        "<sip:mary@a.example>, <sip:john@a.example>",
        "\"<sip:john@a.example>\" <sip:mary@a.example>",
        "<sip:mary@a.example>\r\nP-Preferred-Identity: <sip:john@a.example>",
        "<tel:+15550100>",
    ] {
        let mut device = Device::new(site, "john", "a.example")?;
        let request = nameless(preferred);
        let offered = challenge(&expect(device.ask(&request)?, 407)?)?;
        let response = Response::to(&offered, "john", "secret", "sip:100@a.example");
        let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
        device.send(&request.with(line))?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "X-Registered-User") != ["john@a.example"]
            || invite.contains("P-Preferred-Identity")
        {
            return Err(format!("{preferred}:\n{invite}"));
        }
    }
    let mut device = Device::new(site, "mary", "a.example")?;
    let named = Request::invite().with("P-Preferred-Identity: <sip:john@a.example>");
    let offered = challenge(&expect(device.ask(&named)?, 407)?)?;
    let response = Response::to(&offered, "john", "secret", "sip:100@a.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    refused(
        device.ask(&named.with(line))?,
        403,
        "Not your address of record",
    )?;
    hop.silent()
}

/// Script and module read one name, or he is not admitted.
fn anonymous_by_token(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let token = harness::registrar::token(r#""call_hook":"https://a.example/call","#);
    let asked = |preferred: &str| Request {
        from: "<sip:anonymous@token.example>;tag=1".to_string(),
        ..nameless(preferred).with(format!("Proxy-Authorization: Bearer {token}"))
    };
    for preferred in [
        "<sip:jane@token.example>",
        "sip:jane@token.example",
        "\"Jane, J.\" <sip:jane@token.example;user=phone>",
        "\"jane@a.example\" <sip:jane@token.example>",
        // Nobody's name, so that the token has to say who it is.
        "x!y <sip:mary@token.example>",
        "<sip:mary@token.example;a=\"b\">",
        "\"<sip:jane@token.example>\" <sip:mary@token.example>",
    ] {
        let mut device = Device::new(site, "jane", "token.example")?;
        device.send(&asked(preferred))?;
        let invite = hop
            .answer("INVITE", "486 Busy Here")
            .map_err(|e| format!("{preferred}: {e}"))?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "X-Registered-User") != ["jane@token.example"] {
            return Err(format!("{preferred}: it is not jane who calls:\n{invite}"));
        }
    }
    for preferred in ["<sip:mary@token.example>", "sip:mary@token.example"] {
        let mut device = Device::new(site, "jane", "token.example")?;
        refused(
            device.ask(&asked(preferred))?,
            403,
            "Not your address of record",
        )
        .map_err(|e| format!("{preferred}: {e}"))?;
    }
    hop.silent()
}

fn login(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let aor = "18005550100*102@a.example";
    let mut device = Device::new(site, "18005550100*102", "a.example")?;
    let contact = format!("sip:706ou@{};transport=udp", device.local);
    let request = Request::register().contact(format!(
        "<{contact}>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\";\
         expires=600"
    ));
    let with = |device: &mut Device, login: &str| {
        let offered = device.challenge(&request)?;
        let mut response = Response::to(&offered, login, "secret", "sip:a.example");
        response.qop = None;
        let line = format!("Authorization: {}", response.header("REGISTER"));
        device.ask(&request.clone().with(line))
    };
    expect(with(&mut device, "58614006")?, 200)?;
    agree(site, aor, Some(&contact))?;
    // It is nobody else's number: whose the endpoint does not say, and of other numbers.
    let mut thief = Device::new(site, "18005550100*102", "a.example")?;
    refused(with(&mut thief, "john")?, 403, "Not your address of record")?;
    let mut other = Device::new(site, "18005550100*103", "a.example")?;
    let offered = other.challenge(&Request::register())?;
    let response = Response::to(&offered, "58614006", "secret", "sip:a.example");
    let line = format!("Authorization: {}", response.header("REGISTER"));
    let answer = other.ask(&Request::register().with(line))?;
    refused(answer, 403, "Not your address of record")
}

fn replaced(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let aor = "john@a.example";
    let mut device = Device::new(site, "john", "a.example")?;
    device.register()?;
    let mut old = device.contact();
    let since = log_length(group)?;
    for number in 0..4 {
        // As PJSIP does when its address has changed.
        let new = format!("sip:john@{};ob;n={number}", device.local);
        let request = match number {
            0 => Request::register()
                .contact(format!("<{new}>"))
                .with(format!("Contact: <{old}>;expires=0"))
                .with("Expires: 300"),
            1 => Request::register()
                .contact(format!("<{old}>;expires=0"))
                .with(format!("m: <{new}>;expires=300")),
            2 => Request::register().contact(format!("<{old}>;expires=0, <{new}>;expires=300")),
            // Of contacts that were never there.
            _ => Request::register().contact(format!(
                "<sip:john@192.0.2.10:5060;ob>;expires=0, <{new}>;expires=300, \
                 \"a, b\" <sip:john@192.0.2.11>;expires=00"
            )),
        };
        let answer = expect(device.authorize(&request, "secret")?, 200)
            .map_err(|e| format!("{number}: {e}"))?;
        let listed = answer.header("Contact").unwrap_or_default();
        if !listed.starts_with(&format!("<{new}>;expires=")) {
            return Err(format!("{number}: {answer:?}"));
        }
        agree(site, aor, Some(&new)).map_err(|e| format!("{number}: {e}"))?;
        old = new;
    }
    // Two that are to stay are one too many, and change nothing.
    let two = format!("<{old}>, <sip:john@192.0.2.10:5060>");
    let request = Request::register().contact(two).with("Expires: 300");
    expect(device.authorize(&request, "secret")?, 400)?;
    // All of several go, among them the one that is there.
    let all = format!("<sip:john@192.0.2.10:5060>, <{old}>");
    let request = Request::register().contact(all).with("Expires: 0");
    agree(site, aor, Some(&old))?;
    expect(device.authorize(&request, "secret")?, 200)?;
    agree(site, aor, None)?;
    no_error(group, since)
}

/// One contact is one, however often it is there, if it is always for the same time.
fn repeated(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let aor = "john@a.example";
    let since = log_length(group)?;
    for transport in wires(site) {
        let mut device = Device::over(transport, site, "john", "a.example")?;
        for number in 0..5 {
            let own = format!("{};n={number}", device.contact());
            let request = match number {
                0 => Request::register().contact(format!("<{own}>, <{own}>")),
                1 => Request::register()
                    .contact(format!("<{own}>;expires=600"))
                    .with(format!("m: \"John\" <{own}>;q=0.5;expires=600")),
                2 => Request::register()
                    .contact(format!("<{own}>, <{own}>;expires=0600, <{own}>"))
                    .with("Expires: 600"),
                // Beside one that goes, and the same once more.
                3 => Request::register().contact(format!(
                    "<{own}>;expires=600, <sip:john@192.0.2.10>;expires=0, <{own}>;expires=600"
                )),
                _ => Request::register()
                    .contact(format!("<{own}>, <{own}>"))
                    .with("Expires: 3600"),
            };
            for _ in 0..2 {
                let answer = expect(device.authorize(&request, "secret")?, 200)
                    .map_err(|e| format!("{transport:?}, {number}: {e}"))?;
                let listed = answer.headers.iter().filter(|(name, _)| name == "Contact");
                if listed.count() != 1 {
                    return Err(format!("{number}: not one contact: {answer:?}"));
                }
                agree(site, aor, Some(&own))
                    .map_err(|e| format!("{transport:?}, {number}: {e}"))?;
            }
            // For different times, it is refused, and changes nothing.
            for two in [
                format!("<{own}>;expires=600, <{own}>;expires=60"),
                format!("<{own}>, <{own}>;expires=600"),
                format!("<{own}>, <{own};x=y>"),
            ] {
                let request = Request::register().contact(&two);
                let answer = device.authorize(&request, "secret")?;
                expect(answer, 400).map_err(|e| format!("{two}: {e}"))?;
                agree(site, aor, Some(&own))?;
            }
        }
        let own = format!("{};n=4", device.contact());
        let off = Request::register().contact(format!("<{own}>;expires=0, <{own}>;expires=0"));
        expect(device.authorize(&off, "secret")?, 200)?;
        agree(site, aor, None)?;
    }
    if !group.core.loses_messages() {
        no_error(group, since)?;
    }
    Ok(())
}

/// Any token may be the name of a method (RFC 3261 section 25.1).
fn methods(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let since = log_length(group)?;
    let mut device = Device::new(site, "john", "a.example")?;
    let own = device.contact();
    for methods in ["INVITE, X-FOO", "INVITE,ACK,BYE,X_FOO.2", "!%*_+`'~-.1", ""] {
        let request = Request::register().contact(format!("<{own}>;methods=\"{methods}\""));
        let answer = device.authorize(&request.with("Expires: 900"), "secret")?;
        expect(answer, 200).map_err(|e| format!("{methods}: {e}"))?;
        agree(site, "john@a.example", Some(&own)).map_err(|e| format!("{methods}: {e}"))?;
    }
    for methods in ["INVITE X-FOO", "INVITE, X/FOO", ",", "X:"] {
        let request = Request::register().contact(format!("<{own}>;methods=\"{methods}\""));
        refused(device.ask(&request)?, 400, "Invalid contact")
            .map_err(|e| format!("{methods}: {e}"))?;
    }
    agree(site, "john@a.example", Some(&own))?;
    no_error(group, since)
}

/// Who demands what is not understood is told what that is (RFC 3261 section 8.2.2.3): of us as registrar, and
/// as proxy.
fn required(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let since = log_length(group)?;
    let mut device = Device::new(site, "john", "a.example")?;
    let own = device.contact();
    for line in [
        "Require: outbound",
        "Require: Path, outbound",
        "Require: path\r\nRequire: outbound",
        "Require:",
        // It is for proxies that this is.
        "Proxy-Require: x-unknown",
        "Supported: path, outbound, gruu, x-unknown",
    ] {
        let request = Request::register().with(line);
        expect(device.authorize(&request, "secret")?, 200).map_err(|e| format!("{line}: {e}"))?;
        agree(site, "john@a.example", Some(&own))?;
    }
    let unsupported = |answer: Answer, tags: &str| {
        let answer = expect(answer, 420)?;
        match answer.header("Unsupported") == Some(tags) {
            true => Ok(()),
            false => Err(format!("Unsupported: {tags} expected, got {answer:?}")),
        }
    };
    for (line, tags) in [
        ("Require: x-unknown", "x-unknown"),
        ("Require: path, gruu", "gruu"),
        ("Require: a, path\r\nrequire: b,A", "a, b"),
    ] {
        let answer = device.ask(&Request::register().with(line))?;
        unsupported(answer, tags).map_err(|e| format!("{line}: {e}"))?;
    }
    for (line, tags) in [
        ("Proxy-Require: x-unknown", "x-unknown"),
        ("Proxy-Require: privacy, sec-agree", "sec-agree"),
    ] {
        device.new_call();
        let answer = device.ask(&Request::invite().with(line))?;
        unsupported(answer, tags).map_err(|e| format!("{line}: {e}"))?;
    }
    for (request, name) in [
        (Request::register(), "Require"),
        (Request::invite(), "Proxy-Require"),
    ] {
        device.new_call();
        let answer = device.ask(&request.with(format!("{name}: a b")))?;
        refused(answer, 400, &format!("Invalid {name}"))?;
    }
    agree(site, "john@a.example", Some(&own))?;
    hop.silent()?;
    // What the other side is to understand is for that to say.
    for line in ["Require: 100rel, x-unknown", "Proxy-Require: privacy"] {
        device.new_call();
        let invite = device.render(&Request::invite().with(line));
        reaches(&mut device, &hop, &invite).map_err(|e| format!("{line}: {e}"))?;
    }
    no_error(group, since)
}

fn restarted(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let aor = "john@a.example";
    let since = log_length(group)?;
    let mut device = Device::new(site, "john", "a.example")?;
    let contact = device.contact();
    let request = || Request::register().contact(format!("<{contact}>;expires=600"));
    let again = |device: &mut Device, request: Request, cseq: u32| {
        let first = Request { cseq, ..request };
        let offered = device.challenge(&first)?;
        let response = Response::to(&offered, "john", "secret", "sip:a.example");
        let line = format!("Authorization: {}", response.header("REGISTER"));
        let second = Request {
            cseq: cseq + 1,
            ..first
        };
        device.ask(&second.with(line))
    };
    expect(again(&mut device, request(), 1)?, 200)?;
    // The same once more, from another port, as after a restart: with CSeqs that are the same, or lower.
    for cseq in [1, 7, 1, 1] {
        let mut anew = Device::new(site, "john", "a.example")?;
        anew.call_id.clone_from(&device.call_id);
        expect(again(&mut anew, request(), cseq)?, 200).map_err(|e| format!("{cseq}: {e}"))?;
        let members = agree(site, aor, Some(&contact)).map_err(|e| format!("{cseq}: {e}"))?;
        if members["proxy"] != format!("sip:{}", anew.local).as_str() {
            return Err(format!("{cseq}: {members}"));
        }
        device = anew;
    }
    // What is not accepted does not delete.
    let off = Request::register().contact(format!("<{contact}>;expires=0"));
    refused(again(&mut device, off.clone(), 1)?, 400, "Invalid CSeq")?;
    agree(site, aor, Some(&contact))?;
    expect(again(&mut device, off, 8)?, 200)?;
    agree(site, aor, None)?;
    no_error(group, since)
}

fn long(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    for seconds in ["2147483648", "4294967295", "604800", "0604800"] {
        for as_header in [true, false] {
            let mut device = Device::new(site, "john", "a.example")?;
            let contact = format!("<{}>", device.contact());
            let request = match as_header {
                true => Request::register()
                    .contact(contact)
                    .with(format!("Expires: {seconds}")),
                false => Request::register().contact(format!("{contact};expires={seconds}")),
            };
            expect(device.authorize(&request, "secret")?, 200)
                .map_err(|e| format!("{seconds}: {e}"))?;
            agree(site, "john@a.example", Some(&device.contact()))?;
            let (_, left, _) = site.redis.user("john@a.example")?.ok_or("not in Redis")?;
            let row = site.located("john@a.example")?;
            let until = row[0]["Expires"].as_u64().unwrap_or_default();
            if !(604_000..=604_800).contains(&left) || !(604_000..=604_801).contains(&until) {
                return Err(format!("{seconds}: for {left} s, in usrloc for {until} s"));
            }
        }
    }
    Ok(())
}

/// An endpoint that answers for each user as it was told.
struct Told {
    url: String,
}

impl Told {
    /// `answer` gets the body of a request, and gives a whole HTTP response.
    fn new(answer: fn(&str) -> Vec<u8>) -> Result<Told, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let place = listener.local_addr().map_err(|e| e.to_string())?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream, answer));
            }
        });
        Ok(Told {
            url: format!("http://{place}/"),
        })
    }

    /// Gives a realm an account that asks it.
    fn serve(&self, site: &Site, realm: &str) -> Result<(), String> {
        let url = &self.url;
        let sql = format!(
            "DELETE FROM registrar_accounts WHERE realm = '{realm}';
             DELETE FROM http_endpoints WHERE realm = '{realm}';
             INSERT INTO registrar_accounts (realm) VALUES ('{realm}');
             INSERT INTO http_endpoints (realm, url) VALUES ('{realm}', '{url}');"
        );
        site.database.sql(&sql).map(drop)
    }
}

fn serve(stream: TcpStream, answer: fn(&str) -> Vec<u8>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let response = answer(&String::from_utf8_lossy(&body));
    reader.get_mut().write_all(&response).ok()
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// User, type and body of what he gets. All of them admit.
const ANSWERS: &[(&str, &str, &[u8])] = &[
    ("zero", "application/json", br#"{"status":"ok","expires":0}"#),
    (
        "dotnet",
        "application/json; charset=utf-8",
        b"\xef\xbb\xbf{\"Status\":\"OK\",\"Expires\":null,\"Msg\":null}",
    ),
    (
        "php",
        "text/html; charset=UTF-8",
        b"\r\n{\"status\":\"ok\",\"expires\":\"0\",\"call_hook\":\"https:\\/\\/x.example\\/call\"}\n",
    ),
    (
        "node",
        "application/json",
        br#"{ "status": "ok", "expires": 4294967295, "msg": "", "headers": {} }"#,
    ),
    ("latin", "application/json; charset=iso-8859-1", b"{\"status\":\"ok\",\"msg\":\"gr\xfc\xdfe\"}"),
    ("false", "", br#"{"status":"ok","expires":false,"blacklist":null}"#),
];

fn told(body: &str) -> Vec<u8> {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    // As sidecar sends them.
    let sent = asked["headers"]["call-id"].is_string() && asked["headers"]["via"].is_string();
    let user = asked["username"].as_str().unwrap_or_default();
    let found = ANSWERS.iter().find(|(known, ..)| *known == user);
    match found.filter(|_| sent) {
        Some((_, kind, body)) => response(&format!("200 OK\r\nContent-Type: {kind}"), body),
        None => response("500 No", b""),
    }
}

fn answers(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    Told::new(told)?.serve(site, "told.example")?;
    let since = log_length(group)?;
    for (user, ..) in ANSWERS {
        let mut device = Device::new(site, user, "told.example")?;
        let aor = format!("{user}@told.example");
        // Without a time, with one, and to sign off.
        let contact = format!("<{}>", device.contact());
        for (seconds, registered) in [("", true), (";expires=600", true), (";expires=0", false)] {
            let request = Request::register().contact(format!("{contact}{seconds}"));
            let request = match seconds {
                // Otherwise Redis answers.
                ";expires=600" => request.with("Subject: x"),
                _ => request,
            };
            expect(device.authorize(&request, "secret")?, 200)
                .map_err(|e| format!("{user}{seconds}: {e}"))?;
            let uri = device.contact();
            agree(site, &aor, registered.then_some(uri.as_str()))
                .map_err(|e| format!("{user}{seconds}: {e}"))?;
        }
    }
    no_error(group, since)
}

/// User, head and body. None admits, and none is an outage.
const DENIALS: &[(&str, &str, &str, &str)] = &[
    ("forbidden", "403 Forbidden", "", "Denied"),
    ("unauthorized", "401 Unauthorized", "", "Denied"),
    (
        "page",
        "403 Forbidden\r\nContent-Type: text/html",
        "<html>Forbidden</html>",
        "Denied",
    ),
    (
        "reason",
        "401 Unauthorized\r\nContent-Type: application/json",
        r#"{"status":"fail","msg":"locked"}"#,
        "locked",
    ),
    (
        "headers",
        "403 Forbidden",
        r#"{"status":"fail","msg":"later","headers":{"X-Why":"it is late","Retry-After":60,"Via":"x","To":"y","X-Cut":"a\r\nX-Evil: b","X Y":"z","X-Evil: 1\r\nA":"b","X-None":null}}"#,
        "later",
    ),
    (
        "no-headers",
        "403 Forbidden",
        r#"{"headers":["x"]}"#,
        "Denied",
    ),
    ("liar", "403 Forbidden", r#"{"status":"ok"}"#, "Denied"),
];

fn denying(body: &str) -> Vec<u8> {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let user = asked["username"].as_str().unwrap_or_default();
    if user == "long" {
        return response("403 Forbidden", many_headers().as_bytes());
    }
    match DENIALS.iter().find(|(known, ..)| *known == user) {
        Some((_, head, body, _)) => response(head, body.as_bytes()),
        None => response("200 OK", br#"{"status":"ok"}"#),
    }
}

/// More than belongs into a reply: names of any length, and 400 headers of 100 bytes.
fn many_headers() -> String {
    let long = [65, 1000, 4097, 8290].map(|length| "A".repeat(length));
    let many = (0..400).map(|number| format!("X-Many-{number}"));
    let headers: serde_json::Map<String, Value> = long
        .into_iter()
        .chain(many)
        .map(|name| (name, Value::from("x".repeat(100))))
        .collect();
    serde_json::json!({"status": "fail", "msg": "m".repeat(5000), "headers": headers}).to_string()
}

fn statuses(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    Told::new(denying)?.serve(site, "denying.example")?;
    let since = log_length(group)?;
    // More often than it takes to leave an endpoint alone.
    for _ in 0..3 {
        for (user, _, _, reason) in DENIALS {
            let mut device = Device::new(site, user, "denying.example")?;
            let answer = device.authorize(&Request::register(), "secret")?;
            let all = |name: &str| {
                let found = answer.headers.iter().filter(|(known, _)| known == name);
                found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
            };
            let expected = match *user {
                "headers" => [vec!["it is late"], vec!["60"]],
                _ => [vec![], vec![]],
            };
            let is_clean = all("Via").len() == 1
                && all("To").len() == 1
                && !format!("{answer:?}").contains("X-Evil");
            if [all("X-Why"), all("Retry-After")] != expected || !is_clean {
                return Err(format!("{user}: {answer:?}"));
            }
            refused(answer, 403, reason).map_err(|e| format!("{user}: {e}"))?;
        }
    }
    let mut device = Device::new(site, "long", "denying.example")?;
    let answer = device.authorize(&Request::register(), "secret")?;
    let is_of_endpoint = |name: &str| name.starts_with("X-Many") || name.starts_with("AAA");
    let found = answer
        .headers
        .iter()
        .filter(|(name, _)| is_of_endpoint(name));
    let size: usize = found
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    if !(100..=1000).contains(&size) {
        return Err(format!("{size} bytes of the endpoint's: {answer:?}"));
    }
    refused(answer, 403, "Denied")?;
    Device::new(site, "john", "denying.example")?.register()?;
    no_error(group, since)
}

const GRANT: &str = r#"{"status":"ok","expires":0,"call_hook":{"url":"https://x.example/call","method":"POST"},"call_status_hook":{"method":"GET","url":"https:\/\/x.example\/status"},"allow_direct_app_calling":1,"allow_direct_queue_calling":"true","allow_direct_user_calling":true}"#;

fn granting(_: &str) -> Vec<u8> {
    response("200 OK", GRANT.as_bytes())
}

fn hooks(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    Told::new(granting)?.serve(site, "hooks.example")?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "john", "hooks.example")?;
    device.register()?;
    let members = agree(site, "john@hooks.example", Some(&device.contact()))?;
    let grant: Value = serde_json::from_str(GRANT).map_err(|e| e.to_string())?;
    for name in ["callHook", "call_hook"] {
        if members[name] != grant["call_hook"] {
            return Err(format!("{name} is not what was granted: {members}"));
        }
    }
    for name in ["app", "queue", "user"] {
        if members[format!("allow_direct_{name}_calling")] != json!(true) {
            return Err(format!("{name} calling is not allowed: {members}"));
        }
    }
    // By what Redis has, by the grant of a call, and by a token.
    let claims = r#""call_hook":{"url":"https://x.example/call"},"call_status_hook":{"url":"https://x.example/status"},"#;
    let bearer = format!("Authorization: Bearer {}", token(claims));
    let mut jane = Device::new(site, "jane", "token.example")?;
    expect(jane.ask(&Request::register().with(bearer.clone()))?, 200)?;
    let members = agree(site, "jane@token.example", Some(&jane.contact()))?;
    if members["callHook"] != json!({"url": "https://x.example/call"}) {
        return Err(format!("not an object any more: {members}"));
    }
    let mut elsewhere = Device::new(site, "john", "hooks.example")?;
    let offered = elsewhere.challenge(&Request::invite())?;
    let response = Response::to(&offered, "john", "secret", "sip:100@hooks.example");
    let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
    device.new_call();
    jane.new_call();
    for (device, request) in [
        (&mut device, Request::invite()),
        (&mut elsewhere, Request::invite().with(line)),
        (&mut jane, Request::invite()),
    ] {
        device.send(&request)?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "X-Call-Hook") != ["https://x.example/call"]
            || headers(&invite, "X-Call-Status-Hook") != ["https://x.example/status"]
        {
            return Err(format!("not the URLs:\n{invite}"));
        }
    }
    Ok(())
}

fn below(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    Told::new(granting)?.serve(site, "above.example")?;
    let mut device = Device::new(site, "john", "office.above.example")?;
    device.register()?;
    agree(site, "john@office.above.example", Some(&device.contact()))?;
    // One level, as jambonz does it, and no top-level domain.
    for realm in ["a.office.above.example", "office.below.example", "example"] {
        let answer = Device::new(site, "john", realm)?.ask(&Request::register())?;
        refused(answer, 403, "Unknown realm").map_err(|e| format!("{realm}: {e}"))?;
    }
    // It is not switched off by being asked below.
    let answer = Device::new(site, "john", "x.off.example")?.ask(&Request::register())?;
    refused(answer, 403, "Account has been deactivated")
}

/// Whatever names are made up below it, an account has as many devices as it may have.
fn counted_above(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let told = Told::new(granting)?;
    for realm in ["many.example", "own.many.example"] {
        told.serve(site, realm)?;
    }
    site.database.sql(
        "UPDATE registrar_accounts SET device_limit = 2 WHERE realm = 'many.example';
         UPDATE registrar_accounts SET device_limit = 1 WHERE realm = 'own.many.example';",
    )?;
    let register = |realm: &str| {
        let mut device = Device::new(site, "john", realm)?;
        device.new_call();
        let answer = device.authorize(&Request::register(), "secret")?;
        Ok::<_, String>((device, answer))
    };
    let full = |realm: &str| {
        let (_, answer) = register(realm)?;
        refused(answer, 503, "Max Devices Registered").map_err(|e| format!("{realm}: {e}"))
    };
    let index = |realm: &str| site.redis.cli(&["ZCARD", &format!("active-user:{realm}")]);
    let (mut first, answer) = register("a.many.example")?;
    expect(answer, 200)?;
    expect(register("b.many.example")?.1, 200)?;
    for realm in ["c.many.example", "many.example", "d.many.example"] {
        full(realm)?;
    }
    // Who is there stays, and an account of its own counts by itself.
    expect(register("b.many.example")?.1, 200)?;
    expect(register("own.many.example")?.1, 200)?;
    if [
        index("many.example")?,
        index("own.many.example")?,
        index("a.many.example")?,
    ] != ["2", "1", "0"]
    {
        return Err("they are counted elsewhere".to_string());
    }
    // A place is free again, for any of them.
    let off = Request::register().contact("*").with("Expires: 0");
    expect(first.authorize(&off, "secret")?, 200)?;
    expect(register("many.example")?.1, 200)?;
    full("a.many.example")?;
    full("c.many.example")
}

/// A REGISTER without a contact asks for the one that there is. Nobody sees another's, which the same
/// worker has just saved.
fn query(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let off = Request::register().contact("*").with("Expires: 0");
    let ask = || Request::register().contact("-");
    let mut john = Device::new(site, "john", "a.example")?;
    expect(john.authorize(&off, "secret")?, 200)?;
    for _ in 0..6 {
        let mut mary = Device::new(site, "mary", "a.example")?;
        mary.register()?;
        let answer = expect(john.authorize(&ask(), "secret")?, 200)?;
        if let Some(contact) = answer.header("Contact") {
            return Err(format!("john, who is not registered, is at {contact}"));
        }
        let answer = expect(mary.authorize(&ask(), "secret")?, 200)?;
        let shown = answer.header("Contact").unwrap_or_default();
        if !shown.starts_with(&format!("<{}>;expires=3", mary.contact())) {
            return Err(format!("mary is at {shown}"));
        }
    }
    Ok(())
}

/// A device that is registered, and the next hop.
fn john(site: &Site) -> Result<(Device, Hop), String> {
    let mut device = Device::new(site, "john", "a.example")?;
    device.register()?;
    Ok((device, Hop::new(site)?))
}

/// Its next INVITE, up to where it is refused for a reason that is not its own.
fn reaches(device: &mut Device, hop: &Hop, invite: &str) -> Result<(), String> {
    device.send_raw(invite.as_bytes())?;
    hop.answer("INVITE", "486 Busy Here")?;
    expect(device.receive()?, 486).map(drop)
}

fn odd(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let begin = log_length(group)?;
    let (mut device, hop) = john(site)?;
    let port = site.udp;
    // The realm as outbound proxy.
    for route in [
        "<sip:a.example;lr>".to_string(),
        "<sip:A.example;lr>".to_string(),
        format!("<sip:a.example:{port};lr>"),
    ] {
        let line = format!("Route: {route}");
        let answer = device.ask(&Request::register().with(&line))?;
        expect(answer, 200).map_err(|e| format!("{route}: {e}"))?;
        device.new_call();
        let invite = device.render(&Request::invite().with(&line));
        reaches(&mut device, &hop, &invite).map_err(|e| format!("{route}: {e}"))?;
    }
    for route in ["<sip:b.example;lr>", "<sip:a.example:1;lr>"] {
        device.new_call();
        let invite = Request::invite().with(format!("Route: {route}"));
        expect(device.ask(&invite)?, 403).map_err(|e| format!("{route}: {e}"))?;
    }
    // The To tag of the last answer.
    let again = Request {
        to: "<sip:john@a.example>;tag=last".to_string(),
        ..Request::register()
    };
    expect(device.ask(&again)?, 200)?;
    agree(site, "john@a.example", Some(&device.contact()))?;
    // Empty lines in front (RFC 3261 section 7.5).
    device.new_call();
    let invite = device.render(&Request::invite());
    device.send_raw(format!("\r\n\r\n{invite}").as_bytes())?;
    // They are still there.
    let invite = loop {
        let text = hop.receive()?;
        if text.trim_start().starts_with("INVITE ") {
            break text.trim_start().to_string();
        }
    };
    hop.send(&answer_to(&invite, "486 Busy Here"))?;
    expect(device.receive()?, 486)?;
    no_error(group, begin)
}

fn wrong(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let begin = log_length(group)?;
    let (mut device, hop) = john(site)?;
    let own = device.contact();
    for from in ["<sip:john@a.example>", "<sip:john@a.example>;tag="] {
        device.new_call();
        let invite = Request {
            from: from.to_string(),
            ..Request::invite()
        };
        refused(device.ask(&invite)?, 400, "From has no tag")?;
    }
    for contact in [
        "<sip:john@127.0.0.1:65536>",
        "<sip:@127.0.0.1>",
        "<tel:+15551234>",
        "<sip:john@127.0.0.1>;expires=",
    ] {
        device.new_call();
        let answer = device.ask(&Request::invite().contact(contact))?;
        expect(answer, 400).map_err(|e| format!("{contact}: {e}"))?;
    }
    device.new_call();
    let cancel = Request {
        method: "CANCEL",
        ..Request::default()
    };
    expect(device.ask(&cancel)?, 481)?;
    device.call_id = "x".repeat(256);
    let long = "Call-ID is longer than 255 bytes";
    refused(device.ask(&Request::register())?, 400, long)?;
    agree(site, "john@a.example", Some(&own))?;
    no_error(group, begin)?;
    hop.silent()
}

/// The contact of a redirection is where the caller is to go, and not where the device is.
fn redirected(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let (mut device, hop) = john(site)?;
    let port = site.next_hop;
    hop.send(&format!(
        "INVITE sip:john@a.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKaway{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\n\
         To: <sip:john@a.example>\r\nCall-ID: away-{port}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:100@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
    ))?;
    let invite = loop {
        let text = device.receive_text()?;
        if text.starts_with("INVITE") {
            break text;
        }
    };
    let contacts = "Contact: <sip:200@a.example>;q=0.5, <sip:201@192.0.2.1:5080>\r\n";
    let answer = answer_with(&invite, "302 Moved Temporarily", contacts);
    device.send_raw(answer.as_bytes())?;
    let heard = hop.next("SIP/2.0 302")?;
    match contacts.contains(&headers(&heard, "Contact").concat()) && heard.contains("Contact") {
        true => Ok(()),
        false => Err(format!("it leads elsewhere:\n{heard}")),
    }
}

/// They change nothing, wherever they stand, and are no error of ours: usrloc would notice only when it has
/// removed the one that is there.
fn unreadable_contacts(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let begin = log_length(group)?;
    let mut device = Device::new(site, "john", "a.example")?;
    device.register()?;
    let own = device.contact();
    for contact in [
        "<sip:john@127.0.0.1:65536>",
        "<sip:john@127.0.0.1:99999999999>",
        "<sip:@127.0.0.1:5060>",
        "<sip:john@>",
        "<sip:john@[::1>",
        "<sip:john@a:b>",
        "<sip:>",
        "<sip:john@127.0.0.1:5060>;expires=",
        "<sip:john@127.0.0.1:5060",
        "<*>",
        "*;expires=0",
        "\"john <sip:john@127.0.0.1>",
    ] {
        for expires in ["", "Expires: 0"] {
            let alone = Request::register().contact(contact);
            let beside = Request::register().contact(format!("<{own}>, {contact}"));
            for mut request in [alone, beside] {
                if !expires.is_empty() {
                    request = request.with(expires);
                }
                let answer = device.ask(&request)?;
                expect(answer, 400).map_err(|e| format!("{contact} {expires}: {e}"))?;
                agree(site, "john@a.example", Some(&own))?;
            }
        }
    }
    no_error(group, begin)
}

/// The answers of an endpoint: user, body, and how a REGISTER is answered.
fn unreadable(body: &str) -> Vec<u8> {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let user = asked["username"].as_str().unwrap_or_default();
    let deep = "[".repeat(40) + &"]".repeat(40);
    let body = match user {
        "deep" => format!(r#"{{"status":"ok","call_hook":{{"url":{deep}}}}}"#),
        "denied" => format!(r#"{{"status":"fail","msg":"too deep","x":{deep}}}"#),
        "half" => r#"{"status":"ok","call_hook":{"url":"\ud800"}}"#.to_string(),
        "large" => {
            r#"{"status":"ok","call_hook":{"url":"https://x.example","n":1e999}}"#.to_string()
        }
        _ => r#"{"status":"fail"}"#.to_string(),
    };
    response("200 OK", body.as_bytes())
}

/// What an endpoint or an issuer writes is one line of the log at the most, and never the device's fault.
fn unread(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let told = Told::new(unreadable)?;
    told.serve(site, "unread.example")?;
    let register = |user: &str| {
        let mut device = Device::new(site, user, "unread.example")?;
        device.authorize(&Request::register(), "secret")
    };
    let since = log_length(group)?;
    expect(register("deep")?, 503)?;
    one_error(group, since, &[told.url.as_str(), "nested deeper"])?;
    let since = log_length(group)?;
    expect(register("half")?, 503)?;
    one_error(group, since, &["unread.example", "\"call_hook\""])?;
    let since = log_length(group)?;
    refused(register("denied")?, 403, "too deep")?;
    expect(register("large")?, 200)?;
    no_error(group, since)?;
    // In a token, json-c writes such a number as one that is none.
    let since = log_length(group)?;
    let bearer = |hook: &str| {
        let claims = format!(r#""call_hook":{hook},"#);
        format!("Authorization: Bearer {}", token(&claims))
    };
    let mut jane = Device::new(site, "jane", "token.example")?;
    let large = bearer(r#"{"url":"https://x.example","n":1e999}"#);
    let answer = jane.ask(&Request::register().with(large))?;
    match answer.status {
        200 => no_error(group, since)?,
        _ => {
            expect(answer, 503)?;
            one_error(group, since, &["token.example"])?;
        }
    }
    // Written by somebody else.
    let since = log_length(group)?;
    let good = bearer(r#"{"url":"https://x.example"}"#);
    let mut jane = Device::new(site, "jane", "token.example")?;
    expect(jane.ask(&Request::register().with(good))?, 200)?;
    let (mut members, left, _) = site.redis.user("jane@token.example")?.ok_or("no jane")?;
    let deep = "[".repeat(40) + &"]".repeat(40);
    let deep = serde_json::from_str::<Value>(&deep).map_err(|e| e.to_string())?;
    members["callHook"] = json!({"url": "https://x.example", "more": deep});
    let (text, left) = (members.to_string(), left.to_string());
    site.redis
        .cli(&["SET", "user:jane@token.example", &text, "EX", &left])?;
    jane.new_call();
    refused(jane.ask(&Request::invite())?, 403, "Calls are not allowed")?;
    no_error(group, since)
}

/// What is in no character set of a column is in no table, and no outage.
fn strange(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let since = log_length(group)?;
    for strange in [
        "gr\u{fc}n".as_bytes(),
        "10\u{20ac}".as_bytes(),
        "\u{1f4de}".as_bytes(),
        b"gr\xfcn",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xff\xfe",
    ] {
        for (user, realm) in [("STRANGE", "a.example"), ("john", "STRANGE.example")] {
            for request in [Request::register(), Request::invite()] {
                for nameless in [false, true] {
                    let mut device = Device::new(site, user, realm)?;
                    let mut request = request.clone();
                    if nameless && request.method == "INVITE" {
                        request.from = format!("<sip:{user}@192.0.2.7>;tag=1");
                        request.uri = format!("sip:100@{realm}");
                    }
                    let text = device.render(&request);
                    let mut bytes = Vec::new();
                    for (number, part) in text.split("STRANGE").enumerate() {
                        if number > 0 {
                            bytes.extend_from_slice(strange);
                        }
                        bytes.extend_from_slice(part.as_bytes());
                    }
                    device.send_raw(&bytes)?;
                    let answer = device.receive()?;
                    // A user in From is nobody's where the credentials name him.
                    let is_asked = nameless && request.method == "INVITE" && user == "STRANGE";
                    match is_asked {
                        true => drop(expect(answer, 407)?),
                        false => refused(answer, 403, "Invalid address of record")?,
                    }
                }
            }
        }
    }
    no_error(group, since)
}

fn trusted(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let from = |address: &str| {
        let socket = ClientSocket::bind((address, 0)).map_err(|e| e.to_string())?;
        let limit = socket.set_read_timeout(Some(Duration::from_secs(20)));
        let place = socket.local_addr().map_err(|e| e.to_string())?;
        limit
            .and_then(|()| socket.connect((site.address.as_str(), site.udp)))
            .map_err(|e| e.to_string())?;
        Ok::<_, String>((socket, place.port()))
    };
    let (by_port, port) = from("127.0.0.1")?;
    let (by_address, _) = from("127.0.0.7")?;
    let (by_name, named) = from("127.0.0.1")?;
    let (stranger, _) = from("127.0.0.1")?;
    let trusted = format!("127.0.0.1:{port}, 127.0.0.7,[2001:DB8::7]:5060,localhost:{named}");
    site.settings = vec![
        ("TRUSTED_SOURCES", trusted),
        ("TRUST_UDP_SOURCE", "no".to_string()),
    ];
    let _instance = site.start(&group.core)?;
    let mut device = Device::new(&site, "john", "a.example")?;
    device.register()?;
    let invite = |socket: &ClientSocket, number: usize| {
        let place = socket.local_addr().map_err(|e| e.to_string())?;
        let text = format!(
            "INVITE sip:john@a.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP {place};branch=z9hG4bKtrust{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:100@a.example>;tag=1\r\n\
             To: <sip:john@a.example>\r\nCall-ID: trust-{number}-{place}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:100@{place}>\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send(text.as_bytes()).map_err(|e| e.to_string())
    };
    let answered = |socket: &ClientSocket| {
        let mut buffer = [0; 65_535];
        loop {
            let length = uninterrupted(|| socket.recv(&mut buffer)).map_err(|e| e.to_string())?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !text.starts_with("SIP/2.0 1") {
                return Ok::<_, String>(text);
            }
        }
    };
    for (number, socket) in [&by_port, &by_address, &by_name].into_iter().enumerate() {
        invite(socket, number)?;
        let request = loop {
            let text = device.receive_text()?;
            if text.starts_with("INVITE") {
                break text;
            }
        };
        device.send_raw(answer_to(&request, "486 Busy Here").as_bytes())?;
        let answer = answered(socket)?;
        if !answer.starts_with("SIP/2.0 486") {
            return Err(format!("{number}: {answer}"));
        }
    }
    invite(&stranger, 9)?;
    let answer = answered(&stranger)?;
    if !answer.starts_with("SIP/2.0 407") {
        return Err(format!("a stranger: {answer}"));
    }
    // Over a connection, too.
    let mut caller = Device::over(Transport::Tcp, &site, "100", "a.example")?;
    let request = Request {
        uri: "sip:john@a.example".to_string(),
        ..Request::invite()
    };
    expect(caller.ask(&request)?, 407).map(drop)
}
