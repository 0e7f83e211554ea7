//! A worker that is terminated, and a restart: what was confirmed is still there.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::registrar::{ACCOUNT_TTL, CROWD, Site};
use harness::server::wait_for;

use super::device::{Device, Request, Transport, expect};
use super::group::{Group, Scenario};
use super::hop::Hop;
use super::several::calls::reaches;

pub const SCENARIOS: &[Scenario] = &[("a worker is ended, and a restart", survive)];

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[(
    "an outage of the database and a restart leave one contact",
    outage,
)];

/// How long to listen for a call that must not arrive.
const SILENCE: Duration = Duration::from_millis(300);

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

/// A device moves to another port while the database fails, and OpenSIPS starts again afterwards: calls
/// go where it was last confirmed, and nowhere else.
fn outage(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    // What is known of the account serves for as long as the test takes.
    site.settings = vec![
        ("ACCOUNT_GRACE", "600".to_string()),
        // Each worker remembers the account for itself: the only one was asked.
        ("UDP_WORKERS", "1".to_string()),
        ("REDIS_TIMEOUT", "2000".to_string()),
    ];
    let rename = |from: &str, to: &str| {
        let sql = format!("RENAME TABLE {from} TO {to};");
        site.database.sql(&sql).map(drop)
    };
    let moved = |call_id: &str, cseq: u32| {
        let mut device = Device::new(&site, "mary", "a.example")?;
        device.call_id = call_id.to_string();
        device.cseq = cseq;
        device.patience(SILENCE);
        Ok::<_, String>(device)
    };
    let instance = site.start(&group.core)?;
    let mut first = Device::new(&site, "mary", "a.example")?;
    first.register()?;
    rename("registrar_realms", "away")?;
    std::thread::sleep(ACCOUNT_TTL);
    let mut second = moved(&first.call_id, first.cseq)?;
    second.patience(PATIENCE);
    let registered = second.authorize(&Request::register(), "secret");
    // What is not confirmed changes nothing.
    let mut third = moved(&second.call_id, second.cseq)?;
    third.patience(PATIENCE);
    site.redis.hang()?;
    let refused = third.ask(&Request::register());
    site.redis.go_on()?;
    expect(refused?, 503)?;
    third.patience(SILENCE);
    rename("away", "registrar_realms")?;
    expect(registered?, 200)?;
    instance.kill()?;
    let _instance = site.start(&group.core)?;
    let hop = Hop::new(&site)?;
    first.patience(SILENCE);
    for id in ["outage-before", "outage-after"] {
        reaches(&hop, &site, &mut second, id)?;
        for other in [&mut first, &mut third] {
            while let Ok(text) = other.receive_text() {
                if text.starts_with("INVITE") {
                    return Err(format!("{id}: a call where nobody is any more:\n{text}"));
                }
            }
        }
        second.register()?;
        let contacts = site.located("mary@a.example")?;
        if contacts.len() != 1 || contacts[0]["Contact"] != second.contact().as_str() {
            return Err(format!("{id}: {contacts:?}"));
        }
    }
    Ok(())
}
