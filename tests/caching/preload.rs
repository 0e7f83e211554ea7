//! All profiles in memory (`cache_mode` "preload").

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use harness::core::Core;
use harness::database::own::Own;
use harness::database::{Backend, Database};
use harness::keys::Key;
use harness::script::Script;
use harness::server::{children, wait_for};
use harness::setting::Setting;
use serde_json::json;

use super::demand::{of, profile};
use super::outage::refuses_to_reload;
use super::own::questions;
use super::rows;
use super::running::{LIMIT, Running, WORKERS};

/// Seconds during which a trial fetches nothing again by itself.
const LONG: i64 = 3600;

fn preload(database: &Database, driver: &'static str, ttl: i64) -> impl FnOnce(Script) -> Script {
    let database = match driver {
        "opensips" => database.with_plain_password(),
        _ => database.clone(),
    };
    move |script| {
        let script = match (driver, database.backend) {
            ("opensips", Backend::Mysql) => script.load("db_mysql.so"),
            _ => script,
        };
        script
            .database(&database)
            .set("db_driver", driver)
            .set("cache_mode", "preload")
            .set("cache_ttl", ttl)
    }
}

fn start(
    setting: &Setting,
    core: &Core,
    database: &Database,
    driver: &'static str,
    ttl: i64,
) -> Result<Running, String> {
    let lines = match database.backend {
        // Without it, file changes are not noticed.
        Backend::DbText => "\nmodparam(\"db_text\", \"db_mode\", 1)\n",
        _ => "",
    };
    let with = preload(database, driver, ttl);
    Running::try_start(setting, core, WORKERS, lines, with).map_err(|e| e.to_string())
}

/// Changes take effect at once after jwt_reload, and by themselves after cache_ttl.
pub fn changes(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let (key, other) = (Key::secret(), Key::secret());
    let mut content = profile("leaving", &key);
    content.secret("leaving", &other.verifier());
    let database = setting.servers.create(backend, &content)?;
    let (leaving, staying) = (of("leaving", &key), of("leaving", &other));
    let added = of("added", &other);
    {
        let mut running = start(setting, core, &database, driver, LONG)?;
        running.everywhere(&leaving, 1)?;
        running.everywhere(&added, -4)?;
        rows::remove_secret(&database, &key)?;
        rows::add(&database, "added", &other)?;
        running.until_asked_again();
        running.everywhere(&leaving, 1)?;
        running.everywhere(&added, -4)?;
        running.mi.reload()?;
        running.everywhere(&leaving, -1)?;
        running.everywhere(&staying, 1)?;
        running.everywhere(&added, 1)?;
        running.instance.check_workers()?;
    }
    let mut running = start(setting, core, &database, driver, 1)?;
    running.everywhere(&staying, 1)?;
    running.everywhere(&of("last", &key), -4)?;
    rows::remove_secret(&database, &other)?;
    rows::add(&database, "last", &key)?;
    wait_for(LIMIT, || {
        let seen = [
            running.all_say(&staying, -1),
            running.all_say(&of("last", &key), 1),
        ];
        (seen == [Ok(true), Ok(true)]).then_some(())
    })
    .ok_or("cache_ttl is over, and the changes do not count")?;
    running.instance.check_workers()
}

/// Unknown tags cost the database nothing.
pub fn flood(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const TAGS: usize = 1000;
    let key = Key::secret();
    own.with(setting.folder(), &profile("known", &key), |_, database| {
        let mut running = Running::start(setting, core, preload(database, "auto", LONG))?;
        running.everywhere(&of("known", &key), 1)?;
        let asked = questions(database, || {
            for number in 0..TAGS {
                running.expect(&of(&format!("made-up-{number}"), &key), -4)?;
            }
            // Nor does a token that none of the known secrets verifies.
            for _ in 0..100 {
                running.expect(&of("known", &Key::secret()), -1)?;
            }
            Ok(())
        })?;
        if asked != 0 {
            return Err(format!("{asked} questions for {TAGS} made-up tags"));
        }
        if running.mi.statistic("jwt_store_queries")? != 0 {
            return Err("queries were counted".to_string());
        }
        running.instance.check_workers()
    })
}

/// The database goes away: users seen before are admitted for cache_grace, then nobody; and it
/// comes back.
pub fn outage(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    own.with(
        setting.folder(),
        &profile("known", &key),
        |server, database| {
            let start = |grace: i64| {
                Running::start_with(setting, core, 2, |script| {
                    preload(database, "auto", 1)(script).set("cache_grace", grace)
                })
            };
            let (mut long, mut short) = (start(LONG)?, start(1)?);
            let (known, unknown) = (of("known", &key), of("unknown", &key));
            for running in [&long, &short] {
                running.everywhere(&known, 1)?;
                running.everywhere(&unknown, -4)?;
            }
            server.pause();
            let until = |running: &Running, code: i32, what: &str| {
                wait_for(LIMIT, || {
                    (running.all_say(&known, code) == Ok(true)).then_some(())
                })
                .ok_or(format!("{what} in {LIMIT:?}"))
            };
            until(
                &short,
                -6,
                "cache_grace is over, and the profile still counts",
            )?;
            short.everywhere(&unknown, -6)?;
            long.everywhere(&known, 1)?;
            long.everywhere(&unknown, -4)?;
            if long.mi.statistic("jwt_served_stale")? == 0 {
                return Err("jwt_served_stale does not count".to_string());
            }
            // What can't be read replaces nothing, and what is dropped does not serve.
            refuses_to_reload(&long, "jwt_reload")?;
            long.everywhere(&known, 1)?;
            long.mi.run("jwt_reload", json!({ "drop": 1 }))?;
            long.everywhere(&known, -6)?;
            server.resume()?;
            for running in [&long, &short] {
                until(running, 1, "the database is back, and not used")?;
                running.everywhere(&unknown, -4)?;
            }
            short.instance.check_workers()?;
            long.instance.check_workers()
        },
    )
}

/// The shared memory of a core does not outlive it: not if it is ended, nor if its loader dies and
/// takes it along, nor if all of it is killed and started again.
pub fn memory(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let database = setting
        .servers
        .create(Backend::Sqlite, &profile("known", &key))?;
    let start = || -> Result<(Running, Vec<String>), String> {
        let running = Running::start(setting, core, preload(&database, "auto", 1))?;
        let pid = running.instance.pid();
        let segments = wait_for(LIMIT, || {
            Some(segments(pid)).filter(|names| !names.is_empty())
        });
        running.everywhere(&of("known", &key), 1)?;
        Ok((running, segments.ok_or("no snapshot was published")?))
    };
    let (running, _) = start()?;
    let loader = loader(running.instance.pid()).ok_or("no loader")?;
    drop(running);
    gone(loader, "ended")?;

    let (mut running, _) = start()?;
    let loader = self::loader(running.instance.pid()).ok_or("no loader")?;
    kill(loader)?;
    wait_for(LIMIT, || running.instance.check_workers().err())
        .ok_or("the loader was killed, and nothing happened")?;
    drop(running);
    gone(loader, "ended without its loader")?;

    let (running, _) = start()?;
    let pid = running.instance.pid();
    let loader = self::loader(pid).ok_or("no loader")?;
    let all = children(pid);
    kill(pid)?;
    for child in all {
        // Some end by themselves once their parent is gone.
        let _ = kill(child);
    }
    drop(running);
    if left(loader).is_empty() {
        // The loader of another core started meanwhile has cleaned it up, as it should.
        return Ok(());
    }
    let (running, _) = start()?;
    wait_for(LIMIT, || left(loader).is_empty().then_some(()))
        .ok_or_else(|| format!("{:?} outlived a restart", left(loader)))?;
    running.everywhere(&of("known", &key), 1)?;
    drop(running);
    Ok(())
}

fn gone(loader: u32, how: &str) -> Result<(), String> {
    match left(loader) {
        names if names.is_empty() => Ok(()),
        names => Err(format!("{how}, and {names:?} is left")),
    }
}

/// Snapshots published by a child of this process.
fn segments(pid: u32) -> Vec<String> {
    children(pid).into_iter().flat_map(left).collect()
}

/// Which of its children publishes them.
fn loader(pid: u32) -> Option<u32> {
    // There may be none while one replaces another.
    wait_for(LIMIT, || {
        children(pid)
            .into_iter()
            .find(|child| !left(*child).is_empty())
    })
}

/// What remains of a process.
fn left(owner: u32) -> Vec<String> {
    let prefix = format!("auth_web.{owner}.");
    std::fs::read_dir(Path::new("/dev/shm"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

fn kill(pid: u32) -> Result<(), String> {
    let status = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status()
        .map_err(|e| e.to_string())?;
    sleep(Duration::from_millis(10));
    if status.success() {
        Ok(())
    } else {
        Err(format!("process {pid} cannot be killed"))
    }
}
