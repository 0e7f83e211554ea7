//! Tags that a column can't hold: nobody has such a profile, and nothing is out of order.

use std::sync::Arc;
use std::time::Duration;

use harness::database::{Backend, Database, MariaDb, schema};
use harness::instance::Instance;
use harness::script::Script;
use harness::setting::{Place, Setting};
use harness::sip;
use harness::tokens::token;
use libtest_mimic::{Failed, Trial};

use super::group::script;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// As they stand in JSON: of every plane, and what ends a string in C.
const TAGS: [&str; 9] = [
    "gr\u{fc}n",
    "10\u{20ac}",
    "\u{436}",
    "\u{65e5}\u{672c}",
    "\u{1f4de}",
    "a\u{301}\u{1f468}\u{200d}\u{1f469}",
    "a\\u0000b",
    "\\u0081\\u009f",
    "\\uffff\\ufffd",
];

/// The character sets of MariaDB that are tried: those of old databases, and a strange one.
const SETS: [&str; 5] = ["latin1", "utf8mb3", "ascii", "koi8r", "utf8mb4"];

/// The trials of one core with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    let trial = |name: &str, run: fn(&Setting, &Place) -> Result<(), Failed>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        Trial::test(format!("{place}: {name}"), move || {
            place.core.prepare()?;
            run(&setting, &place)
        })
    };
    let mut trials = vec![trial("tags that no column holds", strange_tags)];
    if place.backend == Backend::Mysql {
        trials.push(trial("an account of MariaDB's ed25519", ed25519));
    }
    trials
}

fn strange_tags(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let database = setting.database(place.backend)?;
    if place.backend != Backend::Mysql {
        return Ok(check(setting, place, script(&database))?);
    }
    // Nothing that the columns would lose.
    database.sql(
        "DELETE FROM jwt_profiles WHERE tag <> 'hmac'; \
         DELETE FROM jwt_secrets WHERE corresponding_tag <> 'hmac';",
    )?;
    let module = Backend::Mysql.opensips_module();
    let has_driver = place.core.module(module).is_some();
    for set in SETS {
        for (table, column) in [
            ("jwt_profiles", "tag"),
            ("jwt_secrets", "corresponding_tag"),
        ] {
            database.sql(&format!(
                "ALTER TABLE {table} MODIFY {column} CHAR(128) CHARACTER SET {set} NOT NULL;"
            ))?;
        }
        check(setting, place, script(&database)).map_err(|e| format!("{set}, native: {e}"))?;
        if has_driver {
            let theirs = script(&database.with_plain_password()).load(module);
            let theirs = theirs.set("db_driver", "opensips");
            check(setting, place, theirs).map_err(|e| format!("{set}, {module}: {e}"))?;
        }
    }
    Ok(())
}

/// The return code for a token of this tag.
fn code(setting: &Setting, instance: &Instance, tag: &str) -> Result<String, String> {
    let token = token(
        &setting.world().secret,
        "HS256",
        &format!(r#"{{"tag":"{tag}"}}"#),
    );
    let answer = sip::exchange(
        instance.port,
        "REGISTER",
        "plain",
        &[("X-JWT", &token)],
        LIMIT,
    )
    .map_err(|e| format!("{tag}: {e}"))?;
    Ok(answer.header("X-RC").unwrap_or_default().to_string())
}

/// No such profile, without an error; and whoever has one is admitted.
fn check(setting: &Setting, place: &Place, script: Script) -> Result<(), String> {
    let script = script.log_level(2);
    let mut instance =
        Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    for tag in TAGS {
        let code = code(setting, &instance, tag)?;
        if code != "-4" {
            return Err(format!(
                "tag {tag:?}: -4 expected, got {code}\n{}",
                instance.log()
            ));
        }
    }
    let code = code(setting, &instance, "hmac")?;
    instance.check_workers()?;
    let log = instance.log();
    match log
        .lines()
        .find(|line| line.contains("ERROR") || line.contains("CRITICAL"))
    {
        _ if code != "1" => Err(format!("a good token: 1 expected, got {code}\n{log}")),
        Some(line) => Err(format!("the log has {line}")),
        None => Ok(()),
    }
}

/// A user that proves his password by a signature.
fn ed25519(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let options = ["--plugin-load-add=auth_ed25519".to_string()];
    let server = MariaDb::start_with(&setting.folder(), &options)?;
    let content = setting.world().content();
    let database = server.create("signed", &[schema(Backend::Mysql)], &content)?;
    database.sql(
        "CREATE USER 'signer'@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('s1gned-s3cret');\n\
         GRANT SELECT ON signed.* TO 'signer'@'127.0.0.1';",
    )?;
    let url = format!(
        "mysql://signer:s1gned-s3cret@127.0.0.1:{}/signed",
        server.port()
    );
    let as_signer = Database::elsewhere(Backend::Mysql, &url, "s1gned-s3cret");
    check(setting, place, script(&as_signer))?;
    let wrong = url.replace("s1gned", "another");
    let as_other = Database::elsewhere(Backend::Mysql, &wrong, "another-s3cret");
    match Instance::start(&place.core, &script(&as_other), &setting.folder()) {
        Err(refusal) if refusal.to_string().contains("Access denied") => Ok(()),
        Err(refusal) => Err(format!("with a wrong password: {refusal}").into()),
        Ok(_) => Err("it started with a wrong password".into()),
    }
}
