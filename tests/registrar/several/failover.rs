//! The master of a Redis watched by Sentinels dies while devices register at both registrars.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::redis::Sentinel;
use harness::registrar::{CROWD, Site};
use harness::server::wait_for;

use super::super::device::{Device, Request, expect};
use super::Scenario;
use super::pair::Pair;

pub const SCENARIOS: &[Scenario] = &[
    ("the master of Redis dies", master_dies),
    ("a master without replicas may refuse", refuses),
];

/// Devices that register at a time.
const OPEN: usize = 4;

/// How many are confirmed before that, and again after it.
const EACH: usize = 200;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the replicas may be behind.
const BEHIND: Duration = Duration::from_secs(1);

/// A registration that was confirmed.
struct Confirmed {
    key: String,
    contact: String,
    asked: Instant,
    told: Instant,
}

/// One after the other registers, until it is over.
fn register(
    site: &Site,
    number: &AtomicUsize,
    confirmed: &AtomicUsize,
    over: &AtomicBool,
) -> Result<(Vec<Confirmed>, usize), String> {
    let (mut all, mut failed) = (Vec::new(), 0);
    while !over.load(Ordering::Relaxed) {
        let user = format!("user{}", number.fetch_add(1, Ordering::Relaxed) % 2000);
        let mut device = Device::new(site, &user, CROWD)?;
        device.patience(Duration::from_secs(2));
        let asked = Instant::now();
        match device.authorize(&Request::register(), "secret") {
            Ok(answer) if answer.status == 200 => {
                confirmed.fetch_add(1, Ordering::Relaxed);
                all.push(Confirmed {
                    key: format!("user:{user}@{CROWD}"),
                    contact: device.contact(),
                    asked,
                    told: Instant::now(),
                });
            }
            _ => {
                failed += 1;
                // A device waits before it tries again.
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    Ok((all, failed))
}

fn master_dies(pair: &mut Pair) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let redis = Sentinel::start(folder.path())?;
    pair.stop();
    pair.a.settings = vec![("REDIS_URL", redis.url())];
    pair.b.settings = pair.a.settings.clone();
    pair.start_a()?;
    pair.start_b()?;
    let (number, confirmed, over) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    let reach = |wanted: usize| {
        let there = || (confirmed.load(Ordering::Relaxed) >= wanted).then_some(());
        wait_for(PATIENCE, there)
            .ok_or_else(|| format!("{confirmed:?} confirmed, {wanted} were to be"))
    };
    let (killed, all, failed) = thread::scope(|scope| {
        let sites = [&pair.a, &pair.b].into_iter().cycle().take(OPEN);
        let devices: Vec<_> = sites
            .map(|site| scope.spawn(|| register(site, &number, &confirmed, &over)))
            .collect();
        let middle = || {
            reach(EACH)?;
            let former = redis.kill_master()?;
            let killed = Instant::now();
            redis.successor(former)?;
            reach(confirmed.load(Ordering::Relaxed) + EACH)?;
            Ok(killed)
        };
        let killed: Result<Instant, String> = middle();
        over.store(true, Ordering::Relaxed);
        let (mut all, mut failed) = (Vec::new(), 0);
        for device in devices {
            let (some, not) = device.join().map_err(|_| "a panic".to_string())??;
            all.extend(some);
            failed += not;
        }
        killed.map(|killed| (killed, all, failed))
    })?;
    let lost = lost(&redis, &all)?;
    let begun_after = all.iter().filter(|one| one.asked > killed);
    let again = begun_after.map(|one| one.told).min().ok_or("none after")?;
    println!(
        "{}: the master of Redis died: registrations failed for {:.1} s ({failed} attempts); \
         {} confirmed before and after, {} of them lost",
        pair.core,
        (again - killed).as_secs_f64(),
        all.len(),
        lost.len()
    );
    // Replication is asynchronous. Only what was new may be lost.
    match lost
        .iter()
        .find(|one| one.told + BEHIND < killed || one.asked > killed)
    {
        None => Ok(()),
        Some(one) => Err(format!("{} is lost", one.key)),
    }
}

/// Those that the new master does not have.
fn lost<'a>(redis: &Sentinel, all: &'a [Confirmed]) -> Result<Vec<&'a Confirmed>, String> {
    let keys = all.iter().map(|one| one.key.as_str());
    let words: Vec<&str> = std::iter::once("MGET").chain(keys).collect();
    let found = redis.cli(&words)?;
    let found: Vec<&str> = found.split('\n').collect();
    if found.len() != all.len() {
        return Err(format!("{} of {} values", found.len(), all.len()));
    }
    let pairs = all.iter().zip(found);
    let lost = pairs.filter(|(one, value)| !value.contains(&format!("\"{}\"", one.contact)));
    Ok(lost.map(|(one, _)| one).collect())
}

/// `min-replicas-to-write`: nothing is confirmed that would be on one machine alone.
fn refuses(pair: &mut Pair) -> Result<(), String> {
    let redis = &pair.a.redis;
    let needed = |replicas: &str| redis.cli(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
    needed("1")?;
    for site in [&pair.a, &pair.b] {
        let mut device = Device::new(site, "mary", "a.example")?;
        let answer = device.authorize(&Request::register(), "secret")?;
        expect(answer, 503)?;
    }
    if !redis.is_empty_of("mary@a.example")? {
        return Err("it is in Redis".to_string());
    }
    needed("0")?;
    Device::new(&pair.b, "mary", "a.example")?
        .register()
        .map(drop)
}
