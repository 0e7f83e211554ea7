//! Nonces that we issued, fresh, and used once.

use std::io::ErrorKind;
use std::thread::sleep;
use std::time::Duration;

use harness::core::Core;
use harness::device::{LIMIT, Question};
use harness::digest::Challenge;
use harness::script::Script;

use super::decisions::BOTH;
use super::group::{Group, Scenario};
use super::setting::{Setting, script};

/// The trials on a core with memory.
pub const SCENARIOS: &[Scenario] = &[
    ("a captured Authorization", replay),
    ("a request that is sent again", again),
    ("a nonce of another realm or domain", elsewhere),
    ("a nonce that is not ours", foreign),
];

/// Seconds for which a nonce is valid in the other group.
const EXPIRE: i64 = 1;

/// No memory, and nonces that expire soon.
pub fn forgetful(setting: &Setting, _: &Core) -> Result<Script, String> {
    Ok(script()
        .set("http_url", setting.endpoint()?.url().as_str())
        .set("nonce_expire", EXPIRE))
}

/// The trials on that core.
pub const FORGETFUL: &[Scenario] = &[
    ("a stale nonce", stale),
    ("without cachedb_url", without_memory),
];

fn replay(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let endpoint = group.setting.endpoint()?;
    for service in BOTH {
        let since = group.log_length();
        let question = Question::register(service, "john", "a.example");
        let challenge = device.challenge(&question)?;
        let mut response = device.respond(&question, &challenge, "secret");
        device.ask_with(&question, &response)?.expect("1")?;
        // From somebody else as well.
        for thief in [group.device()?, group.stranger()?] {
            let refused = thief.ask_with(&question, &response)?.expect("-3")?;
            let again = refused.challenge()?;
            if !again.stale || again.nonce == challenge.nonce {
                return Err(format!("not challenged anew: {refused:?}"));
            }
        }
        group.expect_log(since, &["this count of its nonce was used before"])?;
        // Counts are hexadecimal, and may arrive in any order, because of UDP.
        for nc in [0x0a, 2, 11] {
            response.nc = nc;
            device.ask_with(&question, &response)?.expect("1")?;
        }
        let captured = response
            .header("REGISTER")
            .replace("nc=0000000b", "nc=0000000B");
        let question = question.with("Authorization", captured);
        device.ask(&question)?.expect("-3")?;
        if endpoint.asked(&challenge.nonce) != 4 {
            return Err("a replay reached the endpoint".to_string());
        }
        // Without qop there is no count: a nonce is good for one request.
        let question = Question::register(service, "john", "a.example");
        let challenge = device.challenge(&question)?;
        let mut response = device.respond(&question, &challenge, "secret");
        response.qop = None;
        device.ask_with(&question, &response)?.expect("1")?;
        device.ask_with(&question, &response)?.expect("-3")?;
    }
    Ok(())
}

/// A retransmission by a device that received no answer is not a replay: the transaction absorbs
/// it.
fn again(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = Question::register("async", "john", "a.example");
    let challenge = device.challenge(&question)?;
    let credentials = device
        .respond(&question, &challenge, "secret")
        .header("REGISTER");
    let question = question.with("Authorization", credentials);
    device.send_again(&question, 3)?;
    let first = device.receive(LIMIT).map_err(|e| e.to_string())?;
    first.expect("1")?;
    // The others get the same answer, or none.
    loop {
        match device.receive(Duration::from_millis(300)) {
            Ok(reply) => _ = reply.expect("1")?,
            Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => break,
            Err(e) => return Err(e.to_string()),
        }
    }
    match group.setting.endpoint()?.asked(&challenge.nonce) {
        1 => Ok(()),
        times => Err(format!("the endpoint was asked {times} times")),
    }
}

fn elsewhere(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let endpoint = group.setting.endpoint()?;
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let ours = device.challenge(&question)?;
        let mut response = device.respond(&question, &ours, "other");
        // A realm other than the one for which the nonce was made.
        response.realm = "b.example".to_string();
        device.ask_with(&question, &response)?.expect("-3")?;
        // A nonce from another domain, with its realm: a customer of b would be admitted to a.
        let of_b = Question::register(service, "customer", "b.example");
        let theirs = device.challenge(&of_b)?;
        let mut response = device.respond(&question, &theirs, "known");
        response.username = "customer".to_string();
        device.ask_with(&question, &response)?.expect("-3")?;
        // The same where one fixed realm serves all domains.
        let fixed = question.clone().with("X-Realm", "b.example");
        let challenge = device.challenge(&of_b.clone().with("X-Realm", "b.example"))?;
        let response = device.respond(&fixed, &challenge, "other");
        device.ask_with(&fixed, &response)?.expect("-3")?;
        for nonce in [&ours.nonce, &theirs.nonce, &challenge.nonce] {
            if endpoint.asked(nonce) != 0 {
                return Err("a nonce from elsewhere reached the endpoint".to_string());
            }
        }
        let right = device.challenge(&fixed)?;
        let response = device.respond(&fixed, &right, "other");
        device.ask_with(&fixed, &response)?.expect("1")?;
    }
    Ok(())
}

fn foreign(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = Question::register("async", "john", "a.example");
    let ours = device.challenge(&question)?;
    let mut changed = ours.nonce.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8_lossy(&changed).into_owned();
    let longer = format!("{}A", ours.nonce);
    for nonce in ["157590482938000", "x", &changed, &longer, &ours.nonce[1..]] {
        let challenge = Challenge {
            nonce: nonce.to_string(),
            ..ours.clone()
        };
        let response = device.respond(&question, &challenge, "secret");
        let reply = device.ask_with(&question, &response)?;
        reply.expect("-3").map_err(|e| format!("{nonce}: {e}"))?;
    }
    Ok(())
}

fn stale(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let old = |service: &str| {
        let question = Question::register(service, "john", "a.example");
        let challenge = device.challenge(&question)?;
        let response = device.respond(&question, &challenge, "secret");
        Ok::<_, String>((question, response))
    };
    let olds = [old("plain")?, old("async")?];
    // It expires by the clock that made it.
    sleep(Duration::from_millis(1000 * EXPIRE.unsigned_abs() + 100));
    let since = group.log_length();
    for (question, response) in olds {
        let refused = device.ask_with(&question, &response)?.expect("-3")?;
        if !refused.challenge()?.stale {
            return Err(format!("stale=true is missing: {refused:?}"));
        }
        // With the new nonce it is admitted, as devices do by themselves.
        device.authorize(&question, "secret")?.expect("1")?;
    }
    group.expect_log(since, &["its nonce is stale"])
}

fn without_memory(group: &Group) -> Result<(), String> {
    group.port()?;
    group.expect_log(0, &["cachedb_url is not set"])?;
    let device = group.device()?;
    let since = group.log_length();
    for service in BOTH {
        let banned = Question::register(service, "forever", "a.example");
        device.authorize(&banned, "wrong")?.expect("-1")?;
        let question = Question::register(service, "john", "a.example");
        device.authorize(&question, "secret")?.expect("1")?;
    }
    group.expect_log(
        since,
        &["should be banned for ever", "cachedb_url is not set"],
    )
}
