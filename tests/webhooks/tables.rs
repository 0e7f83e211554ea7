//! An endpoint for each realm, in every database; jambonz's tables through a view.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::{Backend, Database, schema};
use harness::device::{Device, NOT_UTF8, Question, Written};
use harness::profiles::Content;
use harness::script::Script;
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::ignored;
use libtest_mimic::Trial;

use super::setting::{Setting, can_use, script_with_memory};

/// How long the database may be back without being used.
const BACK: Duration = Duration::from_secs(20);

type Run = fn(&Setting, &Core) -> Result<(), String>;

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Backend::ALL
        .into_iter()
        .map(|backend| {
            let name = format!("endpoints of realms, {backend}");
            match can_use(core, backend) {
                Ok(()) => setting.trial(core, &name, move |setting, core| {
                    realms(setting, core, backend)
                }),
                Err(reason) => ignored(format!("{core}: {name}"), reason),
            }
        })
        .collect();
    trials.extend(Backend::ALL.into_iter().map(|backend| {
        let name = format!("realms that no column holds, {backend}");
        match can_use(core, backend) {
            Ok(()) => setting.trial(core, &name, move |setting, core| {
                strange(setting, core, backend)
            }),
            Err(reason) => ignored(format!("{core}: {name}"), reason),
        }
    }));
    let of_mysql: [(&str, Run); 3] = [
        ("a table of version 1", older),
        ("a view over jambonz's tables", jambonz),
        ("the database hangs", hanging),
    ];
    for (name, run) in of_mysql {
        let name = format!("endpoints of realms, {name}");
        trials.push(match can_use(core, Backend::Mysql) {
            Ok(()) => setting.trial(core, &name, run),
            Err(reason) => ignored(format!("{core}: {name}"), reason),
        });
    }
    trials
}

/// Writes the rows of http_endpoints: realm, url, method, username, password, signature secret; an
/// empty value is NULL.
pub fn fill(database: &Database, rows: &[[&str; 6]]) -> Result<(), String> {
    if database.backend == Backend::DbText {
        return fill_folder(database, rows);
    }
    let mut statements = String::new();
    for row in rows {
        let values: Vec<String> = row
            .iter()
            .map(|value| match value.is_empty() {
                true => "NULL".to_string(),
                false => format!("'{}'", value.replace('\'', "''")),
            })
            .collect();
        statements.push_str(&format!(
            "INSERT INTO http_endpoints (realm, url, method, username, password, signature_secret) \
             VALUES ({});\n",
            values.join(", ")
        ));
    }
    database.sql(&statements).map(drop)
}

/// db_text: one line per row, `:` between the columns.
fn fill_folder(database: &Database, rows: &[[&str; 6]]) -> Result<(), String> {
    let folder = PathBuf::from(database.url.trim_start_matches("text://"));
    let shipped = schema(Backend::DbText).join("http_endpoints");
    let mut text = std::fs::read_to_string(&shipped).map_err(|e| e.to_string())?;
    for (number, row) in rows.iter().enumerate() {
        let values: Vec<String> = row.iter().map(|value| value.replace(':', "\\:")).collect();
        text.push_str(&format!("{}:{}:::\n", number + 1, values.join(":")));
    }
    std::fs::write(folder.join("http_endpoints"), text).map_err(|e| e.to_string())
}

/// Writes the paths of a realm's files into its row: realm, certificate, key, authorities; an empty value is
/// NULL.
pub fn set_files(database: &Database, rows: &[[&str; 4]]) -> Result<(), String> {
    if database.backend == Backend::DbText {
        let folder = PathBuf::from(database.url.trim_start_matches("text://"));
        let path = folder.join("http_endpoints");
        let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
        let lines = text.lines().map(|line| {
            let of = |row: &&[&str; 4]| line.contains(&format!(":{}:", row[0]));
            match rows.iter().find(of) {
                Some(row) => format!(
                    "{}{}",
                    line.strip_suffix(":::").unwrap_or(line),
                    format_args!(":{}", row[1..].join(":"))
                ),
                None => line.to_string(),
            }
        });
        let text: Vec<String> = lines.collect();
        return std::fs::write(&path, text.join("\n") + "\n").map_err(|e| e.to_string());
    }
    let value = |text: &str| match text {
        "" => "NULL".to_string(),
        text => format!("'{text}'"),
    };
    let mut statements = String::new();
    for [realm, certificate, key, ca] in rows {
        statements.push_str(&format!(
            "UPDATE http_endpoints SET tls_cert = {}, tls_key = {}, tls_ca = {} WHERE realm = '{realm}';\n",
            value(certificate),
            value(key),
            value(ca)
        ));
    }
    database.sql(&statements).map(drop)
}

/// Leaves only the webhook tables: those for tokens are another's.
fn without_tokens(database: &Database) -> Result<(), String> {
    if database.backend == Backend::DbText {
        return Ok(());
    }
    database
        .sql(
            "DELETE FROM version WHERE table_name LIKE 'jwt%';\n\
             DROP TABLE jwt_profiles;\nDROP TABLE jwt_secrets;\n",
        )
        .map(drop)
}

/// A table that was set up before there were columns of files serves as it is.
fn older(setting: &Setting, core: &Core) -> Result<(), String> {
    let endpoint = setting.endpoint()?;
    let rows = [["a.example", &endpoint.url(), "", "", "", ""]];
    let database = setting.database(Backend::Mysql, &rows)?;
    without_tokens(&database)?;
    database.sql(
        "ALTER TABLE http_endpoints DROP COLUMN tls_cert, DROP COLUMN tls_key, DROP COLUMN tls_ca;\n\
         UPDATE version SET table_version = 1 WHERE table_name = 'http_endpoints';\n",
    )?;
    let mut scripts = vec![script_with_memory().database(&database)];
    let module = Backend::Mysql.opensips_module();
    if core.module(module).is_some() {
        let theirs = script_with_memory().database(&database.with_plain_password());
        scripts.push(theirs.load(module).set("db_driver", "opensips"));
    }
    for script in scripts {
        let mut instance = setting.start(core, &script)?;
        let device = Device::new(instance.port)?;
        for service in ["plain", "async"] {
            let question = Question::register(service, "john", "a.example");
            device.authorize(&question, "secret")?.expect("1")?;
        }
        instance.check_workers()?;
    }
    Ok(())
}

fn realms(setting: &Setting, core: &Core, backend: Backend) -> Result<(), String> {
    let (open, guarded) = (setting.endpoint()?, setting.guarded()?);
    let (user, password) = super::setting::BASIC;
    let several = format!("http://127.0.0.1:1/ {}", open.url());
    let rows = [
        ["a.example", &open.url(), "", "", "", ""],
        ["get.example", &open.url(), "GET", "", "", ""],
        [
            "row.example",
            &guarded.url(),
            "POST",
            user,
            password,
            super::setting::SIGNATURE_SECRET,
        ],
        ["failover.example", &several, "", "", "", ""],
        ["wrong.example", "ftp://127.0.0.1/", "", "", "", ""],
    ];
    let database = setting.database(backend, &rows)?;
    without_tokens(&database)?;
    let script = script_with_memory().database(&database);
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    for service in ["plain", "async"] {
        for domain in [
            "a.example",
            "A.Example",
            "get.example",
            "row.example",
            "failover.example",
        ] {
            // Realms are compared without regard to case; the endpoint's own spelling is part of
            // what is hashed.
            let question = Question::register(service, "john", domain)
                .with("X-Realm", domain.to_ascii_lowercase());
            device
                .authorize(&question, "secret")?
                .expect("1")
                .map_err(|e| format!("{domain}, {service}: {e}"))?;
        }
        let unknown = Question::register(service, "john", "b.example");
        device.authorize(&unknown, "other")?.expect("-1")?;
        let wrong = Question::register(service, "john", "wrong.example");
        device.authorize(&wrong, "secret")?.expect("-5")?;
        let injection = Question::register(service, "john", "x").with("X-Realm", "x' OR '1'='1");
        device.authorize(&injection, "secret")?.expect("-1")?;
    }
    secrecy::check(
        &instance.log(),
        [password, super::setting::SIGNATURE_SECRET],
    )?;
    instance.check_workers()
}

/// The character sets of MariaDB that are tried.
const SETS: [&str; 5] = ["latin1", "utf8mb3", "ascii", "koi8r", "utf8mb4"];

/// A realm that the column's character set does not have has no endpoint, which is no error.
fn strange(setting: &Setting, core: &Core, backend: Backend) -> Result<(), String> {
    let url = setting.endpoint()?.url();
    let database = setting.database(backend, &[["a.example", &url, "", "", "", ""]])?;
    if backend != Backend::Mysql {
        return none_of(setting, core, script_with_memory().database(&database));
    }
    let module = backend.opensips_module();
    for set in SETS {
        database.sql(&format!(
            "ALTER TABLE http_endpoints MODIFY realm VARCHAR(190) CHARACTER SET {set} NOT NULL;"
        ))?;
        let native = script_with_memory().database(&database);
        none_of(setting, core, native).map_err(|e| format!("{set}, native: {e}"))?;
        if core.module(module).is_some() {
            let theirs = script_with_memory().database(&database.with_plain_password());
            let theirs = theirs.load(module).set("db_driver", "opensips");
            none_of(setting, core, theirs).map_err(|e| format!("{set}, {module}: {e}"))?;
        }
    }
    Ok(())
}

fn none_of(setting: &Setting, core: &Core, script: Script) -> Result<(), String> {
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let since = instance.log_length();
    for realm in [
        "gr\u{fc}n.example",
        "10\u{20ac}.example",
        "\u{436}.example",
        "\u{1f4de}.example",
        "a\u{301}\u{1f468}\u{200d}\u{1f469}.example",
    ] {
        for service in ["plain", "async"] {
            let question = Question::register(service, "john", realm).with("X-Realm", realm);
            let reply = device.authorize(&question, "secret")?;
            reply.expect("-1").map_err(|e| format!("{realm}: {e}"))?;
        }
    }
    // What is not UTF-8 is nobody's realm, whatever the database makes of it.
    for realm in [
        format!("gr{NOT_UTF8}n.example"),
        format!("{NOT_UTF8}.example"),
    ] {
        let question = Question::register("plain", "john", "a.example");
        let offered = device.challenge(&question.clone().with("X-Realm", "a.example"))?;
        let response = device.respond(&question, &offered, "secret");
        let written = Written {
            method: "REGISTER".to_string(),
            uri: device.uri(&question),
            from: format!("<sip:john@{realm}>"),
            to: format!("<sip:john@{realm}>"),
            lines: vec![format!("Authorization: {}", response.header("REGISTER"))],
            ..Written::default()
        };
        device.ask_as(&written)?.expect("-6")?;
    }
    let question = Question::register("plain", "john", "a.example").with("X-Realm", "a.example");
    device.authorize(&question, "secret")?.expect("1")?;
    instance.no_error_since(since)?;
    instance.check_workers()
}

/// As much of jambonz's tables as the view reads, with columns of the same names and types.
const JAMBONZ: &str = "
CREATE DATABASE IF NOT EXISTS jambones;
CREATE TABLE IF NOT EXISTS jambones.webhooks (
    webhook_sid CHAR(36) NOT NULL UNIQUE PRIMARY KEY,
    url VARCHAR(1024) NOT NULL,
    method ENUM('GET','POST') NOT NULL DEFAULT 'POST',
    username VARCHAR(255),
    password VARCHAR(255)
);
CREATE TABLE IF NOT EXISTS jambones.accounts (
    account_sid CHAR(36) NOT NULL UNIQUE PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    sip_realm VARCHAR(132) UNIQUE,
    registration_hook_sid CHAR(36),
    is_active BOOLEAN NOT NULL DEFAULT true,
    webhook_secret VARCHAR(36) NOT NULL
);
";

fn jambonz(setting: &Setting, core: &Core) -> Result<(), String> {
    let guarded = setting.guarded()?;
    let (user, password) = super::setting::BASIC;
    let database = setting.servers.create_with(
        Backend::Mysql,
        &[schema(Backend::Mysql)],
        &Content::default(),
    )?;
    let view = schema(Backend::Mysql).with_file_name("jambonz-view.sql");
    let view = std::fs::read_to_string(view).map_err(|e| e.to_string())?;
    let (url, secret) = (guarded.url(), super::setting::SIGNATURE_SECRET);
    database.sql(&format!(
        "{JAMBONZ}
        REPLACE INTO jambones.webhooks VALUES ('w1', '{url}', 'POST', '{user}', '{password}');
        REPLACE INTO jambones.accounts VALUES ('a1', 'one', 'row.example', 'w1', 1, '{secret}');
        REPLACE INTO jambones.accounts VALUES ('a2', 'two', 'a.example', 'w1', 0, '{secret}');
        REPLACE INTO jambones.accounts VALUES ('a3', 'three', 'b.example', NULL, 1, '{secret}');
        REPLACE INTO jambones.accounts VALUES ('a4', 'four', NULL, 'w1', 1, '{secret}');"
    ))?;
    // Existing data is kept: it can be run again.
    database.sql(&format!("{view}\n{view}"))?;
    without_tokens(&database)?;
    let mut instance = setting.start(core, &script_with_memory().database(&database))?;
    let device = Device::new(instance.port)?;
    for (domain, password, code) in [
        ("row.example", "secret", "1"),
        ("row.example", "wrong", "-1"),
        ("a.example", "secret", "-1"),
        ("b.example", "other", "-1"),
    ] {
        let question = Question::register("async", "john", domain);
        device.authorize(&question, password)?.expect(code)?;
    }
    instance.check_workers()
}

/// MariaDB hangs: realms seen before continue, the others fail; one request waits for db_timeout,
/// and no other does.
fn hanging(setting: &Setting, core: &Core) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    const TRIES: u32 = 10;
    let folder = setting.folder();
    let own = &setting.own_mariadb;
    own.with(folder, &Content::default(), |server, database| {
        let file = schema(Backend::Mysql).with_file_name("http.sql");
        database.sql(&std::fs::read_to_string(file).map_err(|e| e.to_string())?)?;
        let url = setting.endpoint()?.url();
        fill(database, &[["a.example", &url, "", "", "", ""]])?;
        let script = script_with_memory()
            .database(database)
            .workers(1)
            .set("db_timeout", TIMEOUT.as_millis() as i64)
            .set("http_timeout", 15_000)
            .set("cache_ttl", 1);
        let mut instance = setting.start(core, &script)?;
        let device = Device::new(instance.port)?;
        let register = |domain: &str| {
            let question = Question::register("plain", "john", domain).with("X-Realm", domain);
            device.authorize(&question, "secret")
        };
        register("a.example")?.expect("1")?;
        // The cached data expires.
        sleep(Duration::from_millis(1100));
        server.hang()?;
        let during = || {
            let start = Instant::now();
            register("b.example")?.expect("-5")?;
            if start.elapsed() < TIMEOUT / 2 {
                return Err("the database did not hang".to_string());
            }
            let start = Instant::now();
            for number in 0..TRIES {
                register(&format!("b{number}.example"))?.expect("-5")?;
                register("a.example")?.expect("1")?;
            }
            match start.elapsed() {
                long if long > TIMEOUT * TRIES / 2 => Err(format!("{TRIES} rounds took {long:?}")),
                _ => Ok(()),
            }
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        // There is no such realm, which only the database can tell.
        let is_back = || register("b.example").is_ok_and(|reply| reply.code() == "-1");
        wait_for(BACK, || is_back().then_some(())).ok_or("the database is back, and not used")?;
        register("a.example")?.expect("1")?;
        instance.check_workers()
    })
}
