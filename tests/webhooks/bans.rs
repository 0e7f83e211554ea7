//! Sources that an endpoint has banned for a while.

use std::time::Duration;

use harness::device::{Device, Question};
use harness::server::wait_for;

use super::decisions::{BLACKLIST_TIME, BOTH};
use super::group::{Group, Scenario};

/// The trials.
pub const SCENARIOS: &[Scenario] = &[("a ban ends", ends), ("bans of all kinds", kinds)];

/// By when a ban of two seconds must be over.
const END: Duration = Duration::from_secs(20);

fn register(service: &str, user: &str) -> Question {
    Question::register(service, user, "a.example")
}

/// A denial, caused by this user's row in the endpoint's file.
fn denied(device: &Device, service: &str, user: &str) -> Result<(), String> {
    device
        .authorize(&register(service, user), "wrong")?
        .expect("-1")
        .map(drop)
}

fn ends(group: &Group) -> Result<(), String> {
    let since = group.log_length();
    let mut devices = Vec::new();
    for (service, user) in [("plain", "ban2"), ("async", "ban2"), ("async", "bantrue")] {
        let device = group.stranger()?;
        denied(&device, service, user)?;
        device.ask(&register(service, "john"))?.expect("-2")?;
        devices.push(device);
    }
    group.expect_log(since, &["is banned for 2 s"])?;
    group.expect_log(since, &[&format!("is banned for {BLACKLIST_TIME} s")])?;
    for device in devices {
        let question = register("async", "john");
        let over = wait_for(END, || match device.ask(&question) {
            Ok(reply) if reply.code() == "-2" => None,
            other => Some(other),
        });
        over.ok_or("the ban does not end")??.expect("-4")?;
        device.authorize(&question, "secret")?.expect("1")?;
    }
    Ok(())
}

fn kinds(group: &Group) -> Result<(), String> {
    let endpoint = group.setting.endpoint()?;
    for service in BOTH {
        for (user, banned) in [
            ("forever", true),
            ("misspelt", true),
            ("bantext", true),
            ("banzero", false),
            ("banfalse", false),
            ("john", false),
        ] {
            let device = group.stranger()?;
            // Made before the ban, so that otherwise the endpoint would be asked.
            let question = register(service, "john");
            let challenge = device.challenge(&question)?;
            let response = device.respond(&question, &challenge, "secret");
            denied(&device, service, user)?;
            let code = if banned { "-2" } else { "1" };
            let reply = device.ask_with(&question, &response)?;
            reply.expect(code).map_err(|e| format!("{user}: {e}"))?;
            let asked = endpoint.asked(&challenge.nonce);
            if asked != usize::from(!banned) {
                return Err(format!("{user}: the endpoint was asked {asked} times"));
            }
            // Nobody else is affected.
            group.authorize(&question, "1")?;
        }
    }
    group.expect_log(0, &["is banned for ever"])
}
