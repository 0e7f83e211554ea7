//! The table of subscribers, as OpenSIPS's own `auth_db` has it: who has which password.

use zeroize::Zeroizing;

use super::{Cell, Select, Source, StoreError};
use crate::digest::{Algorithm, Ha1, Known};

/// Most rows that are looked at: a column may compare names that differ in case, accents or blanks at the end
/// as equal.
pub(super) const MAX_ROWS: usize = 64;

/// Names of the table and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberTable {
    /// The table (`subscriber_table`).
    pub table: String,
    /// Column of the user (`subscriber_user_column`).
    pub user: String,
    /// Column of the domain (`subscriber_domain_column`); `None` where users of all domains are one
    /// (`subscriber_use_domain`).
    pub domain: Option<String>,
    /// Column of the password (`subscriber_password_column`), if there is one.
    pub password: Option<String>,
    /// Column of the HA1 by MD5 (`subscriber_ha1_column`), if there is one.
    pub ha1: Option<String>,
    /// Column of the HA1 by SHA-256 (`subscriber_ha1_sha256_column`), if there is one.
    pub ha1_sha256: Option<String>,
    /// Column of the HA1 by SHA-512-256 (`subscriber_ha1_sha512t256_column`), if there is one.
    pub ha1_sha512t256: Option<String>,
}

impl SubscriberTable {
    /// What is known of a user by which a response of this algorithm can be verified: the HA1 or, without one,
    /// the password. NULL and a text that is empty or has nothing but blanks are none.
    ///
    /// # Errors
    /// Fails with the source's error, and with [`StoreError::BadRow`] for an HA1 that is none of its algorithm.
    pub fn fetch(
        &self,
        source: &mut dyn Source,
        user: &str,
        domain: &str,
        algorithm: Algorithm,
    ) -> Result<Known, StoreError> {
        let ha1 = match algorithm {
            Algorithm::Md5 | Algorithm::Md5Sess => &self.ha1,
            Algorithm::Sha256 | Algorithm::Sha256Sess => &self.ha1_sha256,
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => &self.ha1_sha512t256,
        };
        let names = [
            Some(&self.user),
            self.domain.as_ref(),
            self.password.as_ref(),
            ha1.as_ref(),
        ];
        let columns: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        let select = Select {
            table: &self.table,
            columns: &columns,
            key: Some((&self.user, user)),
            and: self.domain.as_deref().map(|column| (column, domain)),
            limit: MAX_ROWS,
        };
        let rows = source.select(&select)?.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            let mut next = |is_there: bool| match is_there {
                true => cells.next().and_then(Cell::into_bytes),
                false => None,
            };
            let name = next(true);
            let is_exact = name.as_deref() == Some(user.as_bytes());
            let is_user = is_text(name, user);
            let of = next(self.domain.is_some());
            let is_domain = self.domain.is_none()
                || of.is_some_and(|of| of.trim_ascii_end().eq_ignore_ascii_case(domain.as_bytes()));
            let [password, ha1] = [&self.password, ha1].map(|column| {
                let text = next(column.is_some());
                // Blanks alone are what a column has filled up that was empty.
                let text = text.filter(|text| !text.trim_ascii_end().is_empty());
                text.map(Zeroizing::new)
            });
            (is_user && is_domain).then_some((is_exact, password, ha1))
        });
        // Of two names of which one has a blank at its end, the very name counts.
        let row = rows.min_by_key(|(is_exact, ..)| !is_exact);
        match row {
            Some((_, _, Some(digits))) => {
                let parsed = Ha1::parse(&digits, algorithm);
                parsed.map(Known::Ha1).ok_or_else(|| StoreError::BadRow {
                    table: self.table.clone(),
                    cause: format!(
                        "column {} of a user is not {} hexadecimal digits",
                        ha1.as_deref().unwrap_or_default(),
                        algorithm.response_length()
                    ),
                })
            }
            Some((_, Some(password), None)) => Ok(Known::Password(password)),
            Some((_, None, None)) | None => Ok(Known::Nothing),
        }
    }

    /// Fails unless the table has all of these columns: asks for a user whom nobody has.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn probe(&self, source: &mut dyn Source) -> Result<(), StoreError> {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            self.fetch(source, "", "", algorithm)?;
        }
        Ok(())
    }
}

/// Whether a column has this very text, apart from blanks with which it may be filled up.
pub(super) fn is_text(cell: Option<Vec<u8>>, text: &str) -> bool {
    let text = text.as_bytes();
    cell.is_some_and(|cell| cell == text || cell.trim_ascii_end() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as a column does that ignores case.
    struct Table(Vec<Vec<Cell>>);

    impl Source for Table {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.table, "subscriber");
            let is_of = |row: &&Vec<Cell>| {
                select.keys().zip(row.iter()).all(|((_, value), cell)| {
                    matches!(cell, Cell::Text(text) if text.eq_ignore_ascii_case(value.as_bytes()))
                })
            };
            Ok(self.0.iter().filter(is_of).cloned().collect())
        }
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    fn table() -> SubscriberTable {
        SubscriberTable {
            table: "subscriber".into(),
            user: "username".into(),
            domain: Some("domain".into()),
            password: Some("password".into()),
            ha1: Some("ha1".into()),
            ha1_sha256: Some("ha1_sha256".into()),
            ha1_sha512t256: None,
        }
    }

    fn fetch(table: &SubscriberTable, rows: &[[Cell; 4]], user: &str) -> Result<Known, StoreError> {
        let mut source = Table(rows.iter().map(|row| row.to_vec()).collect());
        table.fetch(&mut source, user, "a.example", Algorithm::Md5)
    }

    fn password(text: &str) -> Known {
        Known::Password(Zeroizing::new(text.into()))
    }

    #[test]
    fn the_very_user_counts() {
        let rows = [
            [text("JOHN"), text("a.example"), text("other"), Cell::Null],
            [text("john"), text("A.Example"), text("secret"), text("")],
        ];
        assert_eq!(fetch(&table(), &rows, "john"), Ok(password("secret")));
        assert_eq!(fetch(&table(), &rows, "JOHN"), Ok(password("other")));
        for user in ["John", "mary", "", "john' OR '1'='1"] {
            assert_eq!(fetch(&table(), &rows, user), Ok(Known::Nothing), "{user}");
        }
        let mut source = Table(rows.iter().map(|row| row.to_vec()).collect());
        let elsewhere = table().fetch(&mut source, "john", "b.example", Algorithm::Md5);
        assert_eq!(elsewhere, Ok(Known::Nothing));
    }

    #[test]
    fn a_name_without_the_blank_is_not_the_one_with_it() {
        // As a VARCHAR column compares: with any blanks.
        struct Padded(Vec<Vec<Cell>>);
        impl Source for Padded {
            fn select(&mut self, _: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
                Ok(self.0.clone())
            }
        }
        let row = |user: &str, secret: &str| {
            [text(user), text("a.example"), text(secret), Cell::Null].to_vec()
        };
        for rows in [
            vec![row("zed ", "his"), row("zed", "mine")],
            vec![row("zed", "mine"), row("zed ", "his")],
        ] {
            let found = table().fetch(&mut Padded(rows), "zed", "a.example", Algorithm::Md5);
            assert_eq!(found, Ok(password("mine")));
        }
    }

    #[test]
    fn an_ha1_comes_before_the_password_and_null_is_none() {
        let digits = "0123456789ABCDEF0123456789abcdef";
        let ha1 = Known::Ha1(Ha1::parse(digits.as_bytes(), Algorithm::Md5).unwrap());
        for (of, is) in [
            ([text("p"), text(digits)], Some(ha1.clone())),
            ([Cell::Null, text(digits)], Some(ha1)),
            ([text("p"), Cell::Null], Some(password("p"))),
            ([text("p"), text("")], Some(password("p"))),
            ([text("p"), text("  ")], Some(password("p"))),
            ([Cell::Null, Cell::Null], Some(Known::Nothing)),
            ([text(""), text("")], Some(Known::Nothing)),
            // What a CHAR column fills up.
            ([text("    "), Cell::Null], Some(Known::Nothing)),
            ([text("    "), text("    ")], Some(Known::Nothing)),
            ([text("p"), text("xyz")], None),
        ] {
            let [p, h] = of;
            let found = fetch(&table(), &[[text("john"), text("a.example"), p, h]], "john");
            assert_eq!(found.ok(), is);
        }
        // A number is its digits.
        let rows = [[text("john"), text("a.example"), Cell::Int(1234), Cell::Null]];
        assert_eq!(fetch(&table(), &rows, "john"), Ok(password("1234")));
    }

    #[test]
    fn columns_that_are_not_there_are_not_asked_for() {
        let bare = SubscriberTable {
            domain: None,
            password: None,
            ha1: Some("ha1".into()),
            ..table()
        };
        let digits = "0".repeat(32);
        let mut source = Table(vec![vec![text("john"), text(&digits)]]);
        let found = bare.fetch(&mut source, "john", "b.example", Algorithm::Md5);
        assert!(matches!(found, Ok(Known::Ha1(_))));
        let found = bare.fetch(&mut source, "john", "b.example", Algorithm::Sha512_256);
        assert_eq!(found, Ok(Known::Nothing));
        assert_eq!(bare.probe(&mut source), Ok(()));
    }
}
