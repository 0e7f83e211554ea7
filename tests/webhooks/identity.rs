//! A user acts in the name that was proven, and in no other: what the module checks is what the
//! core and the script see.

use std::time::Duration;

use harness::core::Core;
use harness::device::{Device, Question, Reply};
use harness::digest::Challenge;
use harness::script::Script;

use super::decisions::BOTH;
use super::group::{Group, Scenario};
use super::setting::{Setting, script};

/// The trials on a core that checks nonces.
pub const SCENARIOS: &[Scenario] = &[
    ("another name behind an escaped quote", two_parsers),
    ("headers that the core does not see", two_views),
    ("a name is that of the address of record", names),
    ("the endpoint names the address of record", named),
    ("a count that is not hashed", uncounted),
    ("line ends and NUL in a grant", lines),
    ("load_authorization", proof),
    ("several contacts", contacts),
    ("check_headers", checked),
    ("functions that read a request", functions),
];

/// Nonces are not checked, and endpoints belong to realms: only a.example and c.example have one.
pub fn unvouched(setting: &Setting, core: &Core) -> Result<Script, String> {
    let url = setting.endpoint()?.url();
    let rows = ["a.example", "b.example"].map(|realm| [realm, &url, "", "", "", ""]);
    let database = setting.database(setting.simple_backend(core), &rows)?;
    Ok(script().database(&database).set("nonce_check", 0))
}

/// The trials there.
pub const UNVOUCHED: &[Scenario] = &[("nonce_check=0: another realm's user", other_realm)];

/// The script checks names itself.
pub fn left_to_the_script(setting: &Setting, core: &Core) -> Result<Script, String> {
    unvouched(setting, core).map(|script| script.set("aor_check", 0))
}

/// The trials there.
pub const LEFT_TO_THE_SCRIPT: &[Scenario] = &[("aor_check=0", unchecked)];

/// Tight limits, and GET with all headers.
pub fn small(setting: &Setting, core: &Core) -> Result<Script, String> {
    let url = setting.endpoint()?.url();
    let slow = setting.slow()?.fault("hang-before");
    let rows = [
        ["a.example", &url, "GET", "", "", ""],
        ["slow.example", &slow, "", "", "", ""],
    ];
    let database = setting.database(setting.simple_backend(core), &rows)?;
    Ok(script()
        .workers(1)
        .database(&database)
        .set("http_timeout", 2000)
        .set("http_max_inflight", 8)
        .set("http_breaker_failures", 3)
        .set("http_headers", 1)
        .set("nonce_check", 0))
}

/// The trials there.
pub const SMALL: &[Scenario] = &[
    ("a request that no URL can carry", too_long),
    ("one slow endpoint of many", slow),
];

/// How long to wait for an answer that may not come.
const PATIENCE: Duration = Duration::from_millis(500);

/// The right answer to a challenge in this user's name, whoever the request is about.
fn credentials(device: &Device, question: &Question, username: &str) -> Result<String, String> {
    let challenge = device.challenge(question)?;
    let mut response = device.respond(question, &challenge, "secret");
    response.username = username.to_string();
    Ok(response.header(question.method))
}

/// Fails unless the answer has this code, or if, despite a refusal, the endpoint was asked with the
/// nonce of these credentials.
fn expect(
    group: &Group,
    question: &Question,
    value: &str,
    lines: &str,
    code: &str,
) -> Result<Reply, String> {
    let (name, value_line) = match lines.is_empty() {
        true => (question.credentials_header(), value.to_string()),
        false => (lines, value.to_string()),
    };
    let reply = group
        .device()?
        .ask(&question.clone().with(name, value_line))?
        .expect(code)
        .map_err(|e| format!("{name}: {value}: {e}"))?;
    let nonce = value.split("nonce=\"").nth(1).unwrap_or_default();
    let nonce = nonce.split('"').next().unwrap_or_default();
    let asked = group.setting.endpoint()?.asked(nonce) > 0;
    match code == "-6" && asked {
        true => Err(format!("the endpoint was asked about {value}")),
        false => Ok(reply),
    }
}

fn two_parsers(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for method in ["REGISTER", "INVITE"] {
            // The address of record is alice's, the password john's, or the other way round.
            for (whose, prover, other) in [("alice", "john", "alice"), ("john", "john", "alice")] {
                let question = Question {
                    method,
                    ..Question::register(service, whose, "a.example")
                };
                for more in [
                    format!(", opaque=\"\\\", username={other}, z=\\\"\""),
                    format!(", opaque=\"\\\\\\\", username={other}, z=\\\"\""),
                    format!(", opaque=\"x\\\", username=\\\"{other}\\\", z=\\\"\""),
                    format!(", auts=\"\\\", username=\\\"{other}\\\", realm=\\\"b.example\\\"\""),
                    format!(", username=\"{other}\""),
                    format!(",username ={other}"),
                    format!(", USERNAME=\"{other}\""),
                    format!(", username*=UTF-8''{other}"),
                    ", realm=\"b.example\"".to_string(),
                    ", nonce=\"x\"".to_string(),
                    ", x=1, x=2".to_string(),
                    ", uri=\"sip:x\"".to_string(),
                ] {
                    let value = credentials(&device, &question, prover)? + &more;
                    expect(group, &question, &value, "", "-6")?;
                }
                let good = credentials(&device, &question, prover)?;
                let parameters = good.trim_start_matches("Digest ");
                for value in [
                    format!("Digest username=\"{other}\", {parameters}"),
                    format!("Digest username*=UTF-8''{other}, {parameters}"),
                    format!("Digest x=\"\\\", username={other}, z=\\\"\", {parameters}"),
                    format!("Digest\x0c{parameters}"),
                    format!("Digest,{parameters}"),
                    good.replace("username=\"john\"", "username=\"\\john\""),
                    good.replace("username=\"john\"", "username=\"john\\\\\""),
                    good.replace("realm=\"a.example\"", "realm=\"\\a.example\""),
                    good.replace("username=\"john\"", "username=\"john\r\n \""),
                    good.replace("username=\"john\"", "username=\"john\0alice\""),
                ] {
                    expect(group, &question, &value, "", "-6")?;
                }
            }
        }
        // A token says nothing about whom the other header names.
        let question = Question::register(service, "alice", "a.example");
        let token = "Bearer eyJhbGciOiJub25lIn0.e30.anybody";
        for names in [
            ["Authorization", "Proxy-Authorization"],
            ["Proxy-Authorization", "Authorization"],
        ] {
            let both = question.clone().with(names[0], token);
            let both = both.with(names[1], "Digest username=\"alice\"");
            device.ask(&both)?.expect("-6")?;
        }
    }
    Ok(())
}

fn two_views(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let worthless = "Digest username=\"alice\", realm=\"a.example\", nonce=\"n\", \
                     uri=\"sip:a\", response=\"00000000000000000000000000000000\"";
    for service in BOTH {
        let question = Question::register(service, "alice", "a.example");
        for name in [
            "Junk\r\nAuthorization",
            "\x0cAuthorization",
            "\x0bAuthorization",
            "X: y\r\x20Authorization",
            "X: y\rAuthorization",
            "\rAuthorization",
            "A\0\r\nAuthorization",
            "X-Call-Hook\r\n : https://evil\r\nAuthorization",
            "X-\u{e4}: y\r\nAuthorization",
            "X (Y): y\r\nAuthorization",
            "Authorization\t",
            "Proxy-Authorization\t",
        ] {
            let value = credentials(&device, &question, "john")?;
            for before in [true, false] {
                let both = match before {
                    true => question.clone().with("Authorization", worthless),
                    false => question.clone(),
                };
                // Some of these are not even parsed as a request: then there is no answer, and the
                // endpoint is not asked either.
                let sent = both.with(name, value.as_str());
                device.send(&sent)?;
                let answer = device.receive(PATIENCE);
                if let Ok(reply) = answer
                    && reply.code() != "-6"
                    && (reply.status < 400 || !reply.code().is_empty())
                {
                    return Err(format!("{name:?}: {reply:?}"));
                }
            }
            let nonce = value.split("nonce=\"").nth(1).unwrap_or_default();
            let nonce = nonce.split('"').next().unwrap_or_default();
            if group.setting.endpoint()?.asked(nonce) != 0 {
                return Err(format!("{name:?}: the endpoint was asked"));
            }
        }
        // A header name in another notation is the same for all.
        for name in ["authorization", "AUTHORIZATION ", "Authorization  "] {
            let question = Question::register(service, "john", "a.example");
            let value = credentials(&device, &question, "john")?;
            expect(group, &question, &value, name, "1")?;
        }
    }
    Ok(())
}

fn names(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for method in ["REGISTER", "INVITE"] {
            for (aor, username, code) in [
                ("john", "john", "1"),
                ("john", "john@a.example", "1"),
                ("j%6Fhn", "john", "1"),
                ("alice", "john", "-7"),
                ("JOHN", "john", "-7"),
                ("johnny", "john", "-7"),
                ("john%00", "john", "-6"),
                ("john%0d%0aX", "john", "-6"),
                ("john%20", "john", "-7"),
                // Accounts with unusual names are nobody else.
                ("alice", "alice@evil.example", "-7"),
                ("alice%40evil.example", "alice@evil.example", "1"),
                ("alice", "%61lice", "-7"),
                ("%61lice", "%61lice", "-7"),
                ("%2561lice", "%61lice", "1"),
                ("%61lice", "alice", "1"),
            ] {
                let question = Question {
                    method,
                    ..Question::register(service, aor, "a.example")
                };
                let value = credentials_or_none(&device, &question, username)?;
                expect(group, &question, &value, "", code)
                    .map_err(|e| format!("{method} of {aor} by {username}: {e}"))?;
            }
        }
        // To counts in a REGISTER, whatever From says: another user there does neither harm nor
        // good.
        let question = Question::register(service, "john", "a.example");
        let value = credentials(&device, &question, "john")?;
        expect(group, &question, &value, "", "1")?;
    }
    let since = group.log_length();
    let question = Question::register("plain", "alice", "a.example");
    let value = credentials(&device, &question, "john")?;
    expect(group, &question, &value, "", "-7")?;
    group.expect_log(since, &["(-7)", "user \"john\" is not alice@a.example"])
}

/// Credentials made without a challenge if the address is refused before one is sent.
fn credentials_or_none(
    device: &Device,
    question: &Question,
    username: &str,
) -> Result<String, String> {
    match question.user.contains("%00") || question.user.contains("%0d") {
        true => Ok(unasked(device, question, "a.example", "secret")),
        false => credentials(device, question, username),
    }
}

fn named(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for (aor, username, code) in [
            ("18005550100*102", "58614006", "1"),
            ("18005550100%2A102", "58614006", "1"),
            ("58614006", "58614006", "-7"),
            ("alice", "58614006", "-7"),
            ("john", "renamed", "1"),
            ("renamed", "renamed", "-7"),
            ("wrong-aor", "wrong-aor", "-5"),
            ("number-aor", "number-aor", "-5"),
        ] {
            let question = Question::register(service, aor, "a.example");
            let value = credentials(&device, &question, username)?;
            let reply = expect(group, &question, &value, "", code)
                .map_err(|e| format!("{aor} by {username}: {e}"))?;
            let granted = reply.header("X-Grant").contains("\"ok\"");
            if granted != (code == "1") {
                return Err(format!("a grant that does not count: {reply:?}"));
            }
        }
        // In b there is no such address.
        let question = Question::register(service, "john", "b.example");
        let token = "Bearer eyJhbGciOiJub25lIn0.e30.letmein";
        device
            .ask(&question.with("Authorization", token))?
            .expect("-7")?;
    }
    Ok(())
}

fn uncounted(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let challenge = device.challenge(&question)?;
        let mut response = device.respond(&question, &challenge, "secret");
        response.qop = None;
        let value = response.header("REGISTER");
        let with = |count: &str| {
            question
                .clone()
                .with("Authorization", format!("{value}, {count}"))
        };
        device
            .ask(&with("nc=00000001, cnonce=\"c\""))?
            .expect("1")?;
        for count in [
            "nc=00000002",
            "nc=00000002, cnonce=\"c\"",
            "nc=0000000a, cnonce=\"d\"",
        ] {
            device
                .ask(&with(count))?
                .expect("-3")
                .map_err(|e| format!("{count}: {e}"))?;
        }
        device
            .ask(&question.clone().with("Authorization", value.as_str()))?
            .expect("-3")?;
    }
    Ok(())
}

fn lines(group: &Group) -> Result<(), String> {
    let since = group.log_length();
    for service in BOTH {
        for (user, code) in [
            ("cut", "-5"),
            ("folded", "-5"),
            ("inside", "1"),
            ("aside", "1"),
        ] {
            let question = Question::register(service, user, "a.example");
            let reply = group.authorize(&question, code)?;
            if code == "-5" && !reply.header("X-Grant").contains("null") {
                return Err(format!("a grant that does not count: {reply:?}"));
            }
        }
    }
    group.expect_log(since, &["member \"call_hook\" has a CR, LF or NUL"])
}

fn proof(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "%61lice", "A.example");
        let question = question.with("X-Realm", "a.example");
        let value = credentials(&device, &question, "alice")?;
        let shown = "Authorization|digest|alice|a.example|00000001|alice@a.example";
        expect(group, &question, &value, "", "1")?.expect_header("X-Proof", shown)?;
        let question = Question {
            method: "INVITE",
            ..Question::register(service, "john", "a.example")
        };
        let value = credentials(&device, &question, "john@a.example")?;
        let shown = "Proxy-Authorization|digest|john@a.example|a.example|00000001|john@a.example";
        expect(group, &question, &value, "", "1")?.expect_header("X-Proof", shown)?;
        // For users who are not admitted, nothing is proven.
        let question = Question::register(service, "alice", "a.example");
        let value = credentials(&device, &question, "john")?;
        let nothing = "<null>|<null>|<null>|<null>|<null>|<null>";
        expect(group, &question, &value, "", "-7")?.expect_header("X-Proof", nothing)?;
    }
    Ok(())
}

fn contacts(group: &Group) -> Result<(), String> {
    for (first, more, expected) in [
        (";expires=0", "<sip:b@127.0.0.1>;expires=604800", "604800"),
        (";expires=0, <sip:b@127.0.0.1>;expires=604800", "", "604800"),
        (";expires=30", "<sip:b@127.0.0.1>;expires=20", "30"),
        (";expires=0", "<sip:b@127.0.0.1>", "<null>"),
        (";expires=0", "<sip:b@127.0.0.1>;expires=0", "0"),
    ] {
        for service in BOTH {
            for name in ["Contact", "m"] {
                let question = Question::register(service, "john", "a.example").contact(first);
                let question = match more.is_empty() {
                    true => question,
                    false => question.with(name, more),
                };
                let result = format!("1|{expected}|<null>|<null>|<null>|0");
                group
                    .authorize(&question, "1")?
                    .expect_header("X-Result", &result)?;
            }
        }
    }
    let mut many = Question::register("plain", "john", "a.example");
    for number in 0..16 {
        many = many.with("Contact", format!("<sip:{number}@127.0.0.1>;expires=0"));
    }
    group.device()?.ask(&many)?.expect("-6").map(drop)
}

fn checked(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        Question::register("headers", "john", "a.example").with(name, value)
    };
    for good in [
        "X-Any: thing",
        "X-Folded: one\r\n two",
        "x-empty: ",
        "Subject  : y",
        "k: path\r\nf2: x",
        "!%*_+`'~-.: y",
    ] {
        device
            .ask(&question(good))?
            .expect("1")
            .map_err(|e| format!("{good:?}: {e}"))?;
    }
    let since = group.log_length();
    let mut refused = 0;
    for bad in [
        "Junk\r\nX-A: b",
        "X-Call-Hook\r\n : https://evil",
        "A\0\r\nX-Call-Hook: https://evil",
        "X-A: b\rX-B",
        "X-A: b\0",
        "X A: b",
        "Proxy-Authorization\t: b",
        "Via \t: SIP/2.0/UDP 192.0.2.1",
        "t: <sip:alice@a.example>",
        "\x0cX-A: b",
        "To: <sip:alice@a.example>",
        "t: <sip:john@a.example>",
        "F: <sip:john@a.example>;tag=1",
        "Expires: 60\r\nexpires: 0",
        "CSeq: 1 REGISTER",
        "l: 0",
    ] {
        device.send(&question(bad))?;
        match device.receive(PATIENCE) {
            Ok(reply) if reply.code() == "-1" => refused += 1,
            // The core itself does not parse some of these as a request.
            Ok(reply) if reply.status >= 400 => {}
            Ok(reply) => return Err(format!("{bad:?}: {reply:?}")),
            Err(_) => {}
        }
    }
    if refused < 9 {
        return Err(format!("only {refused} were refused"));
    }
    for (method, code) in [("register", "-1"), ("Register", "-1"), ("REGISTERS", "1")] {
        let question = Question {
            method,
            ..question("X-Any: thing")
        };
        device
            .ask(&question)?
            .expect(code)
            .map_err(|e| format!("{method}: {e}"))?;
    }
    let mut many = Question::register("headers", "john", "a.example");
    for _ in 0..300 {
        many = many.with("X", "y");
    }
    let reply = device.ask(&many)?.expect("-1")?;
    if !reply
        .header("X-Result")
        .contains("more than 256 header fields")
    {
        return Err(format!("no reason: {reply:?}"));
    }
    group.expect_log(since, &["check_headers", "NUL"])
}

/// What the functions say of requests: service, further headers, return code and output.
fn functions(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let jwt = "eyJhbGciOiJub25lIn0.e30.";
    let bearer = format!("Bearer {jwt}");
    let object = r#"{"method":"POST","url":"wss://a.example"}"#;
    let elsewhere = device.local().replace("127.0.0.1", "127.0.0.2");
    let own = format!("<sip:john@{}>;expires=3600", device.local());
    let source = format!("udp|sip:{}", device.local());
    for (service, headers, code, output) in [
        ("rules", vec![], "1", ""),
        (
            "rules",
            vec![("X-A", "b\nX-B: c")],
            "-1",
            "Lines of the head must end with CR LF",
        ),
        ("no-rule", vec![], "-1", ""),
        ("more-rules", vec![("X-JWT", jwt)], "1", ""),
        (
            "more-rules",
            vec![("X-JWT", jwt), ("Authorization", "Digest")],
            "-1",
            "X-JWT is not the only Authorization",
        ),
        (
            "more-rules",
            vec![("m", "<sip:other@192.0.2.7>")],
            "-1",
            "A call has one contact",
        ),
        ("source", vec![], "1", &source),
        ("target", vec![], "1", "LOCAL"),
        ("target", vec![("m", "<sip:other@192.0.2.7>")], "-1", ""),
        (
            "destination",
            vec![
                ("X-One", "sip:a@[2001:db8::7]:5060;x"),
                ("X-Other", "sip:[2001:DB8:0::7]:5060"),
            ],
            "1",
            "",
        ),
        (
            "destination",
            vec![
                ("X-One", "sip:a.example"),
                ("X-Other", "sips:a@A.example;y=z"),
            ],
            "1",
            "",
        ),
        (
            "destination",
            vec![
                ("X-One", "sip:a.example"),
                ("X-Other", "sip:a.example:5060"),
            ],
            "-1",
            "",
        ),
        (
            "destination",
            vec![
                ("X-One", "sip:a.example"),
                ("X-Other", "sip:a.example;maddr=b.example"),
            ],
            "-1",
            "",
        ),
        ("destination", vec![("X-One", "sip:a.example")], "-1", ""),
        (
            "contacts",
            vec![("Contact", "<sip:old@192.0.2.7>;expires=0")],
            "1",
            "LOCAL",
        ),
        (
            "contacts",
            vec![("Contact", "<sip:new@192.0.2.7>")],
            "-2",
            "",
        ),
        (
            "contacts",
            vec![("Contact", "<sip:a%zz@192.0.2.7>;expires=0")],
            "-4",
            "",
        ),
        ("contacts", vec![("Contact", &own)], "1", "LOCAL"),
        (
            "contacts",
            vec![("Contact", "<sip:old@192.0.2.7>;expires=0;methods=\"X-FOO\"")],
            "1",
            "LOCAL",
        ),
        ("contacts", vec![("Expires", "4294967296")], "-1", ""),
        ("contacts", vec![("Expires", "soon")], "-1", ""),
        ("token", vec![("Authorization", jwt)], "1", jwt),
        (
            "token",
            vec![("Proxy-Authorization", &bearer)],
            "1",
            &bearer,
        ),
        ("token", vec![("X-JWT", jwt)], "1", jwt),
        ("token", vec![], "-1", ""),
        (
            "token",
            vec![("Authorization", "Digest username=\"u\"")],
            "-1",
            "",
        ),
        (
            "token",
            vec![("Authorization", jwt), ("X-JWT", jwt)],
            "-2",
            "",
        ),
        ("options", vec![], "-1", ""),
        ("options", vec![("Require", "Path,outbound")], "-1", ""),
        (
            "options",
            vec![("Require", "gruu, path"), ("Require", "x-a")],
            "1",
            "gruu, x-a",
        ),
        ("options", vec![("Require", "a b")], "-2", ""),
        ("equal", vec![("X-One", "a"), ("X-Other", "a")], "1", ""),
        ("equal", vec![("X-One", "a"), ("X-Other", "A")], "-1", ""),
        ("equal", vec![("X-One", "<null>")], "-1", ""),
        ("equal", vec![], "-1", ""),
        (
            "from",
            vec![("X-Sources", "192.0.2.7:*, 127.0.0.1:*")],
            "1",
            "",
        ),
        ("from", vec![("X-Sources", device.local())], "1", ""),
        ("from", vec![("X-Sources", &elsewhere)], "-1", ""),
        (
            "from",
            vec![("X-Sources", "127.0.0.1:1,127.0.0.1,*,:*")],
            "-1",
            "",
        ),
        ("hook", vec![("X-Hook", object)], "1", "wss://a.example"),
        (
            "hook",
            vec![("X-Hook", "https://a.example")],
            "1",
            "https://a.example",
        ),
        ("hook", vec![("X-Hook", "https://a b")], "-1", ""),
        ("hook", vec![], "-1", ""),
        ("aor", vec![], "1", "john@a.example"),
        (
            "peer",
            vec![("X-Address", "192.0.2.7:9")],
            "1",
            "192.0.2.7:5060",
        ),
        (
            "peer",
            vec![("X-Address", "[2001:DB8:0:0::7]:9")],
            "1",
            "[2001:db8::7]:5062",
        ),
        ("peer", vec![("X-Address", "127.0.0.1")], "-2", ""),
        ("peer", vec![("X-Address", "192.0.2.7@192.0.2.8")], "-1", ""),
        ("peer", vec![], "-1", ""),
    ] {
        let question = Question::register(service, "john", "a.example");
        let with = |question: Question, (name, value): &(&str, &str)| question.with(name, *value);
        let question = headers.iter().fold(question, with);
        let reply = device
            .ask(&question)?
            .expect(code)
            .map_err(|e| format!("{service} {headers:?}: {e}"))?;
        let output = output.replace("LOCAL", &format!("sip:john@{}", device.local()));
        if !output.is_empty() && !reply.header("X-Result").contains(&format!("|{output}|")) {
            return Err(format!(
                "{service} {headers:?}: {output:?} expected: {reply:?}"
            ));
        }
    }
    let ask = |user: &str, domain: &str| device.ask(&Question::register("aor", user, domain));
    ask("%6aohn", "A.example")?.expect("1")?;
    for (user, domain, reason) in [
        ("john", "192.0.2.7", "Realm is an IP address"),
        ("jo%20hn", "a.example", "Invalid address of record"),
        ("john", "a_b", "Invalid address of record"),
    ] {
        let reply = ask(user, domain)?.expect("-1")?;
        if !reply.header("X-Result").contains(reason) {
            return Err(format!("{user}@{domain}: {reply:?}"));
        }
    }
    Ok(())
}

/// Credentials whose nonce nobody issued.
fn unasked(device: &Device, question: &Question, realm: &str, password: &str) -> String {
    let challenge = Challenge {
        realm: realm.to_string(),
        nonce: format!("nobody-made-{}", question.user),
        algorithm: "MD5".to_string(),
        qop: None,
        opaque: None,
        stale: false,
    };
    device
        .respond(question, &challenge, password)
        .header(question.method)
}

/// john of b is not john of a, whose endpoint does not know him.
fn other_realm(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for (domain, realm, password, code) in [
            ("a.example", "a.example", "secret", "1"),
            ("a.example", "A.EXAMPLE", "secret", "-1"),
            ("b.example", "b.example", "other", "1"),
            ("a.example", "b.example", "other", "-7"),
            ("b.example", "a.example", "secret", "-7"),
            ("c.example", "a.example", "secret", "-7"),
            ("c.example", "c.example", "secret", "-1"),
        ] {
            let question = Question::register(service, "john", domain);
            let value = unasked(&device, &question, realm, password);
            let reply = device.ask(&question.with("Authorization", value))?;
            reply
                .expect(code)
                .map_err(|e| format!("{realm} for {domain}: {e}"))?;
        }
    }
    Ok(())
}

fn unchecked(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "alice", "a.example");
        let johns = Question::register(service, "john", "a.example");
        let value = unasked(&device, &johns, "a.example", "secret");
        let value = value.replace(&device.uri(&johns), &device.uri(&question));
        let shown = "Authorization|digest|john|a.example|<null>|alice@a.example";
        device
            .ask(&question.with("Authorization", value))?
            .expect("1")?
            .expect_header("X-Proof", shown)?;
        let token = "Bearer eyJhbGciOiJub25lIn0.e30.anybody";
        let question = Question::register(service, "alice", "a.example");
        device
            .ask(&question.with("Authorization", token))?
            .expect("1")?;
        // The endpoint is that of the request, not the one named by the credentials.
        let question = Question::register(service, "john", "c.example");
        let value = unasked(&device, &question, "a.example", "secret");
        device
            .ask(&question.with("Authorization", value))?
            .expect("-1")?;
    }
    Ok(())
}

fn too_long(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let since = group.log_length();
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let value = unasked(&device, &question, "a.example", "secret");
        let question = question.with("Authorization", value);
        // More often than it takes to leave an endpoint alone.
        for _ in 0..5 {
            let long = question.clone().with("X-Long", "y".repeat(9000));
            device.ask(&long)?.expect("-5")?;
        }
        device.ask(&question)?.expect("1")?;
    }
    group.expect_log(since, &["a GET with a query of", "use POST"])
}

fn slow(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let since = group.log_length();
    let slow = Question::register("async", "john", "slow.example");
    let value = unasked(&device, &slow, "slow.example", "secret");
    let slow = slow.with("Authorization", value);
    // A first lookup in the database takes another path.
    device.ask(&slow)?.expect("-5")?;
    let waiting = group.device()?;
    for _ in 0..16 {
        waiting.send(&slow)?;
    }
    let question = Question::register("async", "john", "a.example");
    let value = unasked(&device, &question, "a.example", "secret");
    device
        .ask(&question.with("Authorization", value))?
        .expect("1")?;
    group.expect_log(
        since,
        &["4 requests to this endpoint are under way already"],
    )
}
