//! Bans and nonce counts in a Redis that two OpenSIPS instances share, that hangs, or fails over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::device::{Device, Question, Reply};
use harness::digest::Response;
use harness::instance::Instance;
use harness::mi::Mi;
use harness::redis::{self, Cluster, Options, Redis, Sentinel, Tls};
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::ignored;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::connecting;
use super::decisions::BOTH;
use super::setting::{Setting, script, script_with_mi};

/// How long a ban may take to end, or a Redis to be asked again.
const END: Duration = Duration::from_secs(30);

/// The time-out of Redis: long enough to be told from an answer that waits for nothing.
pub(super) const TIMEOUT: Duration = Duration::from_millis(1000);

/// How much longer an answer may take on a busy machine.
pub(super) const SLACK: Duration = Duration::from_millis(700);

/// What the log says once when Redis fails, and once when it is back.
const FAILS: &str = "the CacheDB can't be asked";
const ANSWERS: &str = "the CacheDB answers again";

/// A trial on one core.
pub(super) type Run = fn(&Setting, &Core) -> Result<(), String>;

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let trials: [(&str, Option<String>, Run); 7] = [
        ("bans and endpoints by MI", redis::missing(), by_command),
        ("two that share a Redis", redis::missing(), shared),
        ("a required Redis that hangs", redis::missing(), required),
        ("a Redis that may hang", redis::missing(), not_required),
        ("a Redis with TLS that is killed", redis::missing(), tls),
        ("a Redis that fails over", redis::missing(), sentinel),
        ("a Redis Cluster", Cluster::missing(), cluster),
    ];
    let trials = trials
        .into_iter()
        .chain(connecting::TRIALS.map(|(name, needs, run)| (name, needs(), run)));
    trials
        .map(|(name, missing, run)| match missing {
            None => setting.trial(core, name, run),
            Some(reason) => ignored(format!("{core}: {name}"), reason),
        })
        .collect()
}

/// The script for this Redis. With one worker, since each process finds out for itself that Redis
/// hangs.
pub(super) fn asking(setting: &Setting, url: &str) -> Result<Script, String> {
    Ok(script()
        .workers(1)
        .set("cachedb_url", url)
        .set("cachedb_timeout", milliseconds(TIMEOUT))
        .set("nonce_expire", 300)
        .set("http_url", setting.endpoint()?.url().as_str()))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn john(service: &str) -> Question {
    Question::register(service, "john", "a.example")
}

/// Asks, and returns how long that took as well.
pub(super) fn timed(device: &Device, question: &Question) -> Result<(Reply, Duration), String> {
    let since = Instant::now();
    let reply = device.ask(question)?;
    Ok((reply, since.elapsed()))
}

/// Registers, and returns what was used up with that.
pub(super) fn admitted(device: &Device) -> Result<Response, String> {
    let question = john("async");
    let challenge = device.challenge(&question)?;
    let response = device.respond(&question, &challenge, "secret");
    device.ask_with(&question, &response)?.expect("1")?;
    replayed(device, &response)?;
    Ok(response)
}

/// Fails unless these credentials are refused as used.
fn replayed(device: &Device, response: &Response) -> Result<(), String> {
    device
        .ask_with(&john("async"), response)?
        .expect("-3")
        .map(drop)
}

/// Waits until Redis is asked again: then a request without credentials is challenged.
fn back(device: &Device) -> Result<Duration, String> {
    let since = Instant::now();
    let asked = wait_for(END, || match device.ask(&john("async")) {
        Ok(reply) if reply.code() == "-5" => None,
        other => Some(other),
    });
    asked.ok_or("Redis is not asked again")??.expect("-4")?;
    Ok(since.elapsed())
}

/// Fails unless the log tells of one outage, by one line at its beginning and one at its end.
fn expect_one_outage(instance: &Instance, since: u64) -> Result<(), String> {
    let log = || instance.log_since(since);
    let count = |words: &str| log().matches(words).count();
    wait_for(END, || (count(ANSWERS) > 0).then_some(()));
    match (count(FAILS), count(ANSWERS)) {
        (1, 1) => Ok(()),
        counts => Err(format!("{counts:?} lines in the log:\n{}", log())),
    }
}

fn required(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let mut instance = setting.start(core, &asking(setting, &redis.url())?)?;
    let device = Device::new(instance.port)?;
    let used = admitted(&device)?;
    let since = instance.log_length();
    redis.hang()?;
    // Whoever comes first waits for the time-out.
    let (reply, took) = timed(&device, &john("async"))?;
    reply.expect("-5")?;
    if took + SLACK < TIMEOUT || took > TIMEOUT + SLACK {
        return Err(format!("the first answer took {took:?}"));
    }
    // Nobody else waits, whether credentials are sent or not, and whether the worker could wait.
    for service in BOTH {
        let credentials = used.header("REGISTER");
        let with = john(service).with("Authorization", credentials);
        for question in [john(service), with] {
            let (reply, took) = timed(&device, &question)?;
            reply.expect("-5")?;
            if took > SLACK {
                return Err(format!("{service}: the next answer took {took:?}"));
            }
        }
    }
    redis.go_on()?;
    back(&device)?;
    replayed(&device, &used)?;
    admitted(&device)?;
    expect_one_outage(&instance, since)?;
    instance.check_workers()
}

fn not_required(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let script = asking(setting, &redis.url())?.set("cachedb_required", 0);
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let mut used = admitted(&device)?;
    let since = instance.log_length();
    redis.hang()?;
    let (reply, took) = timed(&device, &john("async"))?;
    reply.expect("-4")?;
    if took > TIMEOUT + SLACK {
        return Err(format!("the first answer took {took:?}"));
    }
    // Whatever was used is not known now; the nonce is still ours, and fresh.
    for service in BOTH {
        let question = john(service);
        let with = question
            .clone()
            .with("Authorization", used.header("REGISTER"));
        let (reply, took) = timed(&device, &with)?;
        reply.expect("1")?;
        if took > SLACK {
            return Err(format!("{service}: the next answer took {took:?}"));
        }
        let nonce = std::mem::replace(&mut used.nonce, "not ours".to_string());
        device.ask_with(&question, &used)?.expect("-3")?;
        used.nonce = nonce;
    }
    redis.go_on()?;
    let known = wait_for(END, || replayed(&device, &used).ok());
    known.ok_or("used nonces are not looked at again")?;
    admitted(&device)?;
    expect_one_outage(&instance, since)?;
    instance.check_workers()
}

fn tls(setting: &Setting, core: &Core) -> Result<(), String> {
    for tls in [Tls::On, Tls::Mutual] {
        let options = Options {
            tls,
            lasting: true,
            ..Options::default()
        };
        let folder = setting.folder();
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let redis = Redis::start_with(&folder, &options)?;
        let mut instance = setting.start(core, &asking(setting, &redis.url())?)?;
        let device = Device::new(instance.port)?;
        let used = admitted(&device)?;
        redis.kill();
        let (reply, took) = timed(&device, &john("async"))?;
        reply.expect("-5")?;
        if took > SLACK {
            return Err(format!("a refused connection took {took:?}"));
        }
        redis.resume()?;
        back(&device)?;
        replayed(&device, &used)?;
        admitted(&device)?;
        instance.check_workers()?;
    }
    Ok(())
}

fn sentinel(setting: &Setting, core: &Core) -> Result<(), String> {
    let sentinel = Sentinel::start(&setting.folder())?;
    let mut instance = setting.start(core, &asking(setting, &sentinel.url())?)?;
    let device = Device::new(instance.port)?;
    for end in [Sentinel::kill_master, Sentinel::hang_master] {
        let used = admitted(&device)?;
        // Replication is asynchronous: what replicas have not seen may be lost.
        sentinel.cli(&["SET", "last", "1"])?;
        let has_last = |port: u16| sentinel.cli_at(port, &["GET", "last"]).ok();
        for server in &sentinel.servers {
            let seen = wait_for(END, || has_last(server.port).filter(|last| last == "1"));
            seen.ok_or_else(|| format!("{} does not follow", server.port))?;
        }
        let former = end(&sentinel)?;
        sentinel.successor(former)?;
        back(&device)?;
        replayed(&device, &used)?;
        admitted(&device)?;
        let server = sentinel.server(former)?;
        server.kill();
        server.resume()?;
        sentinel.settle()?;
        sentinel.cli(&["DEL", "last"])?;
    }
    instance.check_workers()
}

fn cluster(setting: &Setting, core: &Core) -> Result<(), String> {
    let cluster = Cluster::start(&setting.folder())?;
    let mut instance = setting.start(core, &asking(setting, &cluster.url())?)?;
    let device = Device::new(instance.port)?;
    // Their keys are on all nodes.
    let used: Vec<Response> = (0..12)
        .map(|_| admitted(&device))
        .collect::<Result<_, _>>()?;
    // The ban of this address is on one of them.
    let node = cluster.node_of("key0")?;
    cluster.hang(node)?;
    let (_, took) = timed(&device, &john("async"))?;
    if took > TIMEOUT + SLACK {
        return Err(format!("the first answer took {took:?}"));
    }
    cluster.go_on(node)?;
    cluster.settle()?;
    back(&device)?;
    for response in &used {
        replayed(&device, response)?;
    }
    admitted(&device)?;
    instance.check_workers()
}

/// A source is banned and let in again, and an endpoint is not asked any more and asked again, by commands.
fn by_command(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let socket = folder.join("mi");
    let script = script_with_mi(&socket)
        .set("cachedb_url", redis.url().as_str())
        .set("http_url", setting.endpoint()?.url().as_str());
    let mut instance = setting.start(core, &script)?;
    let mi = Mi::new(&socket);
    let address = setting.address();
    let device = Device::at(&address, instance.port)?;
    let question = Question::register("async", "john", "a.example");
    let done = |command: &str, params: Value| match mi.run(command, params)? {
        Value::String(ok) if ok == "OK" => Ok(()),
        other => Err(format!("{command} answers {other}")),
    };
    device.authorize(&question, "secret")?.expect("1")?;
    done("ban_add", json!({ "address": address, "seconds": 600 }))?;
    done("ban_add", json!({ "address": "192.0.2.7", "seconds": 0 }))?;
    device.ask(&question)?.expect("-2")?;
    let listed = mi.run("ban_list", Value::Null)?;
    let bans = listed["bans"].as_array().cloned().unwrap_or_default();
    let of = |address: &str| bans.iter().find(|ban| ban["address"] == address).cloned();
    let left = of(&address).and_then(|ban| ban["left"].as_u64());
    if !left.is_some_and(|left| (1..=600).contains(&left)) || of("192.0.2.7").is_none() {
        return Err(format!("ban_list answers {listed}"));
    }
    done("ban_remove", json!({ "address": address }))?;
    device.authorize(&question, "secret")?.expect("1")?;
    for (command, params) in [
        ("ban_add", json!({ "address": "a.example" })),
        ("ban_add", json!({ "address": address, "seconds": "soon" })),
        ("ban_remove", json!({ "address": "192.0.2.1; x" })),
    ] {
        match mi.run(command, params) {
            Err(error) if error.contains("400") => {}
            other => return Err(format!("{command} with wrong parameters: {other:?}")),
        }
    }
    for (secret, code) in [("secret", 1), ("wrong", -1)] {
        let challenge = device.challenge(&question)?;
        let response = device.respond(&question, &challenge, secret);
        let authorization = response.header("REGISTER");
        let params = json!({ "realm": "a.example", "authorization": authorization });
        let asked = mi.run("http_check", params)?;
        let sent = asked["question"].as_str().unwrap_or_default();
        if asked["code"] != code || !sent.contains(r#""response":"[masked]""#) {
            return Err(format!("http_check answers {asked}"));
        }
        let answer = asked["answer"].as_str().unwrap_or_default();
        if !answer.contains(r#""status":"#) {
            return Err(format!("http_check does not show the answer: {asked}"));
        }
    }
    let endpoints = mi.run("http_endpoints", Value::Null)?;
    let first = &endpoints["endpoints"][0]["urls"][0];
    let times = ["answers", "last", "average", "slowest"].map(|name| first[name].as_u64());
    // Two requests and two checks; who is banned is not asked about.
    if times[0] != Some(4) || times.contains(&None) || times[1].max(times[2]) > times[3] {
        return Err(format!("http_endpoints answers {endpoints}"));
    }
    let url = &first["url"];
    done("http_endpoint_set", json!({ "url": url, "state": "down" }))?;
    device.authorize(&question, "secret")?.expect("-5")?;
    done("http_endpoint_set", json!({ "url": url, "state": "auto" }))?;
    device.authorize(&question, "secret")?.expect("1")?;
    redis.pause();
    match mi.run("ban_add", json!({ "address": address })) {
        Err(error) if error.contains("500") => {}
        other => return Err(format!("Redis is away, and ban_add: {other:?}")),
    }
    instance.check_workers()
}

fn shared(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let script = script()
        .set("cachedb_url", redis.url().as_str())
        .set("http_url", setting.endpoint()?.url().as_str());
    let mut one = setting.start(core, &script)?;
    let mut two = setting.start(core, &script)?;
    for service in BOTH {
        // A nonce from one is known to the other, and a count is used up on both.
        let (here, there) = (Device::new(one.port)?, Device::new(two.port)?);
        let question = Question::register(service, "john", "a.example");
        let challenge = here.challenge(&question)?;
        let mut response = here.respond(&question, &challenge, "secret");
        there.ask_with(&question, &response)?.expect("1")?;
        here.ask_with(&question, &response)?.expect("-3")?;
        there.ask_with(&question, &response)?.expect("-3")?;
        response.nc = 2;
        here.ask_with(&question, &response)?.expect("1")?;

        // A source banned here is banned there.
        let address = setting.address();
        let (here, there) = (
            Device::at(&address, one.port)?,
            Device::at(&address, two.port)?,
        );
        let banned = Question::register(service, "ban2", "a.example");
        here.authorize(&banned, "wrong")?.expect("-1")?;
        there.ask(&question)?.expect("-2")?;
        here.ask(&question)?.expect("-2")?;
        let over = wait_for(END, || match there.ask(&question) {
            Ok(reply) if reply.code() == "-2" => None,
            other => Some(other),
        });
        over.ok_or("the ban does not end")??.expect("-4")?;
        let address = setting.address();
        let (here, there) = (
            Device::at(&address, one.port)?,
            Device::at(&address, two.port)?,
        );
        let banned = Question::register(service, "forever", "a.example");
        here.authorize(&banned, "wrong")?.expect("-1")?;
        there.ask(&question)?.expect("-2")?;
    }
    // Then nothing is known, so nobody is admitted.
    redis.pause();
    let device = Device::new(one.port)?;
    let question = Question::register("async", "john", "a.example");
    device.ask(&question)?.expect("-5")?;
    one.check_workers()?;
    two.check_workers()
}
