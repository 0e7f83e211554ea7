//! What a device sends stays where it belongs: blanks, quotes, line ends and binary data in every
//! header.

use std::time::Duration;

use harness::digest::{Challenge, Response};
use harness::registrar::token;
use harness::server::wait_for;
use harness::sip;

use super::device::{Device, Request, expect, refused};
use super::group::{Group, Scenario};
use super::hop::{Hop, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("hostile bytes in every header", everywhere),
    ("an apostrophe where it may be", apostrophe),
    ("headers that only look like others", forged),
    ("hooks that somebody else has written", foreign),
    ("grants with line ends", grants),
];

const PATIENCE: Duration = Duration::from_secs(20);

/// Each would do something if it escaped from a quoted string or from a line.
const HOSTILE: [&[u8]; 14] = [
    b" FLUSHALL ",
    b"' FLUSHALL '",
    b"\" FLUSHALL \"",
    b"'\r\nFLUSHALL\r\n'",
    b"\"\r\n FLUSHALL\r\n \"",
    b"\r\n\r\nFLUSHALL\r\n",
    b"\r\nX-Call-Hook: https://evil.example\r\n",
    b"\tSET evil 1\t",
    b"\\\" SET evil 1 \\'",
    b"$var(user) $avp(aor) %b %s",
    b"'; DROP TABLE registrar_accounts; --",
    b"\x00\x01\x02\x7f\x80\xfe\xff",
    b"\xc0\xaf\xed\xa0\x80",
    b"','contact':'sip:evil@evil.example',\"callHook\":\"https://evil.example\"",
];

/// Where they are inserted into an otherwise valid request.
const PLACES: [&str; 16] = [
    "uri",
    "via",
    "from-name",
    "from-user",
    "from-host",
    "from-tag",
    "to-user",
    "to-host",
    "call-id",
    "contact-name",
    "contact-user",
    "contact-host",
    "contact-parameter",
    "expires",
    "user-agent",
    "credentials",
];

fn request(
    place: &str,
    hostile: &[u8],
    device: &Device,
    authorization: &str,
    number: u32,
) -> Vec<u8> {
    let at = |name: &str| -> &[u8] { if name == place { hostile } else { b"" } };
    let local = device.local.as_bytes();
    let number = format!("{}h{number}", std::process::id());
    let number = number.as_bytes();
    let parts: Vec<&[u8]> = vec![
        b"REGISTER sip:a.example",
        at("uri"),
        b" SIP/2.0\r\nVia: SIP/2.0/UDP ",
        local,
        b";branch=z9hG4bK",
        number,
        at("via"),
        b"\r\nMax-Forwards: 70\r\nFrom: \"x",
        at("from-name"),
        b"\" <sip:mary",
        at("from-user"),
        b"@a.example",
        at("from-host"),
        b">;tag=1",
        at("from-tag"),
        b"\r\nTo: <sip:mary",
        at("to-user"),
        b"@a.example",
        at("to-host"),
        b">\r\nCall-ID: ",
        number,
        at("call-id"),
        b"\r\nCSeq: 2 REGISTER\r\nContact: \"x",
        at("contact-name"),
        b"\" <sip:mary",
        at("contact-user"),
        b"@",
        local,
        at("contact-host"),
        b">;expires=600;x=y",
        at("contact-parameter"),
        b"\r\nExpires: 600",
        at("expires"),
        b"\r\nUser-Agent: x",
        at("user-agent"),
        b"\r\n",
        authorization.as_bytes(),
        at("credentials"),
        b"\r\nContent-Length: 0\r\n\r\n",
    ];
    parts.concat()
}

fn everywhere(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let redis = &site.redis;
    // An existing registration, and a key that nobody else writes.
    let mut john = Device::new(site, "john", "a.example")?;
    john.register()?;
    redis.cli(&["SET", "canary", "alive"])?;
    let mut number = 0;
    for place in PLACES {
        for hostile in HOSTILE {
            number += 1;
            let mut device = Device::new(site, "mary", "a.example")?;
            let answer = expect(device.ask(&Request::register())?, 401)?;
            let challenge = answer
                .header("WWW-Authenticate")
                .and_then(Challenge::parse)
                .ok_or("no challenge")?;
            // Valid credentials, so that it gets as far as possible.
            let uri = match place {
                "uri" => format!("sip:a.example{}", String::from_utf8_lossy(hostile)),
                _ => "sip:a.example".to_string(),
            };
            let response = Response::to(&challenge, "mary", "secret", &uri);
            let line = format!("Authorization: {}", response.header("REGISTER"));
            device.send_raw(&request(place, hostile, &device, &line, number))?;
        }
        // Answered or not, it has been processed once this is answered.
        if !sip::ping("127.0.0.1", site.udp, PATIENCE) {
            return Err(format!("no answer any more after {place}"));
        }
        sound(group, place)?;
    }
    Ok(())
}

/// Redis and the database contain nothing that does not belong there.
fn sound(group: &Group, place: &str) -> Result<(), String> {
    let site = group.site()?;
    let redis = &site.redis;
    if redis.cli(&["GET", "canary"])? != "alive" || redis.cli(&["EXISTS", "evil"])? != "0" {
        return Err(format!("{place}: a command of its own was run in Redis"));
    }
    if redis.user("john@a.example")?.is_none() {
        return Err(format!("{place}: another's registration is gone"));
    }
    let keys = redis.cli(&["KEYS", "*"])?;
    let known = |key: &str| {
        key == "canary"
            || key.starts_with("auth_web_")
            || key == "active-user"
            || key.strip_prefix("active-user:").is_some_and(|realm| {
                realm.ends_with(".example") && !realm.contains([' ', '"', '\\'])
            })
            || key.strip_prefix("user:").is_some_and(|aor| {
                aor.split_once('@').is_some_and(|(user, realm)| {
                    realm.ends_with(".example") && !user.contains([' ', '"', '\\', '\t'])
                })
            })
    };
    if let Some(key) = keys.lines().find(|key| !known(key)) {
        return Err(format!("{place}: there is a key {key:?}"));
    }
    // Some still wait for the endpoint, and one whose contact turns out to be invalid is removed
    // again: that may happen between two of the commands that read it.
    let mut read = Err("not read".to_string());
    let mary = wait_for(PATIENCE, || {
        read = redis.user("mary@a.example");
        read.clone().ok()
    });
    let Some(mary) = mary else {
        return Err(format!("{place}: {}", read.err().unwrap_or_default()));
    };
    if let Some((members, _, _)) = mary {
        let contact = members["contact"].as_str().unwrap_or_default();
        let hook = members["callHook"].as_str().unwrap_or_default();
        if hook != "https://a.example/call"
            || !contact.starts_with("sip:mary")
            || contact.contains([' ', '"', '\r', '\n', '<'])
        {
            return Err(format!("{place}: {members}"));
        }
    }
    let accounts = site.database.sql("SELECT realm FROM registrar_accounts;")?;
    match accounts.contains("silent.example") {
        true => Ok(()),
        false => Err(format!("{place}: accounts are gone: {accounts}")),
    }
}

fn apostrophe(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "o'brien", "a.example")?;
    device.register()?;
    let (members, _, _) = site
        .redis
        .user("o'brien@a.example")?
        .ok_or("not in Redis")?;
    if members["contact"] != device.contact() {
        return Err(format!("{members}"));
    }
    let request = Request::register().contact(format!("<{}>;expires=0", device.contact()));
    expect(device.authorize(&request, "secret")?, 200)?;
    match site.redis.is_empty_of("o'brien@a.example")? {
        true => Ok(()),
        false => Err("it is still in Redis".to_string()),
    }
}

/// Some readers take each for a header of ours, others for a different header or none.
const FORGED: [&[u8]; 18] = [
    b"X-Call-Hook\r\n : https://evil.example\r\n",
    b"X-Call-Hook\r\n\t: https://evil.example\r\n",
    b"A\0\r\nX-Call-Hook: https://evil.example\r\n",
    b"A: b\0\r\nX-Call-Hook: https://evil.example\r\n",
    b"A: b\rX-Call-Hook: https://evil.example\r\n",
    b"A: b\r\r\nX-Call-Hook: https://evil.example\r\n",
    b"\rX-Call-Hook: https://evil.example\r\n",
    b"\x0bX-Call-Hook: https://evil.example\r\n",
    b"\x0cX-Call-Hook: https://evil.example\r\n",
    b"\xa0X-Call-Hook: https://evil.example\r\n",
    b"X-Call-Hook\x0c: https://evil.example\r\n",
    b"X-Call-Hook\0: https://evil.example\r\n",
    b"X-Call-Hook https://evil.example\r\n",
    b"Junk\r\nX-Call-Hook: https://evil.example\r\n",
    b"A B\r\nX-Registered-User: evil@a.example\r\n",
    b"\"A\r\nX-Registered-User: evil@a.example\r\n",
    b"A: b\nX-Registered-User: evil@a.example\r\n",
    b"A: b\n\nX-Registered-User: evil@a.example\r\n\r\n",
];

fn forged(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    let invite = |number: usize, lines: &[u8], last: bool| {
        let local = &device.local;
        let head = format!(
            "INVITE sip:100@a.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bKf{}x{number}\r\n",
            std::process::id()
        );
        let rest = format!(
            "Max-Forwards: 70\r\nFrom: <sip:mary@a.example>;tag=f\r\n\
             To: <sip:100@a.example>\r\nCall-ID: f-{local}-{number}\r\nCSeq: 1 INVITE\r\n\
             Contact: <{}>\r\nContent-Length: 0\r\n",
            device.contact()
        );
        let parts = match last {
            true => [head.as_bytes(), rest.as_bytes(), lines],
            false => [head.as_bytes(), lines, rest.as_bytes()],
        };
        [&parts.concat()[..], b"\r\n"].concat()
    };
    let requests: Vec<Vec<u8>> = FORGED
        .iter()
        .flat_map(|lines| [(lines, false), (lines, true)])
        .enumerate()
        .map(|(number, (lines, last))| invite(number, lines, last))
        .collect();
    device.patience(Duration::from_secs(1));
    for request in requests {
        device.send_raw(&request)?;
        // OpenSIPS does not even parse some of them.
        while let Ok(answer) = device.receive_any() {
            // A late answer is of an earlier one.
            let of = format!(
                "Call-ID: {}\r\n",
                answer.header("Call-ID").unwrap_or_default()
            );
            if !request.windows(of.len()).any(|part| part == of.as_bytes()) {
                continue;
            }
            let shown = String::from_utf8_lossy(&request);
            expect(answer, 400).map_err(|e| format!("{shown:?}: {e}"))?;
            break;
        }
    }
    hop.silent()
}

/// Whatever Redis contains, a header is one line, and a URL.
fn foreign(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let hop = Hop::new(site)?;
    let key = "user:mary@a.example";
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    let (ours, ..) = site.redis.user("mary@a.example")?.ok_or("not in Redis")?;
    let with = |name: &str, value: &str| {
        let mut theirs = ours.clone();
        theirs[name] = value.into();
        let theirs = theirs.to_string();
        let set = site.redis.cli(&["SET", key, &theirs, "EX", "3000"]);
        set.map(drop)
    };
    for evil in [
        "https://x\0\r\nX-Registered-User: evil@a.example",
        "https://x\r\nX-Registered-User: evil@a.example",
        "https://x\nX-Registered-User: evil@a.example",
        "https://x\rX-Registered-User: evil@a.example",
        "\0\r\nX-Registered-User: evil@a.example",
        "https://x X-Registered-User: evil@a.example",
        "https://x\u{7f}",
        "https://x\u{85}y",
        "https://x/\u{e4}",
        "",
    ] {
        with("callHook", evil)?;
        device.new_call();
        refused(
            device.ask(&Request::invite())?,
            403,
            "Calls are not allowed",
        )
        .map_err(|e| format!("{evil}: {e}"))?;
        with("callStatusHook", evil)?;
        device.new_call();
        device.send(&Request::invite())?;
        let invite = hop.answer("INVITE", "486 Busy Here")?;
        expect(device.receive()?, 486)?;
        if headers(&invite, "X-Call-Hook") != ["https://a.example/call"]
            || !headers(&invite, "X-Call-Status-Hook").is_empty()
            || headers(&invite, "X-Registered-User") != ["mary@a.example"]
        {
            return Err(format!("{evil}:\n{invite}"));
        }
    }
    // What cannot be read is not a registration, and does not fall back to what was read before.
    let text = ours.to_string();
    let cut = text.get(..text.len() - 1).unwrap_or_default();
    let past = text.replace(&ours["expiryTime"].to_string(), "1700000000000");
    let far = text.replace(&ours["expiryTime"].to_string(), "99999999999999999");
    for theirs in ["", "x", "[]", "{}", "null", "1", cut, &past, &far] {
        site.redis.cli(&["SET", key, theirs, "EX", "3000"])?;
        device.new_call();
        expect(device.ask(&Request::invite())?, 407).map_err(|e| format!("{theirs}: {e}"))?;
    }
    device.register()?;
    hop.silent()
}

/// Nor does a grant or a token introduce anything that is not a header line.
fn grants(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    for user in ["lines", "nul"] {
        let mut device = Device::new(site, user, "a.example")?;
        expect(device.authorize(&Request::register(), "secret")?, 503)?;
        device.new_call();
        expect(device.authorize(&Request::invite(), "secret")?, 503)?;
        if !site.redis.is_empty_of(&format!("{user}@a.example"))? {
            return Err(format!("{user} is registered"));
        }
    }
    for claim in [
        r#""call_hook":"https://x\r\nX-Registered-User: evil@a.example","#,
        r#""call_hook":"https://x\u0000\r\nX-Registered-User: evil@a.example","#,
        r#""call_hook":"https://x","call_status_hook":"\nX-Registered-User: evil@a.example","#,
    ] {
        let mut device = Device::new(site, "jane", "token.example")?;
        let line = format!("X-JWT: {}", token(claim));
        expect(device.ask(&Request::register().with(line.clone()))?, 401)?;
        device.new_call();
        expect(device.ask(&Request::invite().with(line))?, 407)?;
    }
    Ok(())
}
