//! A worker that is terminated, and a restart: what was confirmed is still there.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::registrar::{CROWD, Site};
use harness::server::wait_for;

use super::device::{Device, Request, Transport, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[("a worker is ended, and a restart", survive)];

/// How long several registrations may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Devices of one realm register one after the other until nobody answers.
fn register_until(group: &Group, over: &AtomicBool) -> Result<Vec<Device>, String> {
    let site = group.site()?;
    let mut confirmed = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let user = format!("user{number}");
        let transport = [Transport::Udp, Transport::Tcp][number % 2];
        let Ok(mut device) = Device::over(transport, site, &user, CROWD) else {
            break;
        };
        device.patience(Duration::from_secs(2));
        match device.authorize(&Request::register(), "secret") {
            Ok(answer) if answer.status == 200 => confirmed.push(device),
            _ => break,
        }
    }
    Ok(confirmed)
}

fn survive(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let over = AtomicBool::new(false);
    let registered = |wanted: u64| {
        wait_for(PATIENCE, || {
            let members = site.redis.cli(&["ZCARD", &format!("active-user:{CROWD}")]);
            members.ok()?.parse().ok().filter(|n| *n >= wanted)
        })
        .ok_or_else(|| format!("there were not {wanted} who could register"))
    };
    let confirmed = std::thread::scope(|scope| {
        let devices = scope.spawn(|| register_until(group, &over));
        let ended = in_the_middle(group, site, registered);
        over.store(true, Ordering::Relaxed);
        let confirmed = devices.join().map_err(|_| "a panic".to_string())?;
        ended.and(confirmed)
    })?;
    group.start()?;
    let redis = &site.redis;
    for mut device in confirmed {
        let aor = format!("{}@{CROWD}", device.user);
        let (members, _, _) = redis
            .user(&aor)?
            .ok_or_else(|| format!("{aor} is not in Redis"))?;
        if members["contact"] != device.contact() {
            return Err(format!("{aor}: {members}"));
        }
        // A UDP device is recognised at its earlier address without a challenge, and usrloc gets to
        // know it.
        if device.transport == Transport::Udp {
            expect(device.ask(&Request::register())?, 200).map_err(|e| format!("{aor}: {e}"))?;
            let located = site.contact(&aor)?;
            if located != device.contact() {
                return Err(format!("{aor} is at {located:?}"));
            }
        }
    }
    Ok(())
}

/// While devices register: SIGTERM to a worker, then the whole is ended.
fn in_the_middle(
    group: &Group,
    site: &Site,
    registered: impl Fn(u64) -> Result<u64, String>,
) -> Result<(), String> {
    let before = registered(20)?;
    let worker = worker(site)?;
    let killed = Command::new("kill")
        .args(["-TERM", &worker.to_string()])
        .status();
    killed.map_err(|e| e.to_string())?;
    // A worker does not end on that; if it did, OpenSIPS would end as a whole.
    if group.with(|instance| instance.check_workers().is_ok())? {
        registered(before + 20)?;
    }
    group.stop();
    Ok(())
}

/// A process that handles requests.
fn worker(site: &Site) -> Result<u64, String> {
    let answer = site.mi().run("ps", serde_json::Value::Null)?;
    let processes = answer["Processes"].as_array().into_iter().flatten();
    processes
        .filter(|process| {
            let is = process["Type"].as_str().unwrap_or_default();
            is.starts_with("SIP receiver")
        })
        .find_map(|process| process["PID"].as_u64())
        .ok_or_else(|| format!("no worker: {answer}"))
}
