//! The table of realms, whose columns scripts ask for.

use super::{Cell, Select, Source, StoreError};

/// The columns of one realm that were asked for, in their order; `None` for NULL.
pub type RealmRow = Vec<Option<Vec<u8>>>;

/// The row of a realm in `table`, whose `columns` begin with that of the realm, and whose row it is, in
/// lower case; `None` if there is none. Realms are domain names: compared ignoring the case of ASCII
/// letters. With `parent`, one that has no row has that of the domain above it, as in jambonz.
///
/// # Errors
/// Fails with the source's error.
pub fn row_of(
    source: &mut dyn Source,
    table: &str,
    columns: &[&str],
    realm: &str,
    parent: bool,
) -> Result<Option<(String, Vec<Cell>)>, StoreError> {
    let found = own_row(source, table, columns, realm)?;
    let (of, found) = match parent_of(realm).filter(|_| parent && found.is_none()) {
        Some(above) => (above, own_row(source, table, columns, above)?),
        None => (realm, found),
    };
    Ok(found.map(|row| (of.to_ascii_lowercase(), row)))
}

/// The domain above this one: one label less, and at least two.
fn parent_of(realm: &str) -> Option<&str> {
    let (_, above) = realm.split_once('.')?;
    above.contains('.').then_some(above)
}

fn own_row(
    source: &mut dyn Source,
    table: &str,
    columns: &[&str],
    realm: &str,
) -> Result<Option<Vec<Cell>>, StoreError> {
    let rows = source.select(&Select {
        table,
        columns,
        key: columns.first().map(|column| (*column, realm)),
        and: None,
        limit: 16,
    })?;
    let is_realm = |row: &Vec<Cell>| {
        matches!(row.first(), Some(Cell::Text(text))
            if text.trim_ascii_end().eq_ignore_ascii_case(realm.as_bytes()))
    };
    Ok(rows.into_iter().find(is_realm))
}

/// Names of the table and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmTable {
    /// The table (`realms_table`).
    pub table: String,
    /// Column of the realm (`realm_column`).
    pub realm: String,
    /// Whether a realm without a row has that of its parent domain (`realm_parent`).
    pub parent: bool,
    /// The columns that are read (`load_realm`).
    pub columns: Vec<String>,
}

impl RealmTable {
    /// The columns that are read.
    pub fn columns(&self) -> Vec<&str> {
        let columns = std::iter::once(&self.realm).chain(&self.columns);
        columns.map(String::as_str).collect()
    }

    /// What the table says of a realm, and whose row that is; `None` if it does not have it.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch(
        &self,
        source: &mut dyn Source,
        realm: &str,
    ) -> Result<Option<(String, RealmRow)>, StoreError> {
        let columns = self.columns();
        let row = row_of(source, &self.table, &columns, realm, self.parent)?;
        let bytes = |row: Vec<Cell>| row.into_iter().skip(1).map(Cell::into_bytes).collect();
        Ok(row.map(|(of, row)| (of, bytes(row))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneRow(Vec<Cell>);

    impl Source for OneRow {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.columns, ["realm", "is_active", "device_limit"]);
            Ok(vec![self.0.clone()])
        }
    }

    #[test]
    fn the_columns_of_that_realm_are_read() {
        let table = RealmTable {
            table: "realms".into(),
            realm: "realm".into(),
            parent: false,
            columns: vec!["is_active".into(), "device_limit".into()],
        };
        let mut source = OneRow(vec![
            Cell::Text(b"A.example ".to_vec()),
            Cell::Int(1),
            Cell::Null,
        ]);
        let row = table.fetch(&mut source, "a.EXAMPLE").unwrap();
        let of = |realm: &str| Some((realm.to_owned(), vec![Some(b"1".to_vec()), None]));
        assert_eq!(row, of("a.example"));
        assert_eq!(table.fetch(&mut source, "b.example"), Ok(None));
        // The domain above has its row.
        let found = |table: &RealmTable, source: &mut OneRow, realm: &str| {
            let row = table.fetch(source, realm);
            row.expect("it never fails").is_some()
        };
        assert!(!found(&table, &mut source, "x.a.example"));
        let table = RealmTable {
            parent: true,
            ..table
        };
        let row = table.fetch(&mut source, "x.A.example").unwrap();
        assert_eq!(row, of("a.example"));
        assert!(found(&table, &mut source, "a.example"));
        for other in [
            "y.x.a.example",
            "b.example",
            "x.b.example",
            "xa.example",
            ".",
        ] {
            assert!(!found(&table, &mut source, other), "{other}");
        }
        let mut source = OneRow(vec![Cell::Text(b"example".to_vec())]);
        assert!(!found(&table, &mut source, "a.example"));
    }
}
