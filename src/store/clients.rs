//! jambonz's table of clients: devices whose password jambonz itself keeps.

use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::subscribers::{MAX_ROWS, is_text};
use super::{Cell, Select, Source, StoreError};
use crate::digest::Known;

mod cipher;

pub use cipher::{Cipher, Mode};

/// The columns that say what a client may do, which are the grant.
const GRANTS: [&str; 3] = [
    "allow_direct_app_calling",
    "allow_direct_queue_calling",
    "allow_direct_user_calling",
];

/// The columns that are read, in this order, and then those of [`GRANTS`].
const COLUMNS: [&str; 4] = ["account_sid", "username", "password", "is_active"];

/// The table, and how its passwords are read.
#[derive(Clone, Debug)]
pub struct ClientTable {
    /// The table (`clients_table`). Its columns have the names that jambonz gives them.
    pub table: String,
    /// Decrypts passwords (`clients_secret`, `clients_cipher`).
    pub cipher: Arc<Cipher>,
}

/// What the table says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its password.
    pub known: Known,
    /// What it may do: a JSON object, as an endpoint answers. Empty for whoever is unknown.
    pub grant: String,
}

/// A password as jambonz writes it: hexadecimal digits.
#[derive(Deserialize)]
struct Encrypted {
    iv: String,
    content: String,
}

impl ClientTable {
    /// The client of an account. One that is not active, or has no password, is unknown.
    ///
    /// # Errors
    /// Fails with the source's error, and with [`StoreError::BadRow`] for a password that can't be decrypted.
    pub fn fetch(
        &self,
        source: &mut dyn Source,
        account: &str,
        user: &str,
    ) -> Result<Client, StoreError> {
        let columns: Vec<&str> = COLUMNS.into_iter().chain(GRANTS).collect();
        let select = Select {
            table: &self.table,
            columns: &columns,
            key: Some(("account_sid", account)),
            and: Some(("username", user)),
            limit: MAX_ROWS,
        };
        let rows = source.select(&select)?.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            let mut text = || cells.next().and_then(Cell::into_bytes);
            let is_account = is_text(text(), account);
            let name = text();
            let is_exact = name.as_deref() == Some(user.as_bytes());
            let is_client = is_account && is_text(name, user);
            let password = text().filter(|text| !text.is_empty());
            let is_active = cells.next().is_some_and(is_on);
            let grants = GRANTS.map(|name| (name, cells.next().is_some_and(is_on)));
            let password = password.filter(|_| is_client && is_active);
            password.map(|password| (is_exact, Zeroizing::new(password), grants))
        });
        // Of two names of which one has a blank at its end, the very name counts.
        let row = rows.min_by_key(|(is_exact, ..)| !is_exact);
        let Some((_, password, grants)) = row else {
            // It takes as long as for whoever is known.
            _ = self.decrypt(NOBODYS.as_bytes());
            return Ok(Client {
                known: Known::Nothing,
                grant: String::new(),
            });
        };
        let password = self.decrypt(&password).ok_or_else(|| StoreError::BadRow {
            table: self.table.clone(),
            cause: "the password of a client can't be decrypted (clients_secret, clients_cipher)"
                .to_owned(),
        })?;
        let members: String = grants
            .iter()
            .map(|(name, is_on)| format!(",\"{name}\":{is_on}"))
            .collect();
        let known = match password.is_empty() {
            false => Known::Password(password),
            true => Known::Nothing,
        };
        Ok(Client {
            known,
            grant: format!("{{\"status\":\"ok\"{members}}}"),
        })
    }

    /// Fails unless the table has all of these columns.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn probe(&self, source: &mut dyn Source) -> Result<(), StoreError> {
        self.fetch(source, "", "").map(|_| ())
    }

    fn decrypt(&self, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let Encrypted { iv, content } = serde_json::from_slice(password).ok()?;
        let iv = bytes(&iv)?;
        let content = bytes(&content)?;
        let iv = <[u8; 16]>::try_from(&iv[..]).ok()?;
        self.cipher.decrypt(iv, content)
    }
}

/// A password of nobody's, of the usual length.
const NOBODYS: &str = "{\"iv\":\"00112233445566778899aabbccddeeff\",\
                       \"content\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}";

/// Whether a flag is on, in whatever type the driver reads it.
fn is_on(cell: Cell) -> bool {
    match cell {
        Cell::Null => false,
        Cell::Int(number) => number != 0,
        // A BIT, or a text.
        Cell::Text(text) => matches!(&text[..], [1] | b"1" | b"true" | b"t"),
    }
}

/// What hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Zeroizing<Vec<u8>>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = str::from_utf8(pair).ok()?;
        let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        u8::from_str_radix(text, 16).ok().filter(|_| is_pair)
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in pairs {
        bytes.push(byte(pair)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table(Vec<Vec<Cell>>);

    impl Source for Table {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.table, "clients");
            let keys: Vec<_> = select.keys().map(|(column, _)| column).collect();
            assert_eq!(keys, ["account_sid", "username"]);
            Ok(self.0.clone())
        }
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    fn table(mode: Mode) -> ClientTable {
        ClientTable {
            table: "clients".into(),
            cipher: Arc::new(Cipher::new(b"a secret", mode)),
        }
    }

    /// `secret`, encrypted by openssl(1) with the key that jambonz would have.
    const CBC: &str =
        r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"68118e6d3218bbd92d113ce75ceb911b"}"#;
    const CTR: &str = r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"5e87f6fb1a44"}"#;

    fn row(user: &str, password: Cell, is_active: i64) -> Vec<Cell> {
        let flags = [Cell::Int(1), text("0"), Cell::Null];
        let of = [text("a1"), text(user), password, Cell::Int(is_active)];
        of.into_iter().chain(flags).collect()
    }

    fn fetch(mode: Mode, rows: &[Vec<Cell>]) -> Result<Client, StoreError> {
        table(mode).fetch(&mut Table(rows.to_vec()), "a1", "john")
    }

    #[test]
    fn what_jambonz_has_encrypted_is_read() {
        for (mode, password) in [(Mode::Cbc, CBC), (Mode::Ctr, CTR)] {
            let rows = [row("JOHN", text("no"), 1), row("john", text(password), 1)];
            let client = fetch(mode, &rows).unwrap();
            assert_eq!(
                client.known,
                Known::Password(Zeroizing::new(b"secret".to_vec()))
            );
            assert_eq!(
                client.grant,
                r#"{"status":"ok","allow_direct_app_calling":true,"allow_direct_queue_calling":false,"allow_direct_user_calling":false}"#
            );
        }
    }

    #[test]
    fn whoever_is_not_active_or_has_no_password_is_unknown() {
        let unknown = Client {
            known: Known::Nothing,
            grant: String::new(),
        };
        for rows in [
            vec![],
            vec![row("john", text(CBC), 0)],
            vec![row("john", Cell::Null, 1)],
            vec![row("john", text(""), 1)],
            vec![row("John", text(CBC), 1)],
            vec![row("john", text(CBC), 1).into_iter().take(3).collect()],
        ] {
            assert_eq!(fetch(Mode::Cbc, &rows), Ok(unknown.clone()));
        }
    }

    #[test]
    fn an_empty_password_is_none() {
        let empty = r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":""}"#;
        let client = fetch(Mode::Ctr, &[row("john", text(empty), 1)]).unwrap();
        assert_eq!(client.known, Known::Nothing);
    }

    #[test]
    fn what_can_not_be_decrypted_is_an_error_that_shows_nothing() {
        for password in [
            "hunter2",
            "{}",
            r#"{"iv":"00","content":"00"}"#,
            r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"0"}"#,
            r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"zz"}"#,
            r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":""}"#,
            r#"{"iv":"+00102030405060708090a0b0c0d0e0f","content":"00"}"#,
            NOBODYS,
        ] {
            let error = fetch(Mode::Cbc, &[row("john", text(password), 1)]).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("clients_secret"), "{message}");
            assert!(!message.contains(password), "{message}");
        }
    }
}
