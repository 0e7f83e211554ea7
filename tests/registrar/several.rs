//! Two registrars that share Redis and database: to devices and the next hop they are one.

pub mod calls;
mod carriers;
mod checkins;
mod death;
mod failover;
mod pair;

use std::sync::Arc;

use harness::database::Backend;
use harness::digest::Response;
use harness::registrar::Setting;
use libtest_mimic::{Completion, Trial};

use super::device::{Device, Request, expect, refused};
use super::group;
use pair::Pair;

/// A trial on a pair of its own.
type Scenario = (&'static str, fn(&mut Pair) -> Result<(), String>);

const SCENARIOS: &[&[Scenario]] = &[
    &[
        ("nonces, bans and limits are common", common),
        ("a ban counts everywhere", banned),
    ],
    calls::SCENARIOS,
    carriers::SCENARIOS,
    checkins::SCENARIOS,
    death::SCENARIOS,
    failover::SCENARIOS,
];

/// All of them, on each core.
pub fn trials(setting: &Arc<Setting>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for core in setting.cores() {
        let missing = group::missing(core, Backend::Mysql);
        for (name, run) in SCENARIOS.iter().copied().flatten() {
            let (setting, core, missing) = (Arc::clone(setting), core.clone(), missing.clone());
            let name = format!("{core}, several: {name}");
            trials.push(Trial::ignorable_test(name, move || {
                if let Some(reason) = missing {
                    return Ok(Completion::ignored_with(reason));
                }
                let mut pair = Pair::start(&setting, &core)?;
                let outcome = run(&mut pair);
                let outcome = outcome.map_err(|e| format!("{e}\n{}", pair.log_tail()));
                pair.look_after()?;
                group::conclusion(&core, outcome)
            }));
        }
    }
    trials
}

fn common(pair: &mut Pair) -> Result<(), String> {
    let (a, b) = (&pair.a, &pair.b);
    // Challenged by one, admitted by the other.
    let mut first = Device::new(a, "mary", "a.example")?;
    let challenge = first.challenge(&Request::register())?;
    let mut second = Device::new(b, "mary", "a.example")?;
    let response = Response::to(&challenge, "mary", "secret", "sip:a.example");
    let line = format!("Authorization: {}", response.header("REGISTER"));
    let proven = Request::register().with(line);
    expect(second.ask(&proven)?, 200)?;
    let (members, _, _) = a.redis.user("mary@a.example")?.ok_or("not in Redis")?;
    if members["sbcAddress"] != b.place() {
        return Err(format!("it is not at {}: {members}", b.place()));
    }
    // That nonce is used up for both.
    for device in [&mut first, &mut Device::new(b, "mary", "a.example")?] {
        let answer = expect(device.ask(&proven)?, 401)?;
        if !answer
            .header("WWW-Authenticate")
            .is_some_and(|value| value.contains("stale=true"))
        {
            return Err(format!("a replay is not stale: {answer:?}"));
        }
    }
    // Two devices of the realm may register, no matter where.
    for (site, user) in [(a, "one"), (b, "two")] {
        Device::new(site, user, "limited.example")?.register()?;
    }
    for site in [a, b] {
        let mut device = Device::new(site, "three", "limited.example")?;
        refused(
            device.authorize(&Request::register(), "secret")?,
            503,
            "Max Devices Registered",
        )?;
    }
    Ok(())
}

fn banned(pair: &mut Pair) -> Result<(), String> {
    let mut device = Device::new(&pair.a, "banned", "a.example")?;
    let answer = device.authorize(&Request::register(), "wrong")?;
    refused(answer, 403, "wrong password")?;
    for site in [&pair.a, &pair.b] {
        let mut device = Device::new(site, "banned", "a.example")?;
        device.patience(pair::SILENCE);
        if let Ok(answer) = device.authorize(&Request::register(), "secret") {
            return Err(format!("{} answers it: {answer:?}", site.place()));
        }
    }
    Ok(())
}
