//! Endpoints that fail in every way, and a worker that meanwhile serves others.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::device::{Device, LIMIT, Question};
use harness::digest::{Challenge, Response};
use harness::endpoint::Endpoint;
use harness::ports;
use harness::script::Script;
use harness::server::wait_for;

use super::group::{Group, Scenario};
use super::setting::{Setting, script};

/// The total time-out here, in milliseconds.
const TIMEOUT: i64 = 2000;

/// The delay of an endpoint that answers: long enough to see who is served first.
const LATENCY: Duration = Duration::from_millis(300);

/// After this many failures in a row an endpoint is left alone, for this many seconds.
const FAILURES: i64 = 4;
const LEFT_ALONE: i64 = 1;

/// One worker: whatever it waits for, everybody waits for.
pub fn one_worker(setting: &Setting, _: &Core) -> Result<Script, String> {
    Ok(script()
        .workers(1)
        .set("http_url", setting.slow()?.url().as_str())
        .set("http_timeout", TIMEOUT)
        .set("http_connect_timeout", TIMEOUT)
        .set("http_breaker_failures", FAILURES)
        .set("http_breaker_time", LEFT_ALONE)
        .set("nonce_check", 0))
}

/// The trials.
pub const SCENARIOS: &[Scenario] = &[
    ("an endpoint that hangs", hanging),
    ("an endpoint that answers wrong", wrong),
    ("an endpoint that is down, and comes back", down),
    ("an endpoint that is left alone", left_alone),
    ("a certificate of nobody", bad_certificate),
    ("a name without an address", no_address),
];

/// As many workers as there are failures after which an endpoint is left alone, for longer than the
/// trial takes.
pub fn many_workers(_: &Setting, _: &Core) -> Result<Script, String> {
    Ok(script()
        .workers(u32::try_from(FAILURES).map_err(|e| e.to_string())?)
        .set("http_timeout", 60_000)
        .set("http_breaker_failures", FAILURES)
        .set("http_breaker_time", 3600)
        .set("nonce_check", 0))
}

/// The trials there.
pub const MANY_WORKERS: &[Scenario] =
    &[("an endpoint that several workers find failing", together)];

/// The options of the slow endpoint.
pub fn slowly() -> [String; 2] {
    ["--latency".to_string(), LATENCY.as_millis().to_string()]
}

/// A REGISTER with credentials that need no challenge.
pub fn register(service: &str) -> Question {
    register_as(service, "john", "secret")
}

/// The same of this user, with this password.
pub fn register_as(service: &str, user: &str, password: &str) -> Question {
    let challenge = Challenge {
        realm: "a.example".to_string(),
        nonce: "nobody checks it".to_string(),
        algorithm: "MD5".to_string(),
        qop: None,
        opaque: None,
        stale: false,
    };
    let response = Response::to(&challenge, user, password, "sip:a.example");
    Question::register(service, user, "a.example")
        .with("Authorization", response.header("REGISTER"))
}

/// The same, for this URL.
pub fn at(url: &str) -> Question {
    register("async").with("X-URL", url)
}

/// Sends all questions at once, directly followed by OPTIONS, and fails unless OPTIONS is answered
/// first, and then each question once, with this code. The worker has everything in its socket
/// before anybody can have answered.
pub fn meanwhile(device: &Device, questions: &[Question], code: &str) -> Result<(), String> {
    let send = |question: &Question| device.send(question);
    let mut asked = questions.iter().map(send).collect::<Result<Vec<_>, _>>()?;
    let options = Question {
        method: "OPTIONS",
        ..Question::register("ping", "ping", "a.example")
    };
    let pings = [&options; 3].map(send);
    for ping in pings {
        let first = device.receive(LIMIT).map_err(|e| format!("OPTIONS: {e}"))?;
        if first.header("Call-ID") != ping? {
            return Err(format!("OPTIONS had to wait: {first:?}"));
        }
    }
    while !asked.is_empty() {
        let answer = device.receive(LIMIT);
        let answer = answer.map_err(|e| format!("{} were not resumed: {e}", asked.len()))?;
        let known = asked.iter().position(|id| id == answer.header("Call-ID"));
        asked.swap_remove(known.ok_or_else(|| format!("resumed twice: {answer:?}"))?);
        answer.expect(code)?;
    }
    Ok(())
}

/// Everything that leaves a caller without an answer: one time-out covers all of it.
fn hanging(group: &Group) -> Result<(), String> {
    let slow = group.setting.slow()?;
    let (_full, full, _waiting) = full_listener()?;
    // Connections are accepted by the kernel, but nothing is ever sent.
    let silent = TcpListener::bind(("127.0.0.1", ports::free())).map_err(|e| e.to_string())?;
    let silent = silent
        .local_addr()
        .map(|a| (a, silent))
        .map_err(|e| e.to_string())?;
    let urls = [
        slow.fault("hang-before"),
        slow.fault("hang-middle"),
        // An occasional byte is no reason to wait longer.
        slow.fault("drip"),
        format!("http://{full}/"),
        format!("https://{}/", silent.0),
    ];
    let device = group.device()?;
    let since = group.log_length();
    let began = Instant::now();
    let questions: Vec<Question> = urls.iter().map(|url| at(url)).collect();
    meanwhile(&device, &questions, "-5")?;
    if began.elapsed() < Duration::from_millis(TIMEOUT.unsigned_abs() * 8 / 10) {
        return Err("nobody waited".to_string());
    }
    for url in urls {
        group.expect_log(since, &[&url, "timed out"])?;
    }
    meanwhile(&device, &[register("async")], "1")
}

fn wrong(group: &Group) -> Result<(), String> {
    let slow = group.setting.slow()?;
    let causes = [
        ("close", "the connection broke"),
        ("garbage", "not HTTP"),
        ("500", "status 500"),
        ("huge", "longer than 65536 bytes"),
        ("redirect", "which is not followed"),
        ("wrong-json", "not a JSON object"),
    ];
    let device = group.device()?;
    let since = group.log_length();
    let questions = causes.map(|(fault, _)| at(&slow.fault(fault)));
    meanwhile(&device, &questions, "-5")?;
    for (fault, cause) in causes {
        group.expect_log(since, &[&slow.fault(fault), cause])?;
    }
    meanwhile(&device, &[register("async")], "1")
}

fn down(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let mut endpoint = Endpoint::start(&group.setting.folder(), super::setting::USERS, &[])?;
    let question = at(&endpoint.url());
    device.ask(&question)?.expect("1")?;
    // A kept connection is gone, and nobody listens.
    endpoint.pause();
    let since = group.log_length();
    device.ask(&question)?.expect("-5")?;
    group.expect_log(since, &[&endpoint.url(), "can't connect"])?;
    endpoint.resume()?;
    device.ask(&question)?.expect("1")?;
    // A kept connection is gone, but somebody listens: nobody notices.
    endpoint.pause();
    endpoint.resume()?;
    device.ask(&question)?.expect("1")?;
    Ok(())
}

fn left_alone(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let endpoint = Endpoint::start(&group.setting.folder(), super::setting::USERS, &[])?;
    let question = at(&endpoint.url());
    let requests = || endpoint.asked("nobody checks it");
    endpoint.control("fault=500")?;
    let since = group.log_length();
    for _ in 0..FAILURES {
        device.ask(&question)?.expect("-5")?;
    }
    let asked = requests();
    let began = Instant::now();
    device.ask(&question)?.expect("-5")?;
    let closed = Duration::from_secs(LEFT_ALONE.unsigned_abs());
    if began.elapsed() < closed / 2 && requests() != asked {
        return Err("it was not left alone".to_string());
    }
    let words = [&endpoint.url(), "failed 4 times in a row and is left alone"];
    group.expect_log(since, &words)?;
    // Another endpoint on the same host is not affected.
    device.ask(&register("async"))?.expect("1")?;
    // After a while, one attempt, which fails: it stays closed. Then one that succeeds.
    sleep(closed);
    device.ask(&question)?.expect("-5")?;
    if requests() != asked + 1 {
        return Err(format!("{} tries, one expected", requests() - asked));
    }
    endpoint.control("fault=none")?;
    let back = wait_for(LIMIT, || match device.ask(&question) {
        Ok(reply) if reply.code() == "-5" => None,
        other => Some(other),
    });
    back.ok_or("it is left alone for ever")??.expect("1")?;
    for _ in 0..3 {
        device.ask(&question)?.expect("1")?;
    }
    Ok(())
}

/// Each worker meets one failure, which together are enough for all of them.
fn together(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let options = slowly();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let endpoint = Endpoint::start(&group.setting.folder(), super::setting::USERS, &options)?;
    endpoint.control("fault=500")?;
    // A worker waits for its answer, so each of these is for another one.
    let question = register("plain").with("X-URL", endpoint.url());
    let wave = || {
        for _ in 0..FAILURES {
            device.send(&question)?;
        }
        for _ in 0..FAILURES {
            let answer = device.receive(LIMIT).map_err(|e| e.to_string())?;
            answer.expect("-5")?;
        }
        Ok::<_, String>(endpoint.asked("nobody checks it"))
    };
    let failures = usize::try_from(FAILURES).map_err(|e| e.to_string())?;
    let first = wave()?;
    if first != failures {
        return Err(format!("asked {first} times"));
    }
    for _ in 0..10 {
        if wave()? != failures {
            return Err("a worker has not heard that it fails".to_string());
        }
    }
    Ok(())
}

/// A listener whose queue is full: the kernel drops further SYNs.
fn full_listener() -> Result<(TcpListener, SocketAddr, Vec<TcpStream>), String> {
    let listener = TcpListener::bind(("127.0.0.1", ports::free())).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
        if waiting.len() > 5000 {
            return Err("the queue of a listener does not fill".to_string());
        }
    }
    Ok((listener, address, waiting))
}

fn bad_certificate(group: &Group) -> Result<(), String> {
    let (endpoint, _) = group.setting.secure()?;
    let device = group.device()?;
    // The authorities are loaded within the first question's time; on a busy machine that may use
    // it up.
    for _ in 0..FAILURES {
        let since = group.log_length();
        device.ask(&at(&endpoint.url()))?.expect("-5")?;
        if group
            .expect_log(since, &[&endpoint.url(), "TLS failed"])
            .is_ok()
        {
            return Ok(());
        }
    }
    Err("the log does not say that TLS failed".to_string())
}

fn no_address(group: &Group) -> Result<(), String> {
    let (device, since) = (group.device()?, group.log_length());
    // RFC 6761: no name below this one ever exists.
    let url = "http://endpoint.invalid/";
    device.ask(&at(url))?.expect("-5")?;
    group.expect_log(since, &[url])
}
