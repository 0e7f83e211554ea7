//! The scripts in opensips-cfg, as a user would copy them.

use harness::database::Backend;
use harness::instance::Instance;
use harness::keys::Key;
use harness::setting::{Place, Setting};
use harness::shipped::Shipped;
use harness::sip;
use harness::tokens::token;
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const FILES: [&str; 2] = ["jwt_authorize.cfg", "jwt_authorize_async.cfg"];

/// The trials of one core, whose databases are `places`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let simple = |place: &&Place| matches!(place.backend, Backend::Sqlite | Backend::DbText);
    let Some(place) = places.iter().find(simple) else {
        return Vec::new();
    };
    FILES
        .iter()
        .map(|file| {
            let (setting, place) = (Arc::clone(setting), place.clone());
            Trial::test(format!("{place}, opensips-cfg/{file}"), move || {
                place.core.prepare()?;
                run(&setting, &place, file)
            })
        })
        .collect()
}

fn run(setting: &Setting, place: &Place, file: &str) -> Result<(), Failed> {
    let w = setting.world();
    let database = setting.database(place.backend)?;
    let shipped = Shipped::read(file, &harness::module(), &database)?;
    let mut instance =
        Instance::start(&place.core, &shipped, &setting.folder()).map_err(|e| e.to_string())?;
    let soon = w.now + 3600;
    // From and profile are "caller" and whoever it is: see harness::sip.
    let signed =
        |key: &Key, alg: &str, payload: String| format!("Bearer {}", token(key, alg, &payload));
    let asked = [
        (None, 401),
        (
            Some(signed(
                &w.secret,
                "HS256",
                format!(r#"{{"exp":{soon},"tag":"caller"}}"#),
            )),
            200,
        ),
        (
            Some(signed(
                &w.secret,
                "HS256",
                format!(r#"{{"exp":{soon},"tag":"hmac"}}"#),
            )),
            403,
        ),
        (
            Some(signed(
                &w.secret,
                "HS256",
                r#"{"exp":1,"tag":"caller"}"#.to_string(),
            )),
            401,
        ),
        (
            Some(signed(
                &w.secret,
                "HS256",
                r#"{"tag":"caller"}"#.to_string(),
            )),
            403,
        ),
        (
            Some(signed(
                &w.secret,
                "HS512",
                format!(r#"{{"exp":{soon},"tag":"caller"}}"#),
            )),
            403,
        ),
        (
            Some(signed(
                &w.other_secret,
                "HS256",
                format!(r#"{{"exp":{soon},"tag":"caller"}}"#),
            )),
            403,
        ),
        (
            Some(signed(
                &w.secret,
                "HS256",
                format!(r#"{{"exp":{soon},"tag":"nobody"}}"#),
            )),
            403,
        ),
        (Some("Bearer garbage".to_string()), 400),
    ];
    for (number, (header, status)) in asked.iter().enumerate() {
        let headers: Vec<_> = header
            .iter()
            .map(|value| ("Authorization", value.as_str()))
            .collect();
        let answer = sip::exchange(instance.port, "REGISTER", "somebody", &headers, LIMIT)
            .map_err(|e| format!("request {number}: {e}"))?;
        if answer.status != *status {
            return Err(format!("request {number}: {status} expected, got {answer:?}").into());
        }
    }
    Ok(instance.check_workers()?)
}
