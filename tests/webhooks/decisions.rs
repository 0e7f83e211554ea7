//! What the endpoint answers, and its effect in the script.

use harness::core::Core;
use harness::device::{Device, Question};
use harness::script::Script;
use harness::sipp::{self, Run};
use serde_json::{Value, json};

use super::group::{Group, Scenario};
use super::setting::{Setting, script_with_memory};

/// The seconds that `blacklist: true` stands for here.
pub const BLACKLIST_TIME: i64 = 2;

/// Endpoints by realm, no default; bans and nonce counts in memory.
pub fn script(setting: &Setting, core: &Core) -> Result<Script, String> {
    let url = setting.endpoint()?.url();
    let rows = ["a.example", "b.example"].map(|realm| [realm, &url, "", "", "", ""]);
    let database = setting.database(setting.simple_backend(core), &rows)?;
    Ok(script_with_memory()
        .database(&database)
        .set("http_timeout", 3000)
        .set("blacklist_time", BLACKLIST_TIME))
}

/// The trials.
pub const SCENARIOS: &[Scenario] = &[
    ("admitted and denied, SIPp", by_sipp),
    ("answers of the endpoint", answers),
    ("granted expires", expires),
    ("what the endpoint is asked", question),
    ("without optional outputs", short),
    ("INVITE", invite),
    ("a bearer token", bearer),
    ("several URLs", several),
];

/// The services of the test script that differ only in who waits.
pub const BOTH: [&str; 2] = ["plain", "async"];

fn by_sipp(group: &Group) -> Result<(), String> {
    let hooked = "1|3600|<null>|https://hooks.example/call|\
                  {\"method\":\"POST\",\"url\":\"https://hooks.example/status\"}|42";
    let admitted = [
        (
            "john",
            "secret",
            "a.example",
            "Expires: 3600",
            "1|3600|<null>|<null>|<null>|0",
        ),
        (
            "john",
            "other",
            "b.example",
            "Expires: 3600",
            "1|3600|<null>|<null>|<null>|0",
        ),
        (
            "john",
            "secret",
            "a.example",
            "X-None: 1",
            "1|<null>|<null>|<null>|<null>|0",
        ),
        (
            "short",
            "secret",
            "a.example",
            "Expires: 3600",
            "1|60|<null>|<null>|<null>|0",
        ),
        (
            "short",
            "secret",
            "a.example",
            "Expires: 30",
            "1|30|<null>|<null>|<null>|0",
        ),
        (
            "long",
            "secret",
            "a.example",
            "Expires: 3600",
            "1|3600|<null>|<null>|<null>|0",
        ),
        (
            "long",
            "secret",
            "a.example",
            "X-None: 1",
            "1|86400|<null>|<null>|<null>|0",
        ),
        (
            "hello",
            "secret",
            "a.example",
            "Expires: 3600",
            "1|3600|welcome, friend|<null>|<null>|0",
        ),
        ("hooked", "secret", "a.example", "Expires: 3600", hooked),
    ];
    let denied = [
        (
            "john",
            "wrong",
            "a.example",
            "Expires: 3600",
            "-1|<null>|wrong password|<null>|<null>|0",
        ),
        (
            "nobody",
            "secret",
            "a.example",
            "Expires: 3600",
            "-1|<null>|unknown user|<null>|<null>|0",
        ),
        (
            "suspended",
            "secret",
            "a.example",
            "Expires: 3600",
            "-1|<null>|suspended|<null>|<null>|0",
        ),
        (
            "john",
            "secret",
            "nowhere.example",
            "Expires: 3600",
            "-1|<null>|<null>|<null>|<null>|0",
        ),
        (
            "john",
            "secret",
            "b.example",
            "Expires: 3600",
            "-1|<null>|wrong password|<null>|<null>|0",
        ),
    ];
    let invited = [(
        "john",
        "secret",
        "a.example",
        "X-None: 1",
        "1|<null>|<null>|<null>|<null>|0",
    )];
    let port = group.port()?;
    let runs: [(&str, &[_]); 3] = [
        ("http_admitted", &admitted),
        ("http_denied", &denied),
        ("http_invite", &invited),
    ];
    for (scenario, cases) in runs {
        let rows: Vec<Vec<String>> = cases
            .iter()
            .map(|(user, password, domain, expires, result)| {
                let credentials = format!("[authentication username={user} password={password}]");
                let row = [*user, &credentials, domain, expires, result];
                row.map(str::to_string).to_vec()
            })
            .collect();
        for service in BOTH {
            let run = Run {
                scenario,
                service,
                rows: &rows,
            };
            sipp::run(&run, port, &group.setting.folder())?;
        }
    }
    Ok(())
}

/// User, password, and the resulting values in the script: code, expires, message, hooks, number.
const ANSWERS: &[(&str, &str, &str)] = &[
    (
        "message",
        "secret",
        "1|3600|as newer endpoints call it|<null>|<null>|0",
    ),
    // Nothing that could end a header in the reply.
    (
        "lines",
        "secret",
        "1|3600|one  X-Injected: two|<null>|<null>|0",
    ),
    ("shouting", "secret", "1|3600|<null>|<null>|<null>|0"),
    ("nothing", "secret", "-5|<null>|<null>|<null>|<null>|0"),
    ("odd", "secret", "-1|<null>|<null>|<null>|<null>|0"),
    // Nothing said.
    ("zero", "secret", "1|3600|<null>|<null>|<null>|0"),
    ("negative", "secret", "-5|<null>|<null>|<null>|<null>|0"),
    ("word", "secret", "-5|<null>|<null>|<null>|<null>|0"),
    ("fraction", "secret", "-5|<null>|<null>|<null>|<null>|0"),
];

fn answers(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for (user, password, result) in ANSWERS {
            let question = Question::register(service, user, "a.example");
            device
                .authorize(&question, password)?
                .expect_header("X-Result", result)?;
        }
        let question = Question::register(service, "hooked", "a.example");
        let grant = device.authorize(&question, "secret")?;
        let grant: Value =
            serde_json::from_str(grant.header("X-Grant")).map_err(|e| e.to_string())?;
        let expected = json!({
            "status": "ok", "limit": 41, "call_hook": "https://hooks.example/call",
            "call_status_hook": {"url": "https://hooks.example/status", "method": "POST"},
        });
        if grant != expected {
            return Err(format!("{service}: grant {grant}"));
        }
    }
    Ok(())
}

fn expires(group: &Group) -> Result<(), String> {
    let since = group.log_length();
    for service in BOTH {
        for (user, contact, header, granted) in [
            ("john", ";expires=300", "600", "300"),
            ("john", "", "600", "600"),
            ("john", ";expires=0", "600", "0"),
            ("john", ";q=0.5;Expires=\"77\"", "", "77"),
            ("text", ";expires=3600", "", "120"),
            ("text", ";expires=30", "", "30"),
            ("long", "", "60", "60"),
            ("short", "", "", "60"),
        ] {
            let mut question = Question::register(service, user, "a.example").contact(contact);
            if !header.is_empty() {
                question = question.with("Expires", header);
            }
            let result = format!("1|{granted}|<null>|<null>|<null>|0");
            group
                .authorize(&question, "1")?
                .expect_header("X-Result", &result)?;
        }
    }
    group.expect_log(
        since,
        &["expires 86400 is more than was requested, it was cut to 60"],
    )
}

fn question(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = Question::register("async", "john", "a.example");
    let challenge = device.challenge(&question)?;
    let mut response = device.respond(&question, &challenge, "secret");
    response.opaque = Some("a, quoted \\ opaque".to_string());
    device.ask_with(&question, &response)?.expect("1")?;
    let asked = group.setting.endpoint()?.request(&challenge.nonce)?;
    let members = asked["asked"].as_object().ok_or("no members")?;
    let fixed = json!({
        "method": "REGISTER", "expires": 3600, "scheme": "digest", "username": "john",
        "realm": "a.example", "nonce": challenge.nonce, "uri": response.uri, "qop": "auth",
        "nc": "00000001", "cnonce": "6b8b4567", "algorithm": "MD5", "opaque": response.opaque,
        "source_address": "127.0.0.1",
    });
    for (name, value) in fixed.as_object().ok_or("no members")? {
        if members.get(name) != Some(value) {
            return Err(format!("{name} should be {value}: {asked}"));
        }
    }
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    names.retain(|name| {
        !fixed
            .as_object()
            .is_some_and(|fixed| fixed.contains_key(*name))
    });
    names.sort_unstable();
    if names != ["response", "source_port"] || !members["source_port"].is_u64() {
        return Err(format!("it was asked with other members too: {asked}"));
    }
    if asked["http_method"] != "POST" || asked["headers"]["content-type"] != "application/json" {
        return Err(format!("not a POST of JSON: {asked}"));
    }
    // If no time was requested, that is stated; what was not sent is omitted.
    let question = question.contact("");
    let challenge = device.challenge(&question)?;
    let mut response = device.respond(&question, &challenge, "secret");
    response.qop = None;
    device.ask_with(&question, &response)?.expect("1")?;
    let asked = group.setting.endpoint()?.request(&challenge.nonce)?;
    let members = asked["asked"].as_object().ok_or("no members")?;
    let absent = ["qop", "nc", "cnonce", "opaque", "headers"];
    if members.get("expires") != Some(&Value::Null)
        || absent.iter().any(|n| members.contains_key(*n))
    {
        return Err(format!("{asked}"));
    }
    Ok(())
}

fn short(group: &Group) -> Result<(), String> {
    let question = Question::register("short", "hello", "a.example");
    let reply = group.authorize(&question, "1")?;
    reply.expect_header("X-Result", "1|<null>|<null>|<null>|<null>|0")?;
    Ok(())
}

fn invite(group: &Group) -> Result<(), String> {
    for service in BOTH {
        for (user, code) in [("john", "1"), ("suspended", "-1")] {
            let question = Question {
                method: "INVITE",
                ..Question::register(service, user, "a.example").contact("")
            };
            group.authorize(&question, code)?;
        }
    }
    Ok(())
}

fn bearer(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for (value, code) in [
            ("Bearer eyJhbGciOiJub25lIn0.e30.letmein", "1"),
            ("bearer  eyJhbGciOiJub25lIn0.e30.letmein", "1"),
            ("Bearer eyJhbGciOiJub25lIn0.e30.let-me-in", "-1"),
            // Valid, but whose?
            ("Bearer eyJhbGciOiJub25lIn0.e30.anybody", "-7"),
        ] {
            let question =
                Question::register(service, "john", "a.example").with("Authorization", value);
            device.ask(&question)?.expect(code)?;
        }
    }
    Ok(())
}

fn several(group: &Group) -> Result<(), String> {
    let endpoint = group.setting.endpoint()?;
    let (good, bad) = (endpoint.url(), endpoint.fault("500"));
    let down = "http://127.0.0.1:1/";
    for service in BOTH {
        let ask = |urls: String, user: &str, code: &str| {
            let question = Question::register(service, user, "a.example").with("X-URL", urls);
            ask_fresh(group, &question).and_then(|reply| reply.expect(code).map(drop))
        };
        ask(format!("{down} {good}"), "john", "1")?;
        ask(format!("{down} {bad}  {good}"), "john", "1")?;
        // All within a single time-out.
        ask(
            format!("{} {good}", endpoint.fault("hang-before")),
            "john",
            "1",
        )?;
        ask(format!("{down} {bad}"), "john", "-5")?;
        // A decision is final, and so is an invalid answer.
        ask(
            format!("{good} {}", endpoint.fault("none")),
            "suspended",
            "-1",
        )?;
        ask(
            format!("{} {good}", endpoint.fault("wrong-json")),
            "john",
            "-5",
        )?;
        ask(
            format!("{} {good}", endpoint.fault("redirect")),
            "john",
            "-5",
        )?;
        ask("ftp://127.0.0.1/".to_string(), "john", "-5")?;
    }
    Ok(())
}

fn ask_fresh(group: &Group, question: &Question) -> Result<harness::device::Reply, String> {
    let device: Device = group.device()?;
    device.authorize(question, "secret")
}
