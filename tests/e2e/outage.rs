//! A database that goes away at run time, hangs, and comes back.

use std::sync::Arc;
use std::time::Duration;

use harness::database::{Backend, Database};
use harness::instance::Instance;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::{Place, Setting};
use harness::sip;
use harness::sipp::{self, Run};
use libtest_mimic::{Failed, Trial};

use super::cases::Case;
use super::group::script;
use super::rows::{every_algorithm, tokens};

/// How long the database may go unnoticed after its return.
const RETURN: Duration = Duration::from_secs(20);

const GOOD: Case = Case {
    name: "good tokens",
    scenario: "good_token",
    service: "plain",
    rows: every_algorithm,
};

/// The trials of one core with MariaDB.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    if place.backend != Backend::Mysql {
        return Vec::new();
    }
    let trial = |name: &str, run: fn(&Setting, &Place) -> Result<(), Failed>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        Trial::test(format!("{place}: {name}"), move || {
            place.core.prepare()?;
            run(&setting, &place)
        })
    };
    vec![
        trial("what was seen before outlives the database", cached),
        trial("the database is stopped and started under way", stopped),
        trial("the database hangs", hanging),
    ]
}

/// Sends a case, in the plain and in the async route.
fn send(setting: &Setting, instance: &Instance, case: &Case) -> Result<(), String> {
    let rows = (case.rows)(setting.world());
    for service in ["plain", "async"] {
        let run = Run {
            scenario: case.scenario,
            service,
            rows: &rows,
        };
        sipp::run(&run, instance.port, &setting.folder())?;
    }
    Ok(())
}

/// Sends one good token repeatedly until it is admitted many times in a row: each worker notices by
/// itself that the database is back.
fn wait_until_back(setting: &Setting, instance: &Instance) -> Result<(), String> {
    let row = every_algorithm(setting.world()).swap_remove(0);
    let mut in_a_row = 0;
    wait_for(RETURN, || {
        let headers = [("X-JWT", row[0].as_str())];
        let answer = sip::exchange(instance.port, "REGISTER", "plain", &headers, RETURN);
        let admitted = answer.is_ok_and(|answer| answer.status == 200);
        in_a_row = if admitted { in_a_row + 1 } else { 0 };
        (in_a_row == 20).then_some(())
    })
    .ok_or_else(|| "the database is back, and not used".to_string())
}

const FAILED: Case = Case {
    name: "no answer from the database",
    scenario: "store_failed",
    service: "plain",
    rows: |w| tokens(&w.secret, &[r#"{"tag":"hmac"}"#]),
};

/// The database is queried for every token, as auth_jwt does.
fn uncached(database: &Database) -> Script {
    script(database).set("cache_ttl", 0).set("cache_grace", 0)
}

fn cached(setting: &Setting, place: &Place) -> Result<(), Failed> {
    setting.with_own_mariadb(|server, database| {
        // A single worker, since each has to see a profile for itself.
        let script = script(database).workers(1).set("cache_ttl", 1);
        let mut instance =
            Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
        send(setting, &instance, &GOOD)?;
        server.pause();
        send(setting, &instance, &GOOD)?;
        send(setting, &instance, &UNSEEN)?;
        server.resume()?;
        instance.check_workers()
    })?;
    Ok(())
}

/// A good token whose profile has not been looked up yet.
const UNSEEN: Case = Case {
    name: "a profile that is not cached",
    scenario: "store_failed",
    service: "plain",
    rows: |w| tokens(&w.secret, &[r#"{"tag":"full"}"#]),
};

fn stopped(setting: &Setting, place: &Place) -> Result<(), Failed> {
    setting.with_own_mariadb(|server, database| {
        let mut instance = Instance::start(&place.core, &uncached(database), &setting.folder())
            .map_err(|e| e.to_string())?;
        send(setting, &instance, &GOOD)?;
        server.pause();
        let before = instance.log_length();
        send(setting, &instance, &FAILED)?;
        // One line for each of the two requests, or one for both; not none, and not a flood.
        let log = instance.log_since(before);
        let lines = log.lines().filter(|line| {
            line.contains(":auth_web:") && ["ERROR:", "WARNING:"].iter().any(|l| line.contains(l))
        });
        match lines.count() {
            1 | 2 => {}
            number => return Err(format!("{number} lines about the database:\n{log}")),
        }
        server.resume()?;
        wait_until_back(setting, &instance)?;
        send(setting, &instance, &GOOD)?;
        instance.check_workers()
    })?;
    Ok(())
}

fn hanging(setting: &Setting, place: &Place) -> Result<(), Failed> {
    setting.with_own_mariadb(|server, database| {
        let script = uncached(database).set("db_timeout", 1500);
        let mut instance =
            Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
        send(setting, &instance, &GOOD)?;
        server.hang()?;
        // SIPp waits for 20 seconds, well beyond db_timeout; with a database that hangs it would
        // wait in vain.
        let failed = send(setting, &instance, &FAILED);
        server.go_on()?;
        failed?;
        wait_until_back(setting, &instance)?;
        send(setting, &instance, &GOOD)?;
        instance.check_workers()
    })?;
    Ok(())
}
