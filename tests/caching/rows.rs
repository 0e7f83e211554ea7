//! Rows added and removed at run time, also where the database is a folder of text files.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use harness::database::{Backend, Database};
use harness::keys::Key;
use harness::profiles::NEVER;

use super::demand;

/// Adds a profile with one secret.
pub fn add(database: &Database, tag: &str, key: &Key) -> Result<(), String> {
    if database.backend != Backend::DbText {
        demand::add_profile(database, tag)?;
        return demand::add_secret(database, tag, key);
    }
    let id = u32::from_be_bytes(*tag.as_bytes().first_chunk().unwrap_or(&[0; 4])) >> 8;
    change(database, "jwt_secrets", |text| {
        format!("{text}{id}:{tag}:{}:0:{NEVER}\n", key.verifier())
    })?;
    change(database, "jwt_profiles", |text| {
        format!("{text}{id}:{tag}:{tag}:0::\n")
    })
}

/// Removes a secret.
pub fn remove_secret(database: &Database, key: &Key) -> Result<(), String> {
    if database.backend != Backend::DbText {
        return demand::remove_secret(database, key);
    }
    let secret = key.verifier();
    change(database, "jwt_secrets", |text| {
        let kept = text.lines().filter(|line| !line.contains(&secret));
        kept.map(|line| format!("{line}\n")).collect()
    })
}

/// Replaces a table's file atomically.
fn change(
    database: &Database,
    table: &str,
    edit: impl FnOnce(String) -> String,
) -> Result<(), String> {
    let folder = database.url.strip_prefix("text://").ok_or("no db_text")?;
    let (file, new) = (
        PathBuf::from(folder).join(table),
        PathBuf::from(folder).join(format!("{table}.new")),
    );
    // db_text detects changes with a resolution of one second.
    let age = || {
        std::fs::metadata(&file)?
            .modified()
            .map(|time| time.elapsed())
    };
    while matches!(age(), Ok(Ok(age)) if age < Duration::from_millis(1100)) {
        sleep(Duration::from_millis(50));
    }
    std::fs::read_to_string(&file)
        .and_then(|text| std::fs::write(&new, edit(text)))
        .and_then(|()| std::fs::rename(&new, &file))
        .map_err(|e| format!("{table}: {e}"))
}
