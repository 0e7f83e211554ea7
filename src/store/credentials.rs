//! The table of outbound credentials, which is read as a whole.

use zeroize::Zeroizing;

use super::{Cell, Select, Source, StoreError};
use crate::credentials::{Entry, Login, Scope};

/// Most rows that are read, so that a wrong table does not fill the memory.
pub const MAX_ROWS: usize = 1_000_000;

/// Names of the table and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialTable {
    /// The table (`credentials_table`).
    pub table: String,
    /// Column of the server (`credential_server_column`); NULL or empty for any.
    pub server: String,
    /// Column of the realm (`credential_realm_column`); NULL or empty for any.
    pub realm: String,
    /// Column of the user (`credential_user_column`); NULL or empty for any.
    pub user: String,
    /// Column of the user name that answers (`credential_username_column`).
    pub username: String,
    /// Column of its password (`credential_password_column`); NULL for an empty one.
    pub password: String,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Rows {
    /// The entries, in the order in which the database gave them.
    pub entries: Vec<Entry>,
    /// Rows that were left out, because they have no user name, or a control character anywhere but
    /// in the password.
    pub unusable: usize,
}

impl CredentialTable {
    /// The columns that are read.
    pub fn columns(&self) -> [&str; 5] {
        [
            &self.server,
            &self.realm,
            &self.user,
            &self.username,
            &self.password,
        ]
    }

    /// All rows.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch_all(&self, source: &mut dyn Source) -> Result<Rows, StoreError> {
        let columns = self.columns();
        let select = Select {
            table: &self.table,
            columns: &columns,
            key: None,
            and: None,
            limit: MAX_ROWS,
        };
        let mut rows = Rows::default();
        source.each(&select, &mut |row| match entry(row) {
            Some(entry) => rows.entries.push(entry),
            None => rows.unusable += 1,
        })?;
        Ok(rows)
    }
}

fn entry(row: Vec<Cell>) -> Option<Entry> {
    let mut cells = row
        .into_iter()
        .map(|cell| cell.into_bytes().unwrap_or_default());
    let mut next = || cells.next().unwrap_or_default();
    let (server, realm, user, username) = (next(), next(), next(), next());
    let password = Zeroizing::new(next());
    let is_clean = [&server, &realm, &user, &username]
        .iter()
        .all(|text| !text.iter().any(u8::is_ascii_control));
    (is_clean && !username.is_empty()).then_some(Entry {
        scope: Scope {
            server,
            realm,
            user,
        },
        login: Login { username, password },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table(Result<Vec<Vec<Cell>>, StoreError>);

    impl Source for Table {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!((select.table, select.key), ("credentials", None));
            assert_eq!(
                select.columns,
                ["server", "realm", "sip_user", "username", "password"]
            );
            self.0.clone()
        }
    }

    fn read(rows: Result<Vec<Vec<Cell>>, StoreError>) -> Result<Rows, StoreError> {
        let table = CredentialTable {
            table: "credentials".into(),
            server: "server".into(),
            realm: "realm".into(),
            user: "sip_user".into(),
            username: "username".into(),
            password: "password".into(),
        };
        table.fetch_all(&mut Table(rows))
    }

    fn text(s: &str) -> Cell {
        Cell::Text(s.into())
    }

    #[test]
    fn null_and_empty_stand_for_any_and_numbers_for_their_digits() {
        let rows = read(Ok(vec![
            vec![text("s"), Cell::Null, text(""), text("n"), text("p")],
            vec![
                Cell::Null,
                text("r"),
                Cell::Int(100),
                Cell::Int(7),
                Cell::Null,
            ],
        ]))
        .unwrap();
        let [first, second] = &rows.entries[..] else {
            panic!("two rows");
        };
        assert_eq!(first.scope.server, b"s");
        assert!(first.scope.realm.is_empty() && first.scope.user.is_empty());
        assert_eq!(*first.login.password, b"p");
        assert_eq!(
            (&second.scope.user[..], &second.login.username[..]),
            (&b"100"[..], &b"7"[..])
        );
        assert!(second.login.password.is_empty());
    }

    #[test]
    fn one_unusable_row_does_not_spoil_the_others() {
        let rows = read(Ok(vec![
            vec![Cell::Null, Cell::Null, Cell::Null, Cell::Null, text("p")],
            vec![
                Cell::Null,
                Cell::Null,
                Cell::Null,
                text("a\r\nb"),
                text("p"),
            ],
            vec![Cell::Null, Cell::Null, Cell::Null, text("n"), text("p\n")],
        ]))
        .unwrap();
        assert_eq!((rows.entries.len(), rows.unusable), (1, 2));
    }

    #[test]
    fn what_the_source_says_is_handed_on() {
        let error = StoreError::Unreachable("x".into());
        assert_eq!(read(Err(error.clone())).unwrap_err(), error);
    }
}
