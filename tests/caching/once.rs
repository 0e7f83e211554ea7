//! What the database says, one worker asks for all; and a worker that is killed.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::own::Own;
use harness::keys::Key;
use harness::profiles::Content;
use harness::server::{children, wait_for};
use harness::setting::Setting;
use harness::sip;

use super::demand::{add_profile, add_secret, of, remove_secret};
use super::own::questions;
use super::running::{LIMIT, Running, WORKERS};

/// Seconds during which nothing is asked for again by itself.
const LONG: i64 = 3600;

/// Calls of a burst.
const BURST: usize = 32;

const TAGS: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn everybody(key: &Key) -> Content {
    let mut content = Content::default();
    for tag in TAGS {
        content.profile(tag, tag);
        content.secret(tag, &key.verifier());
    }
    content
}

/// How many queries are counted meanwhile.
fn queries(running: &Running, work: impl FnOnce() -> Result<(), String>) -> Result<u64, String> {
    let before = running.mi.statistic("jwt_store_queries")?;
    work()?;
    Ok(running.mi.statistic("jwt_store_queries")? - before)
}

fn expect(what: &str, is: u64, expected: impl std::ops::RangeBounds<u64>) -> Result<(), String> {
    match expected.contains(&is) {
        true => Ok(()),
        false => Err(format!("{what}: {is} queries")),
    }
}

/// However many workers see a tag, the database is asked for it once; and again after jwt_reload, at once.
pub fn all(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    own.with(setting.folder(), &everybody(&key), |_, database| {
        let mut running = Running::start(setting, core, |script| {
            script.database(database).set("cache_ttl", LONG)
        })?;
        let log = running.instance.log();
        if !log.contains("(shared_cache_size)") {
            return Err(format!(
                "the log does not say how much memory it is:\n{log}"
            ));
        }
        let everywhere =
            |tag: &str, code| queries(&running, || running.everywhere(&of(tag, &key), code));
        expect("a tag", everywhere("alice", 1)?, 1..=1)?;
        let asked = questions(database, || running.everywhere(&of("bob", &key), 1))?;
        // One connection at most, and a question to each of two tables, prepared first.
        expect("at the server", asked, 2..=12)?;
        let begin = Instant::now();
        let unknown = everywhere("nobody", -4)?;
        expect("an unknown tag", unknown, 1..=begin.elapsed().as_secs() + 1)?;
        remove_secret(database, &key)?;
        expect("nothing new", everywhere("alice", 1)?, 0..=0)?;
        // A request of before may be what asks first.
        let begin = Instant::now();
        running.mi.reload()?;
        let reloaded = everywhere("alice", -1)?;
        expect("jwt_reload", reloaded, 1..=begin.elapsed().as_secs() + 1)?;
        add_profile(database, "nobody")?;
        add_secret(database, "nobody", &key)?;
        running.until_asked_again();
        expect("an added tag", everywhere("nobody", 1)?, 1..=1)?;
        running.instance.check_workers()
    })
}

/// With cache_ttl the age is that of the answer, whoever asked: nobody has it for longer.
pub fn ages(setting: &Setting, core: &Core) -> Result<(), String> {
    const TTL: u64 = 3;
    let key = Key::secret();
    let database = setting
        .servers
        .create(harness::database::Backend::Mysql, &everybody(&key))?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", TTL as i64)
    })?;
    running.expect(&of("alice", &key), 1)?;
    let asked = Instant::now();
    remove_secret(&database, &key)?;
    std::thread::sleep(Duration::from_secs(TTL - 1));
    // Other workers hear of it by now, unless the machine is too slow for that, and keep it no longer than the first.
    running.all_say(&of("alice", &key), 1)?;
    std::thread::sleep(
        (asked + Duration::from_secs(TTL)).saturating_duration_since(Instant::now()),
    );
    running.everywhere(&of("alice", &key), -1)?;
    running.instance.check_workers()
}

/// Without the memory each worker asks.
pub fn off(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let database = setting
        .servers
        .create(harness::database::Backend::Mysql, &everybody(&key))?;
    let mut running = Running::start(setting, core, |script| {
        let script = script.database(&database).set("cache_ttl", LONG);
        script.set("shared_cache_size", 0)
    })?;
    let asked = queries(&running, || running.everywhere(&of("alice", &key), 1))?;
    expect("off", asked, u64::from(WORKERS)..=u64::from(WORKERS))?;
    running.instance.check_workers()
}

/// MariaDB hangs for a moment, and meanwhile many ask for one tag, and many for one that there is not: one of
/// them asks for all, and no worker waits.
pub fn burst(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    own.with(setting.folder(), &everybody(&key), |server, database| {
        let mut running = Running::start(setting, core, |script| {
            let script = script.database(database).set("cache_ttl", LONG);
            script.set("db_timeout", 60_000)
        })?;
        running.everywhere(&of("alice", &key), 1)?;
        // A profile is two questions, of which two processes may ask one each.
        for (tag, code, questions) in [("bob", "1", 2), ("nobody", "-4", 1)] {
            server.hang()?;
            let asked = queries(&running, || {
                let token = of(tag, &key);
                scope(|scope| {
                    let (running, token) = (&running, token.as_str());
                    let calls: Vec<_> = (0..BURST)
                        .map(|_| scope.spawn(|| running.exchange("async", &[("X-JWT", token)])))
                        .collect();
                    for _ in 0..BURST {
                        if !sip::ping("127.0.0.1", running.instance.port, LIMIT) {
                            return Err("OPTIONS is not answered meanwhile".to_string());
                        }
                    }
                    server.go_on()?;
                    for call in calls {
                        let answer = call.join().map_err(|_| "a panic")??;
                        if answer.header("X-RC") != Some(code) {
                            return Err(format!("{code} expected for {tag}, got {answer:?}"));
                        }
                    }
                    Ok(())
                })
            });
            server.go_on()?;
            expect(tag, asked?, 1..=questions)?;
        }
        running.instance.check_workers()
    })
}

/// A worker is killed while it answers calls: OpenSIPS ends as a whole, in good order, and what starts next finds
/// nothing of it in its way.
pub fn killed(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::rsa();
    let mut content = Content::default();
    content.profile("alice", "alice");
    content.secret("alice", &key.verifier());
    let database = setting
        .servers
        .create(harness::database::Backend::Mysql, &content)?;
    let start = || {
        Running::start(setting, core, |script| {
            script.database(&database).set("cache_ttl", 1)
        })
    };
    let token = |number: usize| {
        let claims = format!(r#"{{"tag":"alice","jti":"{number}"}}"#);
        harness::tokens::token(&key, "RS256", &claims)
    };
    let mut running = start()?;
    running.everywhere(&token(0), 1)?;
    let worker = running.expect(&token(0), 1)?.worker;
    let first = running.instance.pid();
    if !children(first).iter().any(|pid| pid.to_string() == worker) {
        return Err(format!("{worker} is no process of {first}"));
    }
    let is_over = AtomicBool::new(false);
    let status = scope(|scope| {
        let (is_over, token) = (&is_over, &token);
        let port = running.instance.port;
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 1.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let token = token(number * 4 + thread);
                    let headers = [("X-JWT", token.as_str())];
                    let _ = sip::exchange(
                        port,
                        "REGISTER",
                        "plain",
                        &headers,
                        Duration::from_millis(200),
                    );
                }
            });
        }
        let kill = Command::new("kill").args(["-KILL", &worker]).status();
        let ended = running.instance.ended_within(LIMIT);
        is_over.store(true, Ordering::Relaxed);
        kill.map_err(|e| e.to_string()).map(|_| ended)
    })?;
    let log = running.instance.log();
    if status.is_none() {
        return Err(format!(
            "it goes on without its worker; in the log is\n{log}"
        ));
    }
    drop(running);
    wait_for(LIMIT, || children(first).is_empty().then_some(())).ok_or("a process is left")?;
    let mut running = start()?;
    running.everywhere(&token(0), 1)?;
    running.instance.check_workers()
}
