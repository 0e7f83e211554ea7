//! The table of revocations: tokens that are revoked before they end, in a database.

use super::{Cell, Select, Source, StoreError};
use crate::jwt::revocations::{Kind, Revocation, RevocationError};

/// Most rows that are read: as many as may ever be revoked at a time (`revocations_max`).
const MAX_ROWS: usize = 1_000_000;

/// Most rows that can't be used and are named.
const MAX_FAULTS: usize = 100;

/// The columns of the table.
const COLUMNS: [&str; 6] = ["id", "type", "value", "issuer", "before_ts", "exp"];

/// The table of revocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationTable {
    /// Its name (`revocations_table`).
    pub table: String,
}

/// What was read of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// What is revoked.
    pub revocations: Vec<Revocation>,
    /// What can't be used, and why: one line each.
    pub faults: Vec<String>,
}

impl RevocationTable {
    /// All rows that count at `now`, in UNIX seconds; `leeway` is how many seconds a token is valid for after
    /// its `exp`.
    ///
    /// # Errors
    /// Fails with the source's error, and if there are more rows than any list has room for.
    pub fn fetch_all(
        &self,
        source: &mut dyn Source,
        now: i64,
        leeway: i64,
    ) -> Result<Rows, StoreError> {
        let table = &self.table;
        let select = Select {
            table,
            columns: &COLUMNS,
            key: None,
            and: None,
            limit: MAX_ROWS + 1,
        };
        let mut rows = Rows::default();
        let mut count = 0;
        source.each(&select, &mut |cells| {
            count += 1;
            let mut cells = cells.into_iter();
            let id = cells.next().and_then(Cell::into_bytes).unwrap_or_default();
            match revocation(cells, leeway) {
                Ok(revocation) if revocation.until <= now => {}
                Ok(revocation) => rows.revocations.push(revocation),
                Err(error) if rows.faults.len() < MAX_FAULTS => {
                    let id = String::from_utf8_lossy(&id);
                    let id = id.trim().escape_debug();
                    rows.faults
                        .push(format!("table {table}, row {id}: {error}"));
                }
                Err(_) => {}
            }
        })?;
        if count > MAX_ROWS {
            return Err(StoreError::BadRow {
                table: table.clone(),
                cause: format!("it has more than {MAX_ROWS} rows"),
            });
        }
        Ok(rows)
    }
}

/// Why a row can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum RowError {
    #[error("{0}")]
    Revocation(#[from] RevocationError),
    #[error("{0} is not UTF-8")]
    Text(&'static str),
}

/// A value as text, as it is: no column of the table appends blanks. `None` for none.
fn text(cell: Option<Cell>, name: &'static str) -> Result<Option<String>, RowError> {
    let Some(bytes) = cell.and_then(Cell::into_bytes) else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| RowError::Text(name))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// A time in UNIX seconds; `None` for none.
fn time(cell: Option<Cell>, name: &'static str) -> Result<Option<i64>, RowError> {
    let error = RevocationError::Time(name);
    match cell {
        None | Some(Cell::Null) => Ok(None),
        // db_text has no other way to leave a column empty.
        Some(Cell::Text(text)) if text.trim_ascii().is_empty() => Ok(None),
        Some(cell) => match cell.as_int().filter(|time| *time >= 0) {
            Some(time) => Ok(Some(time)),
            None => Err(error.into()),
        },
    }
}

fn revocation(mut cells: impl Iterator<Item = Cell>, leeway: i64) -> Result<Revocation, RowError> {
    let kind = text(cells.next(), "type")?.unwrap_or_default();
    let kind = Kind::parse(kind.trim()).ok_or(RevocationError::Kind)?;
    let value = text(cells.next(), "value")?.unwrap_or_default();
    let issuer = text(cells.next(), "issuer")?;
    let before = time(cells.next(), "before_ts")?;
    let expires = time(cells.next(), "exp")?;
    let until = expires.map(|expires| expires.saturating_add(leeway).saturating_add(1));
    Ok(Revocation::new(
        kind,
        &value,
        issuer.as_deref(),
        before,
        until,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::revocations::ALWAYS;

    struct Table(Vec<Vec<Cell>>);

    impl Source for Table {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!((select.table, select.key), ("t", None));
            Ok(self.0.clone())
        }
    }

    fn fetch(rows: &[[&str; 6]]) -> Rows {
        let cell = |text: &&str| match *text {
            "NULL" => Cell::Null,
            text => match text.parse() {
                Ok(number) => Cell::Int(number),
                Err(_) => Cell::Text(text.into()),
            },
        };
        let rows = rows.iter().map(|row| row.iter().map(cell).collect());
        let table = RevocationTable { table: "t".into() };
        table
            .fetch_all(&mut Table(rows.collect()), 1000, 30)
            .unwrap()
    }

    #[test]
    fn rows_are_read_and_those_that_have_ended_are_not() {
        let found = fetch(&[
            ["1", "jti", "x  ", "NULL", "NULL", "NULL"],
            ["2", "sub", "7", "urn:a", "900", "2000"],
            ["3", "kid", "k", "", "", " "],
            ["4", "jti", "over", "NULL", "NULL", "969"],
            ["5", "jti", "not yet", "NULL", "NULL", "970"],
        ]);
        let shown: Vec<_> = found
            .revocations
            .iter()
            .map(|it| {
                (
                    it.kind,
                    &*it.value,
                    it.issuer.as_deref(),
                    it.before,
                    it.until,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (Kind::Jti, "x  ", None, ALWAYS, ALWAYS),
                (Kind::Sub, "7", Some("urn:a"), 900, 2031),
                (Kind::Kid, "k", None, ALWAYS, ALWAYS),
                (Kind::Jti, "not yet", None, ALWAYS, 1001),
            ]
        );
        assert_eq!(found.faults, [""; 0]);
    }

    #[test]
    fn what_can_t_be_used_is_named_and_nothing_else_suffers() {
        let long = "x".repeat(256);
        let found = fetch(&[
            ["1", "iss", "x", "NULL", "NULL", "NULL"],
            ["2", "jti", "NULL", "NULL", "NULL", "NULL"],
            ["3", "jti", &long, "NULL", "NULL", "NULL"],
            ["4", "jti", "x", "NULL", "900", "NULL"],
            ["5", "jti", "x", "NULL", "NULL", "soon"],
            ["6", "jti", "x", "NULL", "NULL", "-1"],
            ["7", "jti", "good", "NULL", "NULL", "NULL"],
        ]);
        assert_eq!(found.revocations.len(), 1);
        let starts = found.faults.iter().map(|fault| &fault[..15]);
        assert!(
            starts.eq((1..=6)
                .map(|row| format!("table t, row {row}:"))
                .collect::<Vec<_>>())
        );
        let many = vec![["1", "x", "x", "NULL", "NULL", "NULL"]; 1000];
        assert_eq!(fetch(&many).faults.len(), MAX_FAULTS);
    }
}
