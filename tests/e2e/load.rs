//! Many requests at once: each is answered, and nothing is left over.

use std::sync::Arc;
use std::time::Duration;

use harness::database::Backend;
use harness::instance::{Footprint, Instance};
use harness::server::wait_for;
use harness::setting::{Place, Setting};
use harness::sipp::{self, Run};
use libtest_mimic::{Failed, Trial};

use super::group::script;
use super::rows::every_algorithm;

/// Calls in one run.
const CALLS: usize = 1000;

/// How many descriptors and threads a process may have in excess of before without having leaked
/// any: a leak would be one for each call, or for a good part of them.
const SLACK: usize = 20;

/// How long processes may take to shrink to their earlier size.
const SETTLE: Duration = Duration::from_secs(40);

/// The trial of one core with one database: one for the native driver, and one for OpenSIPS's
/// drivers.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    if !matches!(place.backend, Backend::Mysql | Backend::Sqlite) {
        return Vec::new();
    }
    let (setting, place) = (Arc::clone(setting), place.clone());
    vec![Trial::test(
        format!("{place}: {CALLS} requests at once, plain and async"),
        move || {
            place.core.prepare()?;
            run(&setting, &place)
        },
    )]
}

fn run(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let database = setting.database(place.backend)?;
    // Without the cache: every call goes to the database.
    let script = script(&database).log_level(1).set("cache_ttl", 0);
    let mut instance =
        Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let rows: Vec<_> = every_algorithm(setting.world())
        .into_iter()
        .cycle()
        .take(CALLS)
        .collect();
    let send = |service: &str| {
        let run = Run {
            scenario: "good_token",
            service,
            rows: &rows,
        };
        sipp::run_fast(&run, instance.port, &setting.folder())
    };
    send("async")?;
    let before = instance.footprint();
    send("plain")?;
    send("async")?;
    // Threads created on demand take a while to end.
    wait_for(SETTLE, || {
        leftover(&before, &instance.footprint())
            .is_none()
            .then_some(())
    })
    .ok_or_else(|| leftover(&before, &instance.footprint()).unwrap_or_default())?;
    Ok(instance.check_workers()?)
}

/// What one of the processes has in excess of before, if anything.
fn leftover(before: &[Footprint], after: &[Footprint]) -> Option<String> {
    after.iter().zip(before).find_map(|(now, then)| {
        let more = now.files > then.files + SLACK || now.threads > then.threads + SLACK;
        more.then(|| format!("before there were {then:?}, and now {now:?}"))
    })
}
