//! What a core says when it starts, or does not: all that is wrong, each with what to do.

use std::process::Command;
use std::sync::Arc;

use harness::database::{Backend, Database};
use harness::instance::{Config, Instance, tail};
use harness::script::Script;
use harness::secrecy;
use harness::setting::{Place, Setting};
use libtest_mimic::{Failed, Trial};

use super::group::script;

/// All trials of one core, whose databases are `places`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut trial = |place: &Place, name: &str, run: fn(&Setting, &Place) -> Result<(), Failed>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        trials.push(Trial::test(format!("{place}, start: {name}"), move || {
            place.core.prepare()?;
            run(&setting, &place)
        }));
    };
    for place in places {
        match place.backend {
            Backend::Sqlite => trial(place, "all that is wrong at once", at_once),
            Backend::Mysql => {
                trial(place, "each fault of the database", of_database);
                trial(place, "what is dangerous", warnings);
            }
            _ => {}
        }
    }
    trials
}

/// The log of a core that does not start.
fn refusal(setting: &Setting, place: &Place, script: &Script) -> Result<String, Failed> {
    match Instance::start(&place.core, script, &setting.folder()) {
        Ok(_) => Err("it started".into()),
        Err(refusal) => Ok(refusal.log),
    }
}

/// Fails unless for each of these there is a line with all of its words.
fn says(log: &str, lines: &[&[&str]]) -> Result<(), Failed> {
    for words in lines {
        let all = |line: &str| words.iter().all(|word| line.contains(word));
        if !log.lines().any(all) {
            return Err(format!("no line says {words:?}:\n{}", tail(log, 40)).into());
        }
    }
    Ok(())
}

/// Values, a combination of them, a table and a column are wrong: one start says all of it, and `opensips -C` all
/// values.
fn at_once(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let database = setting.empty_database(place.backend)?;
    database.sql("ALTER TABLE jwt_secrets RENAME COLUMN secret TO other;")?;
    let wrong = |script: Script| {
        script
            .set("leeway", 90_000)
            .set("algorithms", "ES257")
            .set("http_timeout", "soon")
            .set("http_password", "Gehe1m-Kennwort")
    };
    let faulty = wrong(script(&database)).set("credentials_table", "not_there");
    let log = refusal(setting, place, &faulty)?;
    let values: &[&[&str]] = &[
        &["leeway", "90000", "from 0 to 86400"],
        &["algorithms", "ES257", "RS256"],
        &["http_timeout", "soon", "milliseconds"],
    ];
    says(&log, values)?;
    says(
        &log,
        &[
            &["http_password", "without http_username"],
            &["not_there", "version", "credentials.sql"],
            &["jwt_secrets", "jwt.sql"],
        ],
    )?;
    secrecy::check(&log, ["Gehe1m-Kennwort"])?;
    if !place.core.is_opensips() {
        return Ok(());
    }
    let checked = |script: &Script| -> Result<(bool, String), Failed> {
        let folder = setting.folder();
        let file = folder.join("opensips.cfg");
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, script.render(&place.core, 5060)))
            .map_err(|e| e.to_string())?;
        let output = Command::new(&place.core.binary)
            .arg("-C")
            .arg("-f")
            .arg(&file)
            .arg("-w")
            .arg(&folder)
            .output()
            .map_err(|e| e.to_string())?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.success(), said))
    };
    let (is_good, said) = checked(&wrong(script(&database)))?;
    says(&said, values)?;
    secrecy::check(&said, ["Gehe1m-Kennwort"])?;
    if is_good {
        return Err(format!("opensips -C finds nothing wrong:\n{}", tail(&said, 20)).into());
    }
    // It has no mod_init: what needs another parameter is no fault of a value.
    let (is_good, said) = checked(&script(&database).set("http_password", "x"))?;
    match is_good {
        true => Ok(()),
        false => Err(tail(&said, 20).into()),
    }
}

/// Wrong password, unknown database, unreachable host, missing right, table, column: each has its message, and what
/// to do.
fn of_database(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let database = setting.empty_database(place.backend)?;
    let plain = database.with_plain_password();
    let wrong = plain.with_wrong_password();
    let refused = |url: &str, password: &str, lines: &[&[&str]]| {
        let database = Database::elsewhere(place.backend, url, password);
        let log = refusal(setting, place, &script(&database))?;
        says(&log, lines)?;
        Ok::<_, Failed>(secrecy::check(&log, [password])?)
    };
    refused(
        &wrong.url,
        &wrong.password,
        &[&["refuses the user or the password", "percent-encoded"]],
    )?;
    let nowhere = Database::nowhere(place.backend);
    refused(
        &nowhere.url,
        &nowhere.password,
        &[&["can't be reached", "at that host and port"]],
    )?;
    let (server, name) = plain.url.rsplit_once('/').ok_or("no database in the URL")?;
    // Those who may see only theirs are not told which there are.
    let unknown = refusal(
        setting,
        place,
        &script(&Database::elsewhere(
            place.backend,
            &format!("{server}/not_there"),
            &plain.password,
        )),
    )?;
    says(&unknown, &[&["no such database", "correct its name"]])
        .or_else(|_| says(&unknown, &[&["denied", "names the right database"]]))?;
    let few = "f3w-s3cret";
    database.sql(&format!(
        "CREATE OR REPLACE USER few_{name}@'%' IDENTIFIED BY '{few}'; \
         CREATE OR REPLACE USER few_{name}@'localhost' IDENTIFIED BY '{few}'; \
         GRANT SELECT ON {name}.version TO few_{name}@'%'; \
         GRANT SELECT ON {name}.version TO few_{name}@'localhost';"
    ))?;
    let (_, at) = plain.url.rsplit_once('@').ok_or("no user in the URL")?;
    refused(
        &format!("mysql://few_{name}:{few}@{at}"),
        few,
        &[
            &["jwt_profiles", "denied", "GRANT SELECT ON jwt_profiles"],
            &["jwt_secrets", "denied", "GRANT SELECT ON jwt_secrets"],
        ],
    )?;
    database.sql(
        "ALTER TABLE jwt_profiles CHANGE sip_username login VARCHAR(64); DROP TABLE jwt_secrets;",
    )?;
    refused(
        &plain.url,
        &plain.password,
        &[
            &["jwt_profiles", "sip_username", "add the column"],
            &["jwt_secrets", "create it", "jwt.sql"],
        ],
    )
}

/// What is dangerous, or admits nobody, is said, and does not keep it from starting.
fn warnings(setting: &Setting, place: &Place) -> Result<(), Failed> {
    const SECRET: &str = "-----BEGIN PUBLIC KEY-----Gehe1mes-----END PUBLIC KEY-----";
    let start = |script: &Script| {
        let instance = Instance::start(&place.core, script, &setting.folder());
        let instance = instance.map_err(|e| e.to_string())?;
        Ok::<_, String>(instance.log())
    };
    let database = setting.empty_database(place.backend)?;
    database.sql(&format!(
        "INSERT INTO jwt_profiles (tag, sip_username) VALUES ('alice', 'alice'); \
         INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts) VALUES \
         ('alice', 'a-very-good-secret-of-some-length', 0, 2147483647), ('alice', '{SECRET}', 0, 2147483647);"
    ))?;
    let log = start(&script(&database).set("http_tls_verify", 0))?;
    says(
        &log,
        &[
            &["jwt_secrets", "row 2 of tag \"alice\"", "can't be used"],
            &["http_tls_verify is 0"],
        ],
    )?;
    secrecy::check(&log, ["Gehe1mes"])?;
    if log.contains("row 1 of tag") {
        return Err("a good secret is called unusable".into());
    }
    let bare = |name: &str, value: &str| {
        let script = script(&Database::nowhere(place.backend)).set("db_url", "");
        match name {
            "" => script,
            name => script.set(name, value),
        }
    };
    says(
        &start(&bare("jwks_url", "file:///nonexistent/keys"))?,
        &[&["jwks_url is set", "issuer and audience are not"]],
    )?;
    says(&start(&bare("", ""))?, &[&["nothing to judge tokens by"]])
}
