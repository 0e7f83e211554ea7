//! Versions of tables, as OpenSIPS modules check them: the table `version` has a row for each
//! table, and a module that needs another version does not start.

use thiserror::Error;

use super::{Refusal, Select, Source, StoreError};

/// Why the tables are not those that the module needs.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VersionError {
    /// The table of versions can't be read.
    #[error(
        "the version of table {table} can't be read from table {version_table} ({cause}): \
         create the tables with {remedy}"
    )]
    Unreadable {
        /// The table whose version was asked for.
        table: String,
        /// The table that holds versions.
        version_table: String,
        /// What the database says.
        cause: String,
        /// What to run.
        remedy: String,
    },
    /// The user may not read the table of versions.
    #[error(
        "the version of table {table} can't be read from table {version_table} ({cause}): run GRANT SELECT ON \
         {version_table} TO the user of db_url, if that names the right database"
    )]
    NoRight {
        /// The table whose version was asked for.
        table: String,
        /// The table that holds versions.
        version_table: String,
        /// What the database says.
        cause: String,
    },
    /// The database gave no answer, whichever table is asked for.
    #[error("{0}")]
    Store(StoreError),
    /// It has no row for the table.
    #[error(
        "table {version_table} has no row for table {table}: create the tables with {remedy}, or \
         if they exist, run: INSERT INTO {version_table} (table_name, table_version) \
         VALUES ('{table}', {needed})"
    )]
    Missing {
        /// The table whose version was asked for.
        table: String,
        /// The table that holds versions.
        version_table: String,
        /// The version that is needed.
        needed: i64,
        /// What to run.
        remedy: String,
    },
    /// The table has another version.
    #[error("table {table} has version {found}, this module needs {needed}: see {remedy}")]
    Differs {
        /// The table.
        table: String,
        /// Its version.
        found: i64,
        /// The versions that serve, in words.
        needed: String,
        /// What to run.
        remedy: String,
    },
}

/// The version of `table`, which must be one of `needed`, the newest last. `scheme` is that of the
/// database's URL, and `script` the name of the shipped script that creates the table, without its
/// extension: the message derives from both what to run.
///
/// # Errors
/// Fails with [`VersionError`] if it has none of them.
pub fn check(
    source: &mut dyn Source,
    version_table: &str,
    table: &str,
    needed: &[i64],
    scheme: &str,
    script: &str,
) -> Result<i64, VersionError> {
    let select = Select {
        table: version_table,
        columns: &["table_version"],
        key: Some(("table_name", table)),
        and: None,
        limit: 1,
    };
    let remedy = || remedy(scheme, script);
    let rows = source.select(&select).map_err(|error| match error {
        StoreError::Refused {
            cause,
            why: Refusal::Right,
            ..
        } => VersionError::NoRight {
            table: table.into(),
            version_table: version_table.into(),
            cause,
        },
        StoreError::Refused { cause, .. } => VersionError::Unreadable {
            table: table.into(),
            version_table: version_table.into(),
            cause,
            remedy: remedy(),
        },
        other => VersionError::Store(other),
    })?;
    match rows
        .first()
        .and_then(|row| row.first())
        .and_then(super::Cell::as_int)
    {
        Some(found) if needed.contains(&found) => Ok(found),
        Some(found) => Err(VersionError::Differs {
            table: table.into(),
            found,
            needed: needed
                .iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join(" or "),
            remedy: remedy(),
        }),
        None => Err(VersionError::Missing {
            table: table.into(),
            version_table: version_table.into(),
            needed: needed.last().copied().unwrap_or_default(),
            remedy: remedy(),
        }),
    }
}

/// What creates the tables in a database of this kind.
pub fn remedy(scheme: &str, script: &str) -> String {
    match scheme {
        "mysql" => format!("mariadb DATABASE < opensips-cfg/schema/mysql/{script}.sql"),
        "postgres" => format!("psql -d DATABASE -f opensips-cfg/schema/postgres/{script}.sql"),
        "sqlite" => format!("sqlite3 FILE < opensips-cfg/schema/sqlite/{script}.sql"),
        "text" => "cp opensips-cfg/schema/dbtext/* DIRECTORY".to_owned(),
        _ => "the scripts under opensips-cfg/schema".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cell;
    use super::*;

    struct Versions(Result<Vec<Vec<Cell>>, StoreError>);

    impl Source for Versions {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.key, Some(("table_name", "jwt_profiles")));
            self.0.clone()
        }
    }

    fn check_with(rows: Result<Vec<Vec<Cell>>, StoreError>) -> Result<i64, VersionError> {
        let mut source = Versions(rows);
        check(
            &mut source,
            "version",
            "jwt_profiles",
            &[1],
            "sqlite",
            "jwt",
        )
    }

    #[test]
    fn the_right_version_passes_as_number_and_as_text() {
        assert_eq!(check_with(Ok(vec![vec![Cell::Int(1)]])), Ok(1));
        assert_eq!(check_with(Ok(vec![vec![Cell::Text(b"1".to_vec())]])), Ok(1));
    }

    #[test]
    fn an_older_version_may_serve() {
        let check_with = |found| {
            let mut source = Versions(Ok(vec![vec![Cell::Int(found)]]));
            check(
                &mut source,
                "version",
                "jwt_profiles",
                &[1, 2],
                "sqlite",
                "jwt",
            )
        };
        assert_eq!((check_with(1), check_with(2)), (Ok(1), Ok(2)));
        let message = check_with(3).unwrap_err().to_string();
        assert!(message.contains("needs 1 or 2"), "{message}");
    }

    #[test]
    fn messages_say_what_to_run() {
        let cases = [
            check_with(Ok(vec![])),
            check_with(Ok(vec![vec![Cell::Null]])),
            check_with(Ok(vec![vec![Cell::Int(2)]])),
            check_with(Err(StoreError::Refused {
                table: "version".into(),
                cause: "no such table".into(),
                why: Refusal::Table,
            })),
        ];
        for case in cases {
            let message = case.unwrap_err().to_string();
            assert!(message.contains("jwt_profiles"), "{message}");
            assert!(message.contains("schema/sqlite/jwt.sql"), "{message}");
        }
    }
}
