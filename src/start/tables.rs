//! Which of the module's tables exist, in the version that it needs.

use super::error::InitError;
use crate::config::Config;
use crate::config::database::Database;
use crate::log;
use crate::module::Tables;
use crate::store::version::{self, VersionError};
use crate::store::{Source, StoreError};

/// The version that the module needs of each table but one; for `profiles_table` and `secrets_table` it is
/// that of auth_jwt.
const TABLE_VERSION: &[i64] = &[1];

/// Those of `issuers_table`, whose version 1 has no columns for introspection and challenges.
const ISSUERS_VERSIONS: &[i64] = &[1, 2];

/// Those of `endpoints_table`, whose version 1 has no columns of files.
const ENDPOINTS_VERSIONS: &[i64] = &[1, 2];

/// Looks the tables up in the table of their versions. Sites that use one part of the module have
/// no tables of the others: what the script does not name itself may be missing, though not all of
/// it.
///
/// # Errors
/// Fails if a table that is needed does not exist, or if one has another version.
pub fn check(
    config: &Config,
    database: &Database,
    source: &mut dyn Source,
    versions: &str,
) -> Result<Tables, InitError> {
    let mut check_version = |table: &str, needed: &[i64], script: &str| {
        let scheme = &database.scheme;
        version::check(source, versions, table, needed, scheme, script).map_err(|error| {
            InitError::Version {
                shown: database.shown.clone(),
                error,
            }
        })
    };
    let endpoints = check_version(&config.http.tables.table, ENDPOINTS_VERSIONS, "http");
    let settings = &config.tokens.issuers;
    let issuers = match config.tokens.jwks_url {
        // Its tokens are all of one provider.
        Some(_) => None,
        None => {
            let table = &settings.table.table;
            let checked = check_version(table, ISSUERS_VERSIONS, "issuers");
            presence(checked, table, settings.tables_named)?
        }
    };
    let mut check = |table: &str, script: &str| check_version(table, TABLE_VERSION, script);
    let (http, outbound) = (&config.http, &config.outbound);
    let tokens = &database.tables.profiles;
    let token_tables = check(tokens, "jwt").and_then(|_| check(&database.tables.secrets, "jwt"));
    let credentials = check(&outbound.table.table, "credentials");
    let revoked = &config.tokens.revocations.table;
    let mut found = Tables {
        issuers,
        revocations: presence(
            check(revoked, "revocations"),
            revoked,
            config.tokens.revocation_tables_named,
        )?
        .is_some(),
        profiles: false,
        endpoints: presence(endpoints, &http.tables.table, http.tables_named)?,
        credentials: presence(credentials, &outbound.table.table, outbound.tables_named)?.is_some(),
    };
    let alone = found.endpoints.is_none()
        && !found.credentials
        && found.issuers.is_none()
        && !found.revocations
        && config.digest.subscribers().is_none()
        && config.digest.clients.is_none();
    let profiles = presence(token_tables, tokens, alone || database.tables_named)?;
    found.profiles = profiles.is_some();
    Ok(found)
}

/// Asks the tables of others, which have versions of their own, for a row that nobody has: whether they exist,
/// with the columns that are read.
///
/// # Errors
/// Fails with the error of the first that can't be read.
pub fn probe(config: &Config, source: &mut dyn Source) -> Result<(), StoreError> {
    if let Some(subscribers) = config.digest.subscribers() {
        subscribers.probe(source)?;
    }
    match &config.digest.clients {
        Some(clients) => clients.probe(source),
        None => Ok(()),
    }
}

/// The version of a table; `None` if it does not exist, an error if it is needed and does not.
fn presence(
    checked: Result<i64, InitError>,
    name: &str,
    is_needed: bool,
) -> Result<Option<i64>, InitError> {
    match checked {
        Ok(version) => Ok(Some(version)),
        Err(InitError::Version {
            error: VersionError::Missing { table, .. },
            ..
        }) if table == name && !is_needed => {
            log!(Info, c"mod_init", "there is no table {name}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
