//! The database goes away under load, or hangs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::own::Own;
use harness::instance::tail;
use harness::keys::Key;
use harness::profiles::Content;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::sip;
use harness::sipp::{self, Run};
use serde_json::{Value, json};

use super::demand::of;
use super::running::{LIMIT, Running};

const TAGS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Calls in one run of SIPp, which takes about two seconds.
const CALLS: usize = 1000;

fn everybody(key: &Key) -> Content {
    let mut content = Content::default();
    for tag in TAGS {
        content.profile(tag, tag);
        content.secret(tag, &key.verifier());
    }
    content
}

/// MariaDB is stopped and started while SIPp calls: no user seen before is refused.
pub fn under_load(
    own: &Own,
    setting: &Setting,
    core: &Core,
    mode: &'static str,
) -> Result<(), String> {
    let key = Key::secret();
    own.with(setting.folder(), &everybody(&key), |server, database| {
        let mut running = Running::start(setting, core, |script| {
            script
                .database(database)
                .log_level(2)
                .set("cache_mode", mode)
                .set("cache_ttl", 1)
        })?;
        for tag in TAGS {
            running.everywhere(&of(tag, &key), 1)?;
        }
        let rows: Vec<Vec<String>> = TAGS
            .iter()
            .cycle()
            .take(CALLS)
            .map(|tag| {
                let decoded = format!(r#"{{"alg":"HS256","typ":"JWT"}}.{{"tag":"{tag}"}}"#);
                let extra = "<null>|<null>|0".to_string();
                vec![of(tag, &key), tag.to_string(), decoded, extra]
            })
            .collect();
        let (runs, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let calls = |service: &'static str| {
            while !done.load(Ordering::Relaxed) {
                let run = Run {
                    scenario: "good_token",
                    service,
                    rows: &rows,
                };
                sipp::run(&run, running.instance.port, &setting.folder())
                    .map_err(|e| format!("{service}: {e}"))?;
                runs.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        // Each step begins once both have completed a run that began earlier.
        let next = || {
            let from = runs.load(Ordering::Relaxed);
            wait_for(2 * LIMIT, || {
                (runs.load(Ordering::Relaxed) > from + 1).then_some(())
            })
            .ok_or_else(|| "SIPp makes no progress".to_string())
        };
        let log = || tail(&running.instance.log(), 40);
        scope(|scope| {
            let callers = ["plain", "async"].map(|service| scope.spawn(move || calls(service)));
            let mut outage = || {
                next()?;
                server.pause();
                next()?;
                server.resume()?;
                next()
            };
            let outage = outage();
            done.store(true, Ordering::Relaxed);
            for caller in callers {
                let called: Result<(), String> = caller.join().map_err(|_| "a panic")?;
                called?;
            }
            outage
        })
        .map_err(|e: String| format!("{e}\nthe core logged:\n{}", log()))?;
        let refused = running.mi.statistic("jwt_rejected")?;
        if refused != 0 {
            return Err(format!("{refused} tokens were refused"));
        }
        if running.mi.statistic("jwt_served_stale")? == 0 {
            return Err("the outage was not noticed, so this proves nothing".to_string());
        }
        running.instance.check_workers()
    })
}

/// MariaDB hangs: requests that need it wait for db_timeout at most, all others notice nothing.
pub fn hanging(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_millis(1000);
    const TRIES: u32 = 40;
    let key = Key::secret();
    own.with(setting.folder(), &everybody(&key), |server, database| {
        // One worker: if it waits, everybody waits.
        let mut running = Running::start_with(setting, core, 1, |script| {
            script
                .database(database)
                .set("db_timeout", TIMEOUT.as_millis() as i64)
                .set("cache_ttl", 1)
        })?;
        running.expect(&of("alice", &key), 1)?;
        // The cached data expires, and an open connection hangs.
        sleep(Duration::from_millis(1100));
        server.hang()?;
        let during = || {
            let waiting = scope(|scope| {
                let bob = of("bob", &key);
                let running = &running;
                let asked = scope.spawn(move || running.exchange("async", &[("X-JWT", &bob)]));
                let start = Instant::now();
                let mut answered = 0;
                while !asked.is_finished() {
                    if !sip::ping("127.0.0.1", running.instance.port, LIMIT) {
                        return Err("OPTIONS is not answered meanwhile".to_string());
                    }
                    answered += 1;
                }
                let waited = start.elapsed();
                let answer = asked.join().map_err(|_| "a panic")??;
                if answer.header("X-RC") != Some("-6") {
                    return Err(format!("-6 expected, got {answer:?}"));
                }
                // The first may have been sent before the worker began to wait.
                if answered < 3 {
                    return Err(format!(
                        "OPTIONS was answered {answered} times in {waited:?}"
                    ));
                }
                Ok(waited)
            })?;
            if waiting < TIMEOUT / 2 {
                return Err(format!(
                    "an answer after {waiting:?}: the database did not hang"
                ));
            }
            // If each of them had waited, it would have taken much longer.
            let start = Instant::now();
            for _ in 0..TRIES / 2 {
                running.expect(&of("bob", &key), -6)?;
                running.expect(&of("alice", &key), 1)?;
            }
            if start.elapsed() > TIMEOUT * TRIES / 2 {
                return Err(format!("{TRIES} requests took {:?}", start.elapsed()));
            }
            Ok(())
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        wait_for(LIMIT, || {
            let said = running.ask(&of("bob", &key)).map(|said| said.code);
            (said == Ok(1)).then_some(())
        })
        .ok_or("the database is back, and not used")?;
        running.expect(&of("carol", &key), 1)?;
        running.instance.check_workers()
    })
}

/// A reload while the database is away is an error that says so.
pub fn refuses_to_reload(running: &Running, command: &str) -> Result<(), String> {
    match running.mi.run(command, Value::Null) {
        Ok(answer) => Err(format!("{command} answers {answer}")),
        Err(error) if error.contains("500") && error.contains("can't be reached") => Ok(()),
        Err(error) => Err(error),
    }
}

/// cache_grace to its end: users seen before are admitted until it is over, then nobody; if it is
/// 0, nobody from cache_ttl on. The same with the token cache.
pub fn grace(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const LONG: i64 = 3600;
    let key = Key::secret();
    own.with(setting.folder(), &everybody(&key), |server, database| {
        let start = |grace: i64| {
            Running::start_with(setting, core, 2, |script| {
                script
                    .database(database)
                    .set("cache_ttl", 1)
                    .set("cache_grace", grace)
            })
        };
        let (mut long, mut short, mut none) = (start(LONG)?, start(2)?, start(0)?);
        let alice = of("alice", &key);
        for running in [&long, &short, &none] {
            for _ in 0..2 {
                running.everywhere(&alice, 1)?;
            }
        }
        server.pause();
        for (running, grace) in [(&none, 0), (&short, 2)] {
            wait_for(LIMIT, || {
                (running.all_say(&alice, -6) == Ok(true)).then_some(())
            })
            .ok_or_else(|| format!("cache_grace {grace} is over, and the profile still counts"))?;
        }
        long.everywhere(&alice, 1)?;
        if none.mi.statistic("jwt_served_stale")? != 0 {
            return Err("cache_grace is 0, and something stale was served".to_string());
        }
        // What can't be read replaces nothing.
        refuses_to_reload(&long, "jwt_reload")?;
        long.everywhere(&alice, 1)?;
        // After this, nothing cached earlier is used.
        let dropped = long.mi.run("jwt_reload", json!({ "drop": 1 }))?;
        if dropped != "OK" {
            return Err(format!("jwt_reload drop=1 answers {dropped}"));
        }
        long.everywhere(&alice, -6)?;
        server.resume()?;
        for running in [&long, &short, &none] {
            wait_for(LIMIT, || {
                (running.all_say(&alice, 1) == Ok(true)).then_some(())
            })
            .ok_or("the database is back, and not used")?;
        }
        long.instance.check_workers()?;
        short.instance.check_workers()?;
        none.instance.check_workers()
    })
}
