//! Where profiles and their secrets are kept.
//!
//! A [`Source`] answers one kind of question, rows of one table by one column or two, which every database
//! and every driver of OpenSIPS supports (db_text included). Everything else is built on that, and
//! does not know which driver it talks to.

pub mod addresses;
pub mod cache;
pub mod carriers;
pub mod clients;
pub mod credentials;
pub mod endpoints;
pub mod issuers;
pub mod mysql;
pub mod profiles;
pub mod realm;
pub mod repertoire;
pub mod revocations;
pub mod shared;
pub mod snapshot;
pub mod subscribers;
#[cfg(test)]
mod testing;
pub mod url;
pub mod version;

use thiserror::Error;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// An integer of any width.
    Int(i64),
    /// Everything else, as text or binary data.
    Text(Vec<u8>),
}

impl Cell {
    /// The value as bytes; an integer as its decimal digits. `None` for NULL.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Cell::Null => None,
            Cell::Int(number) => Some(number.to_string().into_bytes()),
            Cell::Text(text) => Some(text),
        }
    }

    /// The value as an integer, even if it is text of decimal digits. `None` for anything else.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Cell::Null => None,
            Cell::Int(number) => Some(*number),
            Cell::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        }
    }
}

/// A question to a database. Names were checked against an identifier pattern at start (see
/// `config`); the value is data, and reaches the database as a bound parameter.
#[derive(Clone, Copy, Debug)]
pub struct Select<'a> {
    /// The table.
    pub table: &'a str,
    /// The columns that are asked for.
    pub columns: &'a [&'a str],
    /// Rows where this column has this value; all rows if it is `None`.
    pub key: Option<(&'a str, &'a str)>,
    /// Of these, only rows where this column has this value as well.
    pub and: Option<(&'a str, &'a str)>,
    /// How many rows are read at most.
    pub limit: usize,
}

/// A change of rows of one table. It may be carried out twice, where a connection breaks in the middle: it says what is
/// to be, not by how much.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The table, for messages.
    pub table: &'a str,
    /// A statement of SQL without any value in it, a `?` for each.
    pub statement: &'a str,
    /// The values, which reach the database as bound parameters.
    pub values: &'a [Cell],
}

/// Why a database gave no answer. The messages contain no password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// It can't be reached, or the connection broke.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// It does not admit the user of `db_url`.
    #[error("the database refuses the user or the password: {0}")]
    Login(String),
    /// It has no database of that name.
    #[error("there is no such database: {0}")]
    NoDatabase(String),
    /// It did not answer within `db_timeout`.
    #[error("the database did not answer within {0} ms (db_timeout)")]
    TimedOut(u64),
    /// It refuses the question.
    #[error("the database refuses the query on table {table}: {cause}")]
    Refused {
        /// The table that was asked.
        table: String,
        /// What the database says.
        cause: String,
        /// What it refuses.
        why: Refusal,
    },
    /// A row is not as it should be.
    #[error("table {table}: {cause}")]
    BadRow {
        /// The table.
        table: String,
        /// What is wrong with the row.
        cause: String,
    },
    /// As many questions as allowed are in progress in this process.
    #[error("too many queries at once in this process: {0}")]
    Busy(String),
}

impl StoreError {
    /// Whether the database gives nobody an answer, whatever it is asked.
    pub fn is_outage(&self) -> bool {
        match self {
            StoreError::Unreachable(_)
            | StoreError::TimedOut(_)
            | StoreError::Login(_)
            | StoreError::NoDatabase(_) => true,
            StoreError::Refused { .. } | StoreError::BadRow { .. } | StoreError::Busy(_) => false,
        }
    }
}

/// Why a database refuses a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user may not read that.
    Right,
    /// There is no such table.
    Table,
    /// It has no such column.
    Column,
    /// It is not known, or anything else.
    Other,
}

/// The outcome of a question to a database.
pub type Answer<T> = Result<T, StoreError>;

impl<'a> Select<'a> {
    /// The columns that must have a value, and that value.
    pub fn keys(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.key.into_iter().chain(self.and)
    }
}

/// Whether a table can be read, with these columns; the first of them holds text.
///
/// # Errors
/// Fails with the source's error.
pub fn try_columns(source: &mut dyn Source, table: &str, columns: &[&str]) -> Answer<()> {
    let select = Select {
        table,
        columns,
        // The core's drivers read whatever there is: this is next to nothing.
        key: columns.first().map(|column| (*column, "-")),
        and: None,
        limit: 1,
    };
    source.select(&select).map(drop)
}

/// A database that can be asked.
pub trait Source {
    /// The rows that a [`Select`] names, at most [`Select::limit`] of them.
    ///
    /// # Errors
    /// Fails with [`StoreError`] if the database gave no answer.
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError>;

    /// As [`select`](Self::select), row by row: for tables that are read as a whole.
    ///
    /// # Errors
    /// Fails as [`select`](Self::select) does; rows may have been seen by then.
    fn each(
        &mut self,
        select: &Select<'_>,
        row: &mut dyn FnMut(Vec<Cell>),
    ) -> Result<(), StoreError> {
        self.select(select)
            .map(|rows| rows.into_iter().for_each(row))
    }

    /// Changes rows, and says how many.
    ///
    /// # Errors
    /// Fails with [`StoreError`]; always with a driver of OpenSIPS's, which is only read by.
    fn change(&mut self, change: &Change<'_>) -> Result<u64, StoreError> {
        Err(StoreError::Refused {
            table: change.table.to_owned(),
            cause: "only the driver for mysql:// writes".to_owned(),
            why: Refusal::Other,
        })
    }
}
