//! Which of the module's tables exist, in the version that it needs.

use super::error::InitError;
use crate::config::Config;
use crate::config::database::{Database, Driver};
use crate::log;
use crate::module::Tables;
use crate::store::version::{self, VersionError};
use crate::store::{Refusal, Source, StoreError, try_columns};

/// The version that the module needs of each table but one; for `profiles_table` and `secrets_table` it is
/// that of auth_jwt.
const TABLE_VERSION: &[i64] = &[1];

/// Those of `issuers_table`, whose version 1 has no columns for introspection and challenges.
const ISSUERS_VERSIONS: &[i64] = &[1, 2];

/// Those of `endpoints_table`, whose version 1 has no columns of files.
const ENDPOINTS_VERSIONS: &[i64] = &[1, 2];

/// What to look at where the table is another's, which no shipped script creates.
const REALMS: &str = "see load_realm, realms_table and realm_column";
const SUBSCRIBERS: &str = "see subscriber_table and the names of its columns (subscriber_*)";
const CLIENTS: &str = "see clients_table";
const SBC_ADDRESSES: &str = "see sbc_addresses_table";
const CARRIERS: &str = "see carriers_table, gateways_table and accounts_table";

/// Where a table is looked for.
struct Looked<'a> {
    database: &'a Database,
    source: &'a mut dyn Source,
    /// The table of versions.
    versions: &'a str,
    faults: Vec<InitError>,
    /// The database gives no answer, whatever it is asked.
    is_over: bool,
}

impl Looked<'_> {
    /// The version of a table; `None` if it does not exist and need not, or something is wrong. `script` is the
    /// name of the shipped script that creates it.
    fn version(
        &mut self,
        table: &str,
        needed: &[i64],
        script: &str,
        must_exist: bool,
    ) -> Option<i64> {
        if self.is_over {
            return None;
        }
        let scheme = &self.database.scheme;
        let shown = self.database.shown.clone();
        match version::check(self.source, self.versions, table, needed, scheme, script) {
            Ok(version) => Some(version),
            Err(VersionError::Missing { .. }) if !must_exist => {
                log!(Info, c"mod_init", "there is no table {table}");
                None
            }
            Err(VersionError::Store(error)) => {
                self.is_over = true;
                self.faults.push(InitError::Database { shown, error });
                None
            }
            Err(error) => {
                // Without the table of versions, all others say the same.
                self.is_over = matches!(error, VersionError::NoRight { .. });
                self.faults.push(InitError::Version { shown, error });
                None
            }
        }
    }

    /// Asks a table for a row that nobody has.
    fn probe(&mut self, script: &str, ask: impl FnOnce(&mut dyn Source) -> Result<(), StoreError>) {
        if self.is_over {
            return;
        }
        if let Err(error) = ask(self.source) {
            self.is_over = !matches!(error, StoreError::Refused { .. });
            self.faults.push(fault(self.database, error, script));
        }
    }

    /// Reads next to nothing of a table, whose columns are these. A table that nobody has named may be in the table of
    /// versions without being there.
    fn columns(&mut self, table: &str, columns: &[&str], script: &str, is_named: bool) {
        // What the core's drivers say of a table that is not there can't be told from other errors, and stands in the
        // log as one.
        let is_looked_at = is_named || matches!(self.database.driver, Driver::Native(_));
        if self.is_over || !is_looked_at {
            return;
        }
        if let Err(error) = try_columns(self.source, table, columns) {
            self.is_over = !matches!(error, StoreError::Refused { .. });
            let may_be_missing = matches!(
                error,
                StoreError::Refused {
                    why: Refusal::Table | Refusal::Other,
                    ..
                }
            );
            let fault = fault(self.database, error, script);
            match may_be_missing && !is_named {
                true => log!(Warning, c"mod_init", "{fault}"),
                false => self.faults.push(fault),
            }
        }
    }
}

/// That a table can't be read. `script` is the name of the shipped script that creates it, or what to look at if there
/// is none.
pub fn fault(database: &Database, error: StoreError, script: &str) -> InitError {
    let shown = database.shown.clone();
    let StoreError::Refused { table, why, cause } = &error else {
        return InitError::Database { shown, error };
    };
    let created = match script {
        REALMS | SUBSCRIBERS | CLIENTS | SBC_ADDRESSES | CARRIERS => script.to_owned(),
        script => version::remedy(&database.scheme, script),
    };
    let remedy = match why {
        Refusal::Right => {
            // MySQL names the right that is missing: "UPDATE command denied to user".
            let rights = ["INSERT", "UPDATE", "DELETE"];
            let right = rights.iter().find(|right| cause.starts_with(**right));
            format!(
                "run GRANT {} ON {table} TO that user",
                right.unwrap_or(&"SELECT")
            )
        }
        Refusal::Table => format!("create it: {created}"),
        Refusal::Column => format!(
            "add the column, or name the one that is there by its parameter; what creates the table: {created}"
        ),
        Refusal::Other => format!(
            "it must exist, the user must have the right to read it, and it must have these columns; what \
             creates it: {created}"
        ),
    };
    InitError::Table {
        shown,
        error,
        remedy,
    }
}

/// Looks the tables up in the table of their versions, and for their columns. Sites that use one part of the module
/// have no tables of the others: what the script does not name itself may be missing, though not all of it. What is
/// wrong comes along, all of it.
pub fn check(
    config: &mut Config,
    database: &Database,
    source: &mut dyn Source,
    versions: &str,
) -> (Tables, Vec<InitError>) {
    let mut looked = Looked {
        database,
        source,
        versions,
        faults: Vec::new(),
        is_over: false,
    };
    let (http, outbound) = (&config.http, &config.outbound);
    let endpoints = &http.tables.table;
    let endpoints = looked.version(endpoints, ENDPOINTS_VERSIONS, "http", http.tables_named);
    let settings = &config.tokens.issuers;
    let issuers = match config.tokens.jwks_url {
        // Its tokens are all of one provider.
        Some(_) => None,
        None => {
            let table = &settings.table.table;
            looked.version(table, ISSUERS_VERSIONS, "issuers", settings.tables_named)
        }
    };
    let table = &config.tokens.revocations.table;
    let named = config.tokens.revocation_tables_named;
    let revocations = looked.version(table, TABLE_VERSION, "revocations", named);
    let table = &outbound.table.table;
    let credentials = looked.version(table, TABLE_VERSION, "credentials", outbound.tables_named);
    let others = [endpoints, issuers, revocations, credentials];
    let (subscribers, clients) = (config.digest.subscribers(), &config.digest.clients);
    let alone = others.iter().all(Option::is_none)
        && subscribers.is_none()
        && clients.is_none()
        && config.addresses.table.is_none()
        && config.trunks.wanted().is_none()
        && looked.faults.is_empty();
    let (tokens, named) = (&database.tables, alone || database.tables_named);
    let profiles = looked.version(&tokens.profiles, TABLE_VERSION, "jwt", named);
    // Where there are profiles, there must be secrets.
    let profiles =
        profiles.and_then(|_| looked.version(&tokens.secrets, TABLE_VERSION, "jwt", true));
    let found = Tables {
        issuers,
        revocations: revocations.is_some(),
        profiles: profiles.is_some(),
        endpoints,
        credentials: credentials.is_some(),
    };
    config.http.tables.has_files = found.endpoints.is_some_and(|version| version > 1);
    config.tokens.issuers.table.version = found.issuers.unwrap_or_default();
    let tables = &config.http.tables;
    if found.endpoints.is_some() {
        let is_named = config.http.tables_named;
        looked.columns(&tables.table, &tables.columns(), "http", is_named);
    }
    if found.credentials {
        let table = &config.outbound.table;
        let is_named = config.outbound.tables_named;
        looked.columns(&table.table, &table.columns(), "credentials", is_named);
    }
    if found.profiles {
        for (table, columns) in tokens.layout() {
            looked.columns(table, &columns, "jwt", true);
        }
    }
    if !config.realms.avps.is_empty() {
        let table = &config.realms.table;
        looked.columns(&table.table, &table.columns(), REALMS, true);
    }
    // Those of others, which have versions of their own.
    if let Some(subscribers) = config.digest.subscribers() {
        looked.probe(SUBSCRIBERS, |source| subscribers.probe(source));
    }
    if let Some(clients) = &config.digest.clients {
        looked.probe(CLIENTS, |source| clients.probe(source));
    }
    if let Some(addresses) = &config.addresses.table {
        looked.probe(SBC_ADDRESSES, |source| addresses.probe(source));
    }
    if let Some(trunks) = config.trunks.wanted() {
        looked.probe(CARRIERS, |source| trunks.tables.probe(source));
    }
    (found, looked.faults)
}
