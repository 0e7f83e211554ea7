//! Where the module is loaded, and under which name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harness::core::{self, Core};
use harness::database::Backend;
use harness::instance::Instance;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::{Place, Setting, ignored};
use harness::tokens::token;
use libtest_mimic::{Failed, Trial};

use super::cases::{CASES, Case};
use super::drop_in;
use super::group::{Group, script, trials_of};

/// How long to wait for a log line.
const LIMIT: Duration = Duration::from_secs(20);

/// Supported releases whose layouts the stand-in can take on.
const SERVED: [&str; 4] = ["3.4.9", "3.5.9", "3.6.8", "4.0.1"];

/// Unsupported releases: too old, too new, and non-existent.
const NOT_SERVED: [&str; 4] = ["3.3.10", "2.4.11", "4.1.0", "5.0.0"];

/// The trials of one core, whose databases are `places`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let simple = |place: &&Place| matches!(place.backend, Backend::Sqlite | Backend::DbText);
    let Some(place) = places.iter().find(simple) else {
        return Vec::new();
    };
    let mut trials = Vec::new();
    let mut trial = |name: &str, run: fn(&Setting, &Place) -> Result<(), Failed>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        trials.push(Trial::test(format!("{place}, {name}"), move || {
            place.core.prepare()?;
            run(&setting, &place)
        }));
    };
    trial("as a symbolic link called auth_jwt.so", linked);
    if place.core.is_opensips() {
        trial("in every kind of route", every_route);
        match place.core.module("auth_jwt.so") {
            Some(_) => {
                trial("not beside the C module", beside);
                trial("not under both names", twice);
            }
            None => {
                let name = format!("{place}, not beside the C module");
                trials.push(ignored(
                    name,
                    "this OpenSIPS has no auth_jwt.so".to_string(),
                ));
            }
        }
    } else {
        for version in SERVED {
            let place = Place {
                core: core::stand_in_as(version),
                ..place.clone()
            };
            let group = Group::new(setting, &place, |database| Ok(script(database)));
            trials.extend(trials_of(&group, &place.to_string(), FEW));
        }
        for version in NOT_SERVED {
            trials.push(refused(setting, &core::stand_in_as(version)));
        }
    }
    trials
}

/// Every unsupported OpenSIPS found must refuse the module, and say why.
pub fn not_served(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    vec![refused(setting, core)]
}

fn refused(setting: &Arc<Setting>, core: &Core) -> Trial {
    let (setting, core) = (Arc::clone(setting), core.clone());
    Trial::test(
        format!("{core}: refused, for this release is not served"),
        move || {
            core.prepare()?;
            let script = Script::new(&harness::module(), "\nroute { exit; }\n");
            match Instance::start(&core, &script, &setting.folder()) {
                Ok(_) => Err("it started".into()),
                Err(refusal) if refusal.log.contains("auth_web") && refusal.log.contains("3.4") => {
                    Ok(())
                }
                Err(refusal) => Err(refusal.to_string().into()),
            }
        },
    )
}

/// A few cases that exercise most of the module.
const FEW: &[Case] = &[
    find("good token, async"),
    find("good token, with its scheme"),
    find("good token, outputs into $var"),
    find("loaded columns"),
    find("NULL in a loaded column leaves the AVP unset"),
    find("rotation"),
    find("expired, async"),
];

/// The case of that name.
const fn find(name: &str) -> Case {
    super::cases::named(CASES, name)
}

fn linked(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let folder = setting.folder();
    let link = folder.join("auth_jwt.so");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::os::unix::fs::symlink(harness::module(), &link))
        .map_err(|e| e.to_string())?;
    let database = setting.empty_database(place.backend)?;
    let routes = drop_in::routes(drop_in::ROUTES, setting.world());
    let script = drop_in::script(&routes, &link, &place.core, &database);
    Instance::start(&place.core, &script, &folder)
        .map(drop)
        .map_err(|e| e.to_string().into())
}

fn beside(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let database = setting.empty_database(place.backend)?;
    let script = script(&database).load("auth_jwt.so");
    not_with(&place.core, &script, &setting.folder())
}

fn twice(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let folder = setting.folder();
    let copy = folder.join("auth_jwt.so");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::copy(harness::module(), &copy))
        .map_err(|e| e.to_string())?;
    let database = setting.empty_database(place.backend)?;
    let script = script(&database).load(&copy.display().to_string());
    not_with(&place.core, &script, &folder)
}

/// It does not start, and says with which other module.
fn not_with(core: &Core, script: &Script, folder: &Path) -> Result<(), Failed> {
    match Instance::start(core, script, folder) {
        Ok(_) => Err("it started".into()),
        Err(refusal) if refusal.log.contains(".so is loaded as well") => Ok(()),
        Err(refusal) => Err(refusal.to_string().into()),
    }
}

fn every_route(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let w = setting.world();
    let routes = drop_in::routes(include_str!("routes.cfg"), w)
        .replace("@TOKEN@", &token(&w.secret, "HS256", r#"{"tag":"hmac"}"#));
    let database = setting.database(place.backend)?;
    let script = Script::new(&harness::module(), &routes).database(&database);
    let mut instance =
        Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    for route in ["startup_route", "timer_route"] {
        for who in ["script", "database"] {
            let line = format!("in {route}: {who} says ");
            let said = wait_for(LIMIT, || {
                let log = instance.log();
                log.lines()
                    .find_map(|l| Some(l.split_once(&line)?.1.trim().to_string()))
            });
            match said.as_deref() {
                Some("1") => {}
                other => return Err(format!("{line}{other:?}\n{}", instance.log()).into()),
            }
        }
    }
    Ok(instance.check_workers()?)
}
