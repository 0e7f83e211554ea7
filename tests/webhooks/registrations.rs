//! Registrations in Redis, by the functions of the script.

use std::sync::Arc;
use std::time::Duration;

use harness::core::Core;
use harness::device::{Device, Question, Reply};
use harness::redis::{self, Redis};
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::ignored;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::setting::Setting;

const ROUTES: &str = include_str!("registrations.cfg");

/// How long what is done in the background may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let names = [
        "registrations in Redis",
        "many that register at once",
        "registrations without a Redis",
    ];
    match redis::missing() {
        None => vec![
            setting.trial(core, names[0], kept),
            setting.trial(core, names[1], crowd),
            setting.trial(core, names[2], without),
        ],
        Some(reason) => names
            .iter()
            .map(|name| ignored(format!("{core}: {name}"), reason.clone()))
            .collect(),
    }
}

fn script(url: &str) -> Script {
    Script::new(&harness::module(), ROUTES)
        .set("cachedb_url", url)
        .set("registration_address", "sip.example.org")
        .set("registration_private_address", "10.0.0.5:5080")
        .set(
            "load_registration",
            "left;contact;$avp(hook)=call_hook;$avp(hostile)=callStatusHook;missing",
        )
}

/// A device, and what it may say to the script.
struct User<'a> {
    device: &'a Device,
    name: &'a str,
}

impl User<'_> {
    fn question(&self, service: &str) -> Question {
        Question::register(service, self.name, "A.Example")
            .with("X-Grant", "{}")
            .with("X-Limit", "-1")
    }

    fn ask(&self, service: &str, code: &str) -> Result<Reply, String> {
        self.with(service, &[], code)
    }

    fn with(&self, service: &str, headers: &[(&str, &str)], code: &str) -> Result<Reply, String> {
        let mut question = self.question(service);
        for (name, value) in headers {
            question.headers.retain(|(known, _)| known != name);
            question = question.with(name, *value);
        }
        self.device.ask(&question)?.expect(code)
    }

    fn contact(&self) -> String {
        format!("sip:{}@{}", self.name, self.device.local())
    }
}

fn entry(redis: &Redis, aor: &str) -> Result<Value, String> {
    let text = redis.cli(&["GET", &format!("user:{aor}")])?;
    serde_json::from_str(&text).map_err(|error| format!("{aor}: {text:?}: {error}"))
}

/// An empty Redis, and its URL.
fn redis(setting: &Setting) -> Result<(Redis, String), String> {
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let redis = Redis::start(&folder)?;
    let url = format!("redis://127.0.0.1:{}/", redis.port);
    Ok((redis, url))
}

fn kept(setting: &Setting, core: &Core) -> Result<(), String> {
    let (redis, url) = redis(setting)?;
    let mut instance = setting.start(core, &script(&url))?;
    let device = Device::new(instance.port)?;
    let [john, mary] = ["jo%68n", "mary"].map(|name| User {
        device: &device,
        name,
    });

    john.ask("get", "-1")?;
    let grant = json!({
        "status": "ok",
        "call_hook": "https://a.example/it's \"quoted\"",
        "call_status_hook": {"url": "https://a.example/status", "n": 9_007_199_254_740_993_u64},
        "allow_direct_app_calling": "true",
        "allow_direct_user_calling": 0,
    });
    let granted = [("X-Grant", grant.to_string())];
    let granted = granted
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let first = john.with("save", &granted, "1")?;
    let mut is = entry(&redis, "john@a.example")?;
    let end = is["expiryTime"].take();
    let hooks = (&grant["call_hook"], &grant["call_status_hook"]);
    let wanted = json!({
        "expiryTime": null,
        "contact": john.contact(),
        "sbcAddress": format!("sip.example.org:{}", instance.port),
        "privateSbcAddress": "10.0.0.5:5080",
        "protocol": "udp",
        "proxy": format!("sip:{}", device.local()),
        "source": device.local(),
        "callHook": hooks.0, "call_hook": hooks.0,
        "callStatusHook": hooks.1, "call_status_hook": hooks.1,
        "allow_direct_app_calling": true,
        "allow_direct_queue_calling": false,
        "allow_direct_user_calling": false,
    });
    if is != wanted {
        return Err(format!("in Redis is\n{is:#}, not\n{wanted:#}"));
    }
    for index in ["active-user", "active-user:a.example"] {
        let score = redis.cli(&["ZSCORE", index, "user:john@a.example"])?;
        if score.parse().ok() != end.as_u64() {
            return Err(format!("{index}: {score}, not {end}"));
        }
    }

    // It is found by its name, as a URI, and by the request, with its members.
    let found = redis.cli(&["GET", "user:john@a.example"])?;
    for name in ["john@A.example", "sip:jo%68n@a.example", ""] {
        let reply = john.with("get", &[("X-About", name)], "1")?;
        let reply = reply.expect_header("X-Out", &found)?;
        let hooks = (
            grant["call_hook"].as_str().unwrap_or_default(),
            hooks.1.to_string(),
        );
        let members = format!("|{}|{}|{}|<null>", john.contact(), hooks.0, hooks.1);
        if !reply.header("X-Members").ends_with(&members) {
            return Err(format!("{members} expected, got {reply:?}"));
        }
    }
    mary.with("get", &[("X-About", "jo%68n@a.example")], "-1")?;
    mary.with("get", &[("X-About", "a.example")], "-6")?;

    // One place in the realm is john's.
    let one = [("X-Limit", "1")];
    mary.with("save", &one, "-1")?;
    john.with("save", &one, "1")?;
    john.with("save", &[("X-Limit", "0")], "-1")?;
    mary.with("save", &[("X-Limit", "2")], "1")?;
    john.ask("count", "1")?.expect_header("X-Out", "2")?;
    for (limit, code) in [
        ("3", "1"),
        ("2", "-1"),
        ("0", "-1"),
        ("-1", "1"),
        ("x", "-5"),
    ] {
        let reply = john.with("count", &[("X-Limit", limit)], code)?;
        if limit != "x" {
            reply.expect_header("X-Out", "2")?;
        }
    }
    mary.with("remove", &[("X-About", "*")], "1")?;
    john.ask("count", "1")?.expect_header("X-Out", "1")?;

    // What was done is undone.
    let before = entry(&redis, "john@a.example")?;
    for service in ["undo", "return"] {
        john.ask(service, "1")?.expect_header("X-First", "1")?;
        if entry(&redis, "john@a.example")? != before {
            return Err(format!("{service}: another entry"));
        }
    }
    mary.ask("undo", "1")?;
    mary.ask("get", "-1")?;
    mary.with("restore", &[("X-About", "-/-/AAAA=")], "-6")?;

    // Only the very contact is removed.
    let other = john.contact() + " ";
    john.with("remove", &[("X-About", &format!("{other};x"))], "-1")?;
    john.with("remove", &[("X-About", &john.contact())], "1")?;
    let removed = john.ask("remove", "1")?;
    order(
        &john,
        &[first.header("X-Before"), removed.header("X-Before")],
    )?;
    let keys = redis.cli(&["KEYS", "*user*"])?;
    if !keys.is_empty() {
        return Err(format!("left over: {keys}"));
    }

    malformed(&john)?;
    // Whatever is there is not put into headers.
    let hostile = json!({
        "expiryTime": 9_999_999_999_999_u64,
        "contact": "sip:x\r\nX-Evil: 1",
        "callStatusHook": ["\u{0}"],
    });
    redis.cli(&["SET", "user:john@a.example", &hostile.to_string()])?;
    let reply = john.ask("get", "1")?;
    let (left, members) = reply
        .header("X-Members")
        .split_once('|')
        .unwrap_or_default();
    if members != "<null>|<null>|[\"\\u0000\"]|<null>" || left != i32::MAX.to_string() {
        return Err(format!("{reply:?}"));
    }

    // What has ended is taken out in the background.
    for index in ["active-user", "active-user:b.example"] {
        redis.cli(&["ZADD", index, "1", "user:old@b.example"])?;
    }
    john.ask("expire", "1")?;
    let gone = || {
        let there = redis.cli(&["EXISTS", "active-user", "active-user:b.example"]);
        (there.as_deref() == Ok("0")).then_some(())
    };
    wait_for(LIMIT, gone).ok_or("what has ended is still there")?;

    redis.pause();
    for service in ["save", "get", "remove", "count"] {
        john.ask(service, "-5")?;
    }
    redis.resume()?;
    john.ask("save", "1")?;
    instance.check_workers()
}

/// Of two changes that were made one after the other, the second one counts, in whichever order they
/// come to be known.
fn order(user: &User<'_>, [first, second]: &[&str; 2]) -> Result<(), String> {
    for (before, code) in [
        (first, "1"),
        (second, "1"),
        (first, "-1"),
        (second, "1"),
        (&"", "-6"),
        (&"x", "-6"),
    ] {
        user.with("newest", &[("X-About", before)], code)?;
    }
    Ok(())
}

/// What can't be saved, or by whom.
fn malformed(user: &User<'_>) -> Result<(), String> {
    for expires in ["", "0", "-1", "x", "1.5", "2147483648"] {
        user.with("wait", &[("X-Expires", expires)], "-6")?;
    }
    for grant in ["x", "[]", "{\"call_hook\":\"\\ud800\"}"] {
        // The endpoint's fault, not the device's.
        user.with("save", &[("X-Grant", grant)], "-5")?;
    }
    for limit in ["-2", "x", "1.0"] {
        user.with("save", &[("X-Limit", limit)], "-5")?;
    }
    for contact in [
        ", <sip:other@10.0.0.1>",
        "\r\nContact: <sip:other@10.0.0.1>",
    ] {
        let question = user.question("save").contact(contact);
        user.device.ask(&question)?.expect("-6")?;
    }
    for service in ["save", "remove", "restore", "newest"] {
        let mut question = user.question(service);
        question.method = "INVITE";
        user.device.ask(&question)?.expect("-6")?;
    }
    // Seconds as text, and the most there are.
    user.with("wait", &[("X-Expires", "2147483647")], "1")?;
    user.ask("remove", "1").map(drop)
}

/// Of many devices of a realm that register at the same moment, as many are saved as may be.
fn crowd(setting: &Setting, core: &Core) -> Result<(), String> {
    let (redis, url) = redis(setting)?;
    let mut instance = setting.start(core, &script(&url))?;
    for round in 0..5 {
        let realm = format!("r{round}.example");
        let mut devices = Vec::new();
        for number in 0..10 {
            let device = Device::new(instance.port)?;
            let question = Question::register("save", &format!("u{number}"), &realm);
            device.send(&question.with("X-Grant", "{}").with("X-Limit", "3"))?;
            devices.push(device);
        }
        let mut codes = Vec::new();
        for device in devices {
            let reply = device.receive(LIMIT).map_err(|error| error.to_string())?;
            codes.push(reply.code().to_owned());
        }
        codes.sort();
        let wanted = [["-1"; 7].as_slice(), &["1"; 3]].concat();
        let kept = redis.cli(&["ZCARD", &format!("active-user:{realm}")])?;
        if codes != wanted || kept != "3" {
            return Err(format!("{kept} are kept: {codes:?}"));
        }
    }
    instance.check_workers()
}

/// Without a Redis of the native driver nothing is saved.
fn without(setting: &Setting, core: &Core) -> Result<(), String> {
    let local = script("local://").load("cachedb_local.so");
    let mut instance = setting.start(core, &local)?;
    let device = Device::new(instance.port)?;
    let john = User {
        device: &device,
        name: "john",
    };
    for service in ["save", "get", "remove", "restore", "count", "expire"] {
        john.ask(service, "-5")?;
    }
    instance.check_workers()
}
