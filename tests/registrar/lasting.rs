//! How long a registration lasts, and what a failed request leaves of it.

use harness::registrar::{Site, token_of};
use harness::tokens::now;
use serde_json::Value;

use super::device::{Device, Request, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("no token keeps a contact beyond its end", tokens),
    ("no number keeps a contact for ever", asked),
    ("a request that fails leaves what was there", failed),
    ("signing off removes that contact alone", off),
    ("a contact that is written in another way", written),
    ("a full realm leaves nothing behind", full),
    ("a Redis that refuses leaves usrloc as it was", refusing),
];

/// As in registrar.sh.
const MAX_EXPIRES: u64 = 604_800;

/// How far the seconds of two clocks on a busy machine may differ.
const SLACK: u64 = 20;

/// Everything known about an address of record: the value in Redis, both scores there, and the row
/// in usrloc.
fn kept(group: &Group, user: &str, realm: &str) -> Result<Vec<String>, String> {
    let site = group.site()?;
    let key = format!("user:{user}@{realm}");
    Ok(vec![
        site.redis.cli(&["GET", &key])?,
        site.redis.cli(&["EXPIRETIME", &key]).unwrap_or_default(),
        site.redis.cli(&["ZSCORE", "active-user", &key])?,
        site.redis
            .cli(&["ZSCORE", &format!("active-user:{realm}"), &key])?,
        row(site, user, realm)?,
    ])
}

/// What usrloc has: contact, Call-ID, CSeq and source of each, a line each.
fn row(site: &Site, user: &str, realm: &str) -> Result<String, String> {
    let contacts = site.located(&format!("{user}@{realm}"))?;
    let row = |contact: &Value| {
        let parts = ["Contact", "Callid", "Cseq", "Received"];
        parts
            .map(|part| contact[part].to_string().replace('"', ""))
            .join("\t")
    };
    Ok(contacts.iter().map(row).collect::<Vec<_>>().join("\n"))
}

/// The seconds for which Redis and usrloc keep a contact, and the key's own time to live.
fn seconds(group: &Group, user: &str, realm: &str) -> Result<Vec<u64>, String> {
    let site = group.site()?;
    let aor = format!("{user}@{realm}");
    let (members, left, score) = site.redis.user(&aor)?.ok_or_else(|| format!("no {aor}"))?;
    let end = members["expiryTime"].as_u64().ok_or("no expiryTime")?;
    let of_realm = site.redis.cli(&[
        "ZSCORE",
        &format!("active-user:{realm}"),
        &format!("user:{aor}"),
    ])?;
    let of_realm: u64 = of_realm
        .parse()
        .map_err(|_| format!("score {of_realm:?}"))?;
    let contacts = site.located(&aor)?;
    let row = contacts.first().and_then(|one| one["Expires"].as_u64());
    let row = row.ok_or_else(|| format!("{aor} is not in usrloc: {contacts:?}"))?;
    let now = u64::try_from(now()).map_err(|e| e.to_string())?;
    let until = |end: u64| end.saturating_sub(now);
    Ok(vec![
        left,
        until(end / 1000),
        until(score / 1000),
        until(of_realm / 1000),
        row,
    ])
}

/// Fails unless all of them are this many seconds.
fn lasts(group: &Group, user: &str, realm: &str, wanted: u64) -> Result<(), String> {
    let seconds = seconds(group, user, realm)?;
    match seconds.iter().all(|s| *s <= wanted && s + SLACK >= wanted) {
        true => Ok(()),
        false => Err(format!("{seconds:?}, not {wanted}")),
    }
}

/// A UNIX time with an exponent, to the microsecond.
fn scientific(seconds: i64) -> String {
    let digits = seconds.to_string();
    format!("{}.{}641225E9", &digits[..1], &digits[1..])
}

fn tokens(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let register = |end: &str| {
        let mut device = Device::new(site, "jane", "token.example")?;
        let line = format!("Authorization: Bearer {}", token_of("jane", "", end));
        let contact = format!("<{}>;expires=999999999", device.contact());
        device.ask(&Request::register().contact(contact).with(line))
    };
    // Expiry times as JSON numbers, after one far in the future: each worker has seen it.
    for (end, lasting) in [
        (format!("{}", now() + 100), 100),
        (format!("{}.75", now() + 100), 100),
        (format!("{}.0", now() + 100), 100),
        // As Java writes it.
        (scientific(now() + 100), 100),
        (scientific(now() + 700_000), MAX_EXPIRES),
        ("1.5e10".to_string(), MAX_EXPIRES),
        (format!("{}", now() + 700_000), MAX_EXPIRES),
        (format!("{}000", now() + 100), MAX_EXPIRES),
        ("2147483647".to_string(), MAX_EXPIRES),
        ("2147483648".to_string(), MAX_EXPIRES),
        ("4294967295".to_string(), MAX_EXPIRES),
        ("4294967296".to_string(), MAX_EXPIRES),
        ("9223372036854775807".to_string(), MAX_EXPIRES),
        ("99999999999999999999999".to_string(), MAX_EXPIRES),
    ] {
        for _ in 0..3 {
            let far = (now() + 600_000).to_string();
            for _ in 0..2 {
                expect(register(&far)?, 200)?;
            }
            let answer = register(&end)?;
            // A number that nobody would write may also be refused.
            if lasting == MAX_EXPIRES && end.len() > 13 && answer.status == 401 {
                continue;
            }
            expect(answer, 200).map_err(|e| format!("{end}: {e}"))?;
            lasts(group, "jane", "token.example", lasting).map_err(|e| format!("{end}: {e}"))?;
        }
    }
    // What is not a time admits nobody, and leaves the existing registration alone.
    expect(register(&(now() + 100).to_string())?, 200)?;
    let before = kept(group, "jane", "token.example")?;
    for end in [
        "1e99",
        "-1",
        "0",
        "\"soon\"",
        "true",
        "null",
        "[9999999999]",
    ] {
        expect(register(end)?, 401).map_err(|e| format!("{end}: {e}"))?;
    }
    match kept(group, "jane", "token.example")? == before {
        true => Ok(()),
        false => Err("what was there has changed".to_string()),
    }
}

fn asked(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    // The contact's expiry, the header's, and the resulting time.
    for (contact, header, lasting) in [
        (";expires=0000000060", "", 60),
        (";expires=00060", "Expires: 600", 60),
        ("", "Expires: 600", 600),
        ("", "Expires:   0000000600  ", 600),
        (";expires=2147483647", "", MAX_EXPIRES),
        (";expires=2147483648", "", MAX_EXPIRES),
        ("", "Expires: 4294967295", MAX_EXPIRES),
        (";expires=604801", "", MAX_EXPIRES),
        ("", "", 3600),
    ] {
        let mut device = Device::new(site, "mary", "a.example")?;
        let mut request = Request::register().contact(format!("<{}>{contact}", device.contact()));
        if !header.is_empty() {
            request = request.with(header);
        }
        expect(device.authorize(&request, "secret")?, 200)
            .and(lasts(group, "mary", "a.example", lasting))
            .map_err(|e| format!("{contact} {header}: {e}"))?;
    }
    let before = kept(group, "mary", "a.example")?;
    let wrap = (1_i64 << 32) - now();
    for (contact, header) in [
        (";expires=4294967296".to_string(), ""),
        (format!(";expires={wrap}"), ""),
        (";expires=99999999999999999999".to_string(), ""),
        (";expires=00000000000".to_string(), ""),
        (";expires=-1".to_string(), ""),
        (";expires=1.5".to_string(), ""),
        (";expires=0x0".to_string(), ""),
        (";expires=soon".to_string(), ""),
        (String::new(), "Expires: 4294967296"),
        (String::new(), "Expires: 00000000000"),
        (String::new(), "Expires: 0 600"),
        (String::new(), "Expires: +600"),
        (String::new(), "Expires: 600\r\nExpires: 0"),
        (String::new(), "Expires: 0\r\nExpires: 600"),
    ] {
        let mut device = Device::new(site, "mary", "a.example")?;
        let mut request = Request::register().contact(format!("<{}>{contact}", device.contact()));
        if !header.is_empty() {
            request = request.with(header);
        }
        expect(device.authorize(&request, "secret")?, 400)
            .map_err(|e| format!("{contact} {header}: {e}"))?;
    }
    if kept(group, "mary", "a.example")? != before {
        return Err("what was refused has changed something".to_string());
    }
    // The endpoint cannot exceed the limit either, not even if the device asks for no time.
    let mut device = Device::new(site, "long", "a.example")?;
    let request = Request::register().contact(format!("<{}>", device.contact()));
    expect(device.authorize(&request, "secret")?, 200)?;
    lasts(group, "long", "a.example", MAX_EXPIRES)
}

fn failed(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut mary = Device::new(site, "mary", "a.example")?;
    mary.register()?;
    let cseq = mary.cseq;
    let before = kept(group, "mary", "a.example")?;
    let contact = format!("<{}>", mary.contact());
    let register = |contact: String| Request::register().contact(contact);
    let star = |header: &str| {
        let request = register("*".to_string());
        match header.is_empty() {
            true => request,
            false => request.with(header),
        }
    };
    let other = "<sip:mary@127.0.0.1:9>;expires=600";
    let mut requests = vec![
        star(""),
        star("Expires: 60"),
        star("Expires: 0\r\nContact: *"),
        register(format!("*, {contact}")).with("Expires: 0"),
        register("*;expires=0".to_string()),
        register(format!("{other};q=7")),
        register(format!("{other};q=0.")),
        register(format!("{other};methods=\"INVITE,,ACK\"")),
        register(format!("{other};methods=\"INVITE ACK\"")),
        register(format!("{other};received=\"sip:127.0.0.1:9\"")),
        register("<sip:mary@127.0.0.1:9".to_string()),
        register("<>".to_string()),
        register("<http://127.0.0.1:9>".to_string()),
        register(String::from("sip:a@127.0.0.1:9, sip:b@127.0.0.1:9")),
    ];
    // The same Call-ID with a CSeq that is not higher does not remove what is there.
    for number in [cseq, 1] {
        requests.push(Request {
            cseq: number,
            ..register(format!("{contact};expires=0"))
        });
    }
    for request in requests {
        // From elsewhere, so that it is not a refresh.
        let mut device = Device::new(site, "mary", "a.example")?;
        device.call_id = mary.call_id.clone();
        let challenge = device_challenge(site)?;
        let response = harness::digest::Response::to(&challenge, "mary", "secret", "sip:a.example");
        let line = format!("Authorization: {}", response.header("REGISTER"));
        let request = match request.cseq {
            0 => Request {
                cseq: cseq + 10,
                ..request
            },
            _ => request,
        };
        let answer = device.ask(&request.clone().with(line))?;
        if answer.status != 400 {
            return Err(format!("{request:?}: {answer:?}"));
        }
        let after = kept(group, "mary", "a.example")?;
        if after != before {
            return Err(format!("{request:?}:\n{before:?}\n{after:?}"));
        }
    }
    // For another contact, the CSeq of that Call-ID does not count: a device may restart elsewhere.
    let mut anew = Device::new(site, "mary", "a.example")?;
    anew.call_id = mary.call_id.clone();
    anew.register()?;
    let after = kept(group, "mary", "a.example")?;
    if !after[0].contains(&anew.contact()) || !after[4].contains(&anew.contact()) {
        return Err(format!("it is not where it began anew: {after:?}"));
    }
    mary.register()?;
    // It continues where it was.
    expect(mary.ask(&Request::register())?, 200)?;
    let off = register(format!("{contact};expires=0"));
    expect(mary.authorize(&off, "secret")?, 200)?;
    match site.redis.is_empty_of("mary@a.example")? {
        true => Ok(()),
        false => Err("it is still in Redis".to_string()),
    }
}

/// A nonce for mary.
fn device_challenge(site: &harness::registrar::Site) -> Result<harness::digest::Challenge, String> {
    Device::new(site, "mary", "a.example")?.challenge(&Request::register())
}

fn off(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let key = "user:mary@a.example";
    let mut mary = Device::new(site, "mary", "a.example")?;
    mary.register()?;
    // Another machine has registered her since: this one does not know that contact.
    let value = site.redis.cli(&["GET", key])?;
    let theirs = value.replace(&mary.contact(), "sip:mary@192.0.2.1:5060");
    site.redis.cli(&["SET", key, &theirs, "EX", "3000"])?;
    let request = Request::register().contact(format!("<{}>;expires=0", mary.contact()));
    expect(mary.authorize(&request, "secret")?, 200)?;
    let rows = site.contact("mary@a.example")?;
    if rows.contains("sip:") || site.redis.cli(&["GET", key])? != theirs {
        return Err(format!("usrloc has {rows}"));
    }
    let scores = site.redis.cli(&["ZSCORE", "active-user", key])?;
    if scores.is_empty() {
        return Err("the other's is not an active user any more".to_string());
    }
    // All of her contacts means all, wherever they are.
    let request = Request::register().contact("*").with("Expires: 0");
    expect(mary.authorize(&request, "secret")?, 200)?;
    match site.redis.is_empty_of("mary@a.example")? {
        true => Ok(()),
        false => Err("it is still in Redis".to_string()),
    }
}

/// The same contact by RFC 3261 section 19.1.4, but not byte by byte.
fn written(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut mary = Device::new(site, "mary", "a.example")?;
    let place = mary.local.clone();
    let mut register = |contact: &str, seconds: u32| {
        let contact = format!("<{contact}>;expires={seconds}");
        let request = Request::register().contact(contact);
        expect(mary.authorize(&request, "secret")?, 200).map(drop)
    };
    let ways = [
        format!("sip:mary@{place};a=1;b=2"),
        format!("sip:mary@{place};b=2;a=1"),
        format!("sip:m%61ry@{place};b=2;a=1"),
        format!("sip:mary@{place};b=2"),
        format!("SIP:mary@{place};b=2"),
    ];
    for way in &ways {
        register(way, 600)?;
        let has = kept(group, "mary", "a.example")?;
        // MariaDB prints the column names above it.
        let row = has[4].lines().last().unwrap_or_default();
        let of_usrloc = row.split(['\t', '|']).next().unwrap_or_default();
        if !has[0].contains(&format!("\"{way}\"")) || of_usrloc != way {
            return Err(format!("{way}: {has:?}"));
        }
    }
    // Signed off in another notation, it is removed from both.
    register(&ways[0], 600)?;
    register(&ways[1], 0)?;
    let has = kept(group, "mary", "a.example")?;
    match site.redis.is_empty_of("mary@a.example")? && !has[4].contains("sip:") {
        true => Ok(()),
        false => Err(format!("{has:?}")),
    }
}

/// Places that were taken for a moment are free again, and nobody gets more than there are.
fn full(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    for user in ["one", "two", "three"] {
        let mut device = Device::new(site, user, "limited.example")?;
        let off = Request::register().contact("*").with("Expires: 0");
        expect(device.authorize(&off, "secret")?, 200)?;
    }
    let registered = std::thread::scope(|scope| {
        let register = |user: &'static str| {
            scope.spawn(move || {
                let mut device = Device::new(site, user, "limited.example")?;
                device.authorize(&Request::register(), "secret")
            })
        };
        let all: Vec<_> = ["one", "two", "three", "one", "two", "three"]
            .map(register)
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a panic".to_string())?)
            .collect();
        all.into_iter().collect::<Result<Vec<_>, String>>()
    })?;
    for user in ["one", "two", "three"] {
        let has = kept(group, user, "limited.example")?;
        let in_redis = !has[0].is_empty();
        let in_usrloc = has[4].contains("sip:");
        let scores = has[2] == has[3] && has[2].is_empty() != in_redis;
        let contact = |text: &str| {
            let at = text.find("device=").unwrap_or(0);
            let rest = text.get(at..).unwrap_or_default();
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '=')
                .next()
                .map(str::to_string)
        };
        if in_redis != in_usrloc || !scores || (in_redis && contact(&has[0]) != contact(&has[4])) {
            return Err(format!("{user}: {has:?}"));
        }
    }
    let count = site.redis.cli(&["ZCARD", "active-user:limited.example"])?;
    match registered.iter().any(|answer| answer.status == 503) && count == "2" {
        true => Ok(()),
        false => Err(format!("{count} registered: {registered:?}")),
    }
}

/// Commands for redis-cli.
type Commands<'a> = &'a [&'a [&'a str]];

/// Redis answers with an error: the users' key has another type, or there is no memory left.
fn refusing(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let redis = &site.redis;
    let mut mary = Device::new(site, "mary", "a.example")?;
    mary.register()?;
    let off = Request::register().contact("*").with("Expires: 0");
    let mut john = Device::new(site, "john", "a.example")?;
    expect(john.authorize(&off, "secret")?, 200)?;
    let before = (
        kept(group, "mary", "a.example")?,
        kept(group, "john", "a.example")?,
    );
    let broken: [(Commands, Commands); 3] = [
        (
            &[
                &["RENAME", "active-user", "away"],
                &["SET", "active-user", "x"],
            ],
            &[&["DEL", "active-user"], &["RENAME", "away", "active-user"]],
        ),
        (
            &[
                &["RENAME", "active-user:a.example", "away"],
                &["SET", "active-user:a.example", "x"],
            ],
            &[
                &["DEL", "active-user:a.example"],
                &["RENAME", "away", "active-user:a.example"],
            ],
        ),
        (
            &[&["CONFIG", "SET", "min-replicas-to-write", "1"]],
            &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
        ),
    ];
    for (breaks, mends) in broken {
        for words in breaks {
            redis.cli(words)?;
        }
        let mut answers = Vec::new();
        for user in ["mary", "john"] {
            let mut device = Device::new(site, user, "a.example")?;
            answers.push(device.authorize(&Request::register(), "secret"));
        }
        for words in mends {
            redis.cli(words)?;
        }
        for answer in answers {
            expect(answer?, 503).map_err(|e| format!("{breaks:?}: {e}"))?;
        }
        let after = (
            kept(group, "mary", "a.example")?,
            kept(group, "john", "a.example")?,
        );
        if after != before {
            return Err(format!("{breaks:?}:\n{before:?}\n{after:?}"));
        }
    }
    Ok(())
}
