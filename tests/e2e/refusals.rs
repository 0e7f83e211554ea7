//! What must keep a core from starting, and what it logs then.

use std::sync::Arc;

use harness::database::{Backend, Database};
use harness::instance::{Instance, tail};
use harness::script::{Script, Value};
use harness::secrecy;
use harness::setting::{Place, Setting};
use libtest_mimic::{Failed, Trial};

use super::group::script;

/// A parameter set to an invalid value. The message must name the parameter, the value, and what is
/// allowed.
struct Wrong {
    parameter: &'static str,
    value: Given,
    allowed: &'static str,
}

/// A value for use in a constant table.
#[derive(Clone, Copy)]
enum Given {
    Text(&'static str),
    Number(i64),
}

impl From<Given> for Value {
    fn from(given: Given) -> Value {
        match given {
            Given::Text(text) => text.into(),
            Given::Number(number) => number.into(),
        }
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::Text(text) => f.write_str(text),
            Given::Number(number) => number.fmt(f),
        }
    }
}

const fn wrong(parameter: &'static str, value: Given, allowed: &'static str) -> Wrong {
    Wrong {
        parameter,
        value,
        allowed,
    }
}

const WRONG: &[Wrong] = &[
    wrong("leeway", Given::Number(-1), "from 0 to"),
    wrong("leeway", Given::Text("soon"), "from 0 to"),
    wrong("require_exp", Given::Number(2), "0 or 1"),
    wrong("db_mode", Given::Number(7), "0 or 1"),
    wrong("max_token_size", Given::Number(10), "from 256 to 65535"),
    wrong("db_timeout", Given::Number(0), "from 10 to"),
    wrong("algorithms", Given::Text("none"), "RS256"),
    wrong("algorithms", Given::Text("HS257"), "HS256"),
    wrong("db_driver", Given::Text("odbc"), "opensips"),
    wrong("db_driver", Given::Text("native"), "mysql"),
    wrong("issuer", Given::Text(" "), "one value"),
    wrong(
        "load_credentials",
        Given::Text("$avp(x=note"),
        "$avp(name)=column",
    ),
    wrong(
        "load_credentials",
        Given::Text("$avp(x)=note, secret"),
        "letters",
    ),
    wrong("tag_column", Given::Text("tag; DROP TABLE x"), "letters"),
    wrong("profiles_table", Given::Text("a b"), "letters"),
    wrong("db_url", Given::Text("nonsense"), "mysql://"),
];

/// Starts a core that must not start; returns its log.
fn refusal(setting: &Setting, place: &Place, script: &Script) -> Result<String, Failed> {
    match Instance::start(&place.core, script, &setting.folder()) {
        Ok(_) => Err("it started".into()),
        Err(refusal) => match refusal.status {
            Some(status) if !status.success() => Ok(refusal.log),
            _ => Err(refusal.to_string().into()),
        },
    }
}

/// Fails unless one line of the module's contains all of the words.
fn said(log: &str, words: &[&str]) -> Result<(), Failed> {
    let ours = |line: &&str| line.contains(":auth_web:") || line.contains("auth_web");
    let all = |line: &str| words.iter().all(|word| line.contains(word));
    match log.lines().filter(ours).any(all) {
        true => Ok(()),
        false => Err(format!("no line says {words:?}:\n{}", tail(log, 30)).into()),
    }
}

/// What must hold on one core, whose databases are `places`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut trial = |place: &Place, name: &str, run: Box<Runner>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        let name = format!("{place}, does not start: {name}");
        trials.push(Trial::test(name, move || {
            place.core.prepare()?;
            run(&setting, &place)
        }));
    };
    let simple = |place: &&Place| matches!(place.backend, Backend::Sqlite | Backend::DbText);
    if let Some(place) = places.iter().find(simple) {
        for Wrong {
            parameter,
            value,
            allowed,
        } in WRONG
        {
            trial(
                place,
                &format!("{parameter} is {value}"),
                Box::new(move |setting, place| {
                    let database = setting.empty_database(place.backend)?;
                    let script = script(&database).set(parameter, *value);
                    let log = refusal(setting, place, &script)?;
                    // The log may say only that a URL is missing, not quote it: it holds a
                    // password.
                    let shown = value.to_string();
                    match *parameter {
                        "db_url" => said(&log, &[parameter, allowed]),
                        _ => said(&log, &[parameter, &shown, allowed]),
                    }
                }),
            );
        }
    }
    for place in places {
        trial(
            place,
            "the tables have no version",
            Box::new(|setting, place| {
                let database = setting.empty_database(place.backend)?;
                database.forget_versions()?;
                let log = refusal(setting, place, &script(&database))?;
                said(&log, &["jwt_profiles", "version", "opensips-cfg/schema/"])
            }),
        );
        if place.backend != Backend::DbText {
            trial(
                place,
                "a table has another version",
                Box::new(|setting, place| {
                    let database = setting.empty_database(place.backend)?;
                    database.sql("UPDATE version SET table_version = 7;")?;
                    let log = refusal(setting, place, &script(&database))?;
                    said(&log, &["jwt_profiles", "7", "1"])
                }),
            );
        }
        trial(
            place,
            "the database is not there",
            Box::new(|setting, place| {
                let database = Database::nowhere(place.backend);
                let log = refusal(setting, place, &script(&database))?;
                said(
                    &log,
                    &[&place.backend.to_string().replace("db_text", "text")],
                )?;
                Ok(secrecy::check(&log, [database.password.as_str()])?)
            }),
        );
        if place.core.is_opensips() && place.backend.needed_module().is_some() {
            trial(
                place,
                "its driver is not loaded",
                Box::new(|setting, place| {
                    let database = setting.empty_database(place.backend)?;
                    let script = Script::new(&harness::module(), "\nroute { exit; }\n")
                        .set("db_url", database.url.as_str());
                    let log = refusal(setting, place, &script)?;
                    said(&log, &["db_url", place.backend.opensips_module()])
                }),
            );
        }
        if place.backend == Backend::Mysql {
            trial(
                place,
                "the password is wrong",
                Box::new(|setting, place| {
                    let database = setting.empty_database(place.backend)?.with_wrong_password();
                    let log = refusal(setting, place, &script(&database))?;
                    said(&log, &["mysql://", "denied"])?;
                    Ok(secrecy::check(&log, [database.password.as_str()])?)
                }),
            );
        }
    }
    trials
}

type Runner = dyn Fn(&Setting, &Place) -> Result<(), Failed> + Send;
