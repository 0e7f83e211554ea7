//! How often a MariaDB that belongs to one core's trials is queried.

use harness::database::Database;

/// How many statements the server receives meanwhile, from any client.
pub fn questions(
    database: &Database,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<u64, String> {
    // Asking adds to the count as well.
    let first = counted(database)?;
    let before = counted(database)?;
    work()?;
    Ok(counted(database)? - before - (before - first))
}

fn counted(database: &Database) -> Result<u64, String> {
    let out = database.sql("SHOW GLOBAL STATUS LIKE 'Questions';")?;
    out.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .next_back()
        .ok_or_else(|| format!("no number of questions in {out:?}"))
}
