//! What is said at start of secrets that can't be used: each such row would refuse the tokens of its tag.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::config::database::{Database, Driver};
use crate::jwt::algorithm::Algorithm;
use crate::keys::{Fetch, FetchError, Fetched, KeyHolder, KeySources};
use crate::log;
use crate::store::profiles::Secret;
use crate::store::{Source, StoreError};

/// Most rows that are looked at.
const MAX_ROWS: usize = 10_000;

/// Most lines that are logged.
const MAX_LINES: usize = 50;

/// Nothing is fetched at start.
struct NoFetch;

impl Fetch for NoFetch {
    fn get(&self, _url: &str, _deadline: Instant) -> Result<Fetched, FetchError> {
        Err(FetchError::Failed("it was not asked".to_owned()))
    }
}

/// Warns of secrets that can't be used, by tag and row. Rows are read of a database that is asked natively, which
/// gives no more of them than are asked for, and of one that is read as a whole anyway.
///
/// # Errors
/// Fails with the source's error.
pub fn report(
    config: &Config,
    settings: &Database,
    source: &mut dyn Source,
) -> Result<(), StoreError> {
    if !settings.preload && !matches!(settings.driver, Driver::Native(_)) {
        return Ok(());
    }
    let sources = KeySources::new(config.tokens.sources.clone(), Arc::new(NoFetch));
    let mut rows: HashMap<String, usize> = HashMap::new();
    let mut count = 0;
    let table = &settings.tables.secrets;
    settings
        .tables
        .each_secret(source, MAX_ROWS, &mut |tag, secret| {
            let row = rows.entry(tag.clone()).or_default();
            *row += 1;
            let Some(fault) = fault(config, &sources, secret.as_ref()) else {
                return;
            };
            count += 1;
            if count <= MAX_LINES {
                log!(
                    Warning,
                    c"mod_init",
                    "table {table}: row {row} of tag {tag:?} can't be used: {fault}"
                );
            }
        })?;
    if count > MAX_LINES {
        let more = count - MAX_LINES;
        log!(
            Warning,
            c"mod_init",
            "table {table}: {more} more rows can't be used"
        );
    }
    Ok(())
}

/// What is wrong with a secret. A provider that does not answer now is not wrong.
fn fault(config: &Config, sources: &KeySources, secret: Option<&Secret>) -> Option<String> {
    let Some(secret) = secret else {
        return Some("a column is NULL, or a time is not a number".to_owned());
    };
    if secret.end <= secret.start {
        return Some(format!(
            "it ends at {}, and begins at {}",
            secret.end, secret.start
        ));
    }
    let holder = KeyHolder::parse(&secret.material);
    match holder.keys(sources, Instant::now) {
        Err(error) if error.is_outage() => None,
        Err(error) => Some(error.to_string()),
        Ok(keys) if !config.tokens.weak_keys && keys.weak_for(Algorithm::HS256) => {
            Some("it is shorter than the hash of HS256 (weak_keys)".to_owned())
        }
        Ok(_) => None,
    }
}
