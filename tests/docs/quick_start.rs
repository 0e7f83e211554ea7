//! The README's path from nothing to an answered request, followed as written: its script, its
//! rows, its commands that create a token.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::core::Core;
use harness::database::program;
use harness::instance::{Config, Instance};
use harness::sip;
use harness::tokens::with_broken_signature;
use libtest_mimic::{Failed, Trial};

use super::block::{self, Block};
use super::examples::link_modules;
use crate::ignored;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const README: &str = "README.md";

pub fn trial(core: &Core) -> Trial {
    let name = format!("{core}, README, script to token");
    if let Some(missing) = ["sqlite3", "openssl"]
        .into_iter()
        .find(|p| program(p).is_none())
    {
        return ignored(name, format!("no {missing}"));
    }
    if core.module("db_sqlite.so").is_none() {
        return ignored(name, "this OpenSIPS has no db_sqlite.so".to_string());
    }
    let core = core.clone();
    Trial::test(name, move || run(&core))
}

/// The SQL of the documents, run on the shipped tables.
pub fn sql_trial() -> Trial {
    let name = "documents: SQL".to_string();
    if program("sqlite3").is_none() {
        return ignored(name, "no sqlite3".to_string());
    }
    Trial::test(name, || {
        let mut tried = 0;
        for path in block::documents() {
            for (title, Block { text, .. }) in block::blocks(&block::read(&path), "sql") {
                let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
                let database = folder.path().join("opensips.db");
                for schema in block::files("opensips-cfg/schema/sqlite", "sql") {
                    let file = File::open(harness::root().join(schema));
                    sqlite(&database, file.map_err(|e| e.to_string())?)?;
                }
                let rows = folder.path().join("rows.sql");
                std::fs::write(&rows, text).map_err(|e| e.to_string())?;
                let file = File::open(rows).map_err(|e| e.to_string())?;
                sqlite(&database, file).map_err(|e| format!("{path}, {title}: {e:?}"))?;
                tried += 1;
            }
        }
        match tried {
            0 => Err("no SQL was found".into()),
            _ => Ok(()),
        }
    })
}

/// The README's script, with the machine-dependent lines changed.
struct Script {
    modules: PathBuf,
    database: PathBuf,
}

impl Config for Script {
    fn render(&self, _core: &Core, port: u16) -> String {
        let mut out = "stderror_enabled=yes\nsyslog_enabled=no\n".to_string();
        for line in the_block("opensips", "route").lines() {
            let changed = if line.starts_with("socket=") {
                format!("socket=udp:127.0.0.1:{port}")
            } else if line.starts_with("mpath=") {
                format!("mpath=\"{}/\"", self.modules.display())
            } else if line.contains("\"db_url\"") {
                let path = self.database.display();
                format!(
                    "loadmodule \"db_sqlite.so\"\n\
                     modparam(\"auth_web\", \"db_url\", \"sqlite://{path}\")"
                )
            } else {
                line.to_string()
            };
            out.push_str(&changed);
            out.push('\n');
        }
        out
    }
}

/// The only block of the README in that language that contains this text.
fn the_block(language: &str, part: &str) -> String {
    let all = block::blocks(&block::read(README), language);
    let mut found = all
        .into_iter()
        .filter(|(_, Block { text, .. })| text.contains(part));
    match (found.next(), found.next()) {
        (Some((_, block)), None) => block.text,
        _ => panic!("{README} has not exactly one block in {language} with {part:?}"),
    }
}

fn run(core: &Core) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let modules = folder.path().join("modules");
    link_modules(core, &modules)?;
    let database = folder.path().join("opensips.db");
    let schema = harness::root().join("opensips-cfg/schema/sqlite/jwt.sql");
    sqlite(&database, File::open(schema).map_err(|e| e.to_string())?)?;
    let rows = folder.path().join("rows.sql");
    std::fs::write(&rows, the_block("sql", "INSERT")).map_err(|e| e.to_string())?;
    sqlite(&database, File::open(rows).map_err(|e| e.to_string())?)?;
    let token = output(Command::new("sh").arg("-c").arg(the_block("sh", "openssl")))?;
    let token = token.trim();

    let script = Script { modules, database };
    let mut instance = Instance::start(core, &script, folder.path()).map_err(|e| e.to_string())?;
    let forged = with_broken_signature(token);
    for (user, token, status) in [
        ("alice", Some(token), 200),
        ("%61lice", Some(token), 200),
        ("bob", Some(token), 403),
        ("ALICE", Some(token), 403),
        ("alice", Some(forged.as_str()), 403),
        ("alice", None, 401),
    ] {
        let value = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = value
            .iter()
            .map(|v| ("Authorization", v.as_str()))
            .collect();
        let answer = sip::exchange(instance.port, "REGISTER", user, &headers, LIMIT)
            .map_err(|e| format!("{user}, {status} expected: {e}\n{}", instance.log()))?;
        if answer.status != status {
            let log = instance.log();
            return Err(format!("{user}: {status} expected, got {answer:?}\n{log}").into());
        }
        // Its token is valid for an hour, part of which has passed.
        let contacts = answer.header("Contact").unwrap_or_default();
        let expires = contacts.split(";expires=").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest.split_at(end.unwrap_or(rest.len())).0.parse().ok()
        });
        let expires: Vec<Option<u32>> = expires.collect();
        let good = |expires: &Option<u32>| expires.is_some_and(|s| (1..=3600).contains(&s));
        if status == 200 && (expires.is_empty() || !expires.iter().all(good)) {
            return Err(format!("{user}: saved for {expires:?}: {answer:?}").into());
        }
    }
    instance.check_workers()?;
    let log = instance.log();
    let line = "NOTICE:auth_web:jwt_authorize: refused (-1) 127.0.0.1: ";
    let reason = ": no secret verifies it: signature does not match; call-id=";
    if !log.lines().any(|l| l.contains(line) && l.contains(reason)) {
        return Err(format!("the refusal is not in the log:\n{log}").into());
    }
    Ok(())
}

fn sqlite(database: &Path, statements: File) -> Result<(), Failed> {
    let program = program("sqlite3").ok_or("no sqlite3")?;
    output(
        Command::new(program)
            .arg("-bail")
            .arg(database)
            .stdin(statements),
    )
    .map(drop)
}

/// What a command prints, or its error.
fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}", text(&output.stderr)).into()),
    }
}
