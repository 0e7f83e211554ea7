//! Profiles and their secrets: the tables of auth_jwt.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::{Cell, Select, Source, StoreError};

/// Most secrets that are tried for one profile, so that a faulty table can't make each token cost
/// thousands of signatures. Rotation needs two.
pub const MAX_SECRETS: usize = 64;

/// Most bytes of a tag: a longer one belongs to no profile, and the database is not asked. The
/// column that OpenSIPS creates takes 128 characters.
pub const MAX_TAG: usize = 512;

/// Names of the tables and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileTables {
    /// Table of the profiles (`profiles_table`).
    pub profiles: String,
    /// Table of the secrets (`secrets_table`).
    pub secrets: String,
    /// Column of the profile's tag (`tag_column`).
    pub tag: String,
    /// Column of the profile's SIP username (`username_column`).
    pub username: String,
    /// Further columns of the profile (`load_credentials`).
    pub columns: Vec<String>,
    /// Column of the tag that a secret belongs to (`secret_tag_column`).
    pub secret_tag: String,
    /// Column of the secret (`secret_column`).
    pub secret: String,
    /// Column of the first second, UNIX time, at which a secret is valid (`start_ts_column`).
    pub start: String,
    /// Column of the first second at which it no longer is (`end_ts_column`).
    pub end: String,
}

/// A profile with its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The SIP username.
    pub username: Vec<u8>,
    /// Values of [`ProfileTables::columns`], in that order.
    pub columns: Vec<Cell>,
    /// Its secrets, including those that have expired or are not valid yet.
    pub secrets: Vec<Secret>,
}

/// What verifies the tokens of a profile, during `start <= now < end` (UNIX seconds).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// A shared secret, a public key or a certificate.
    pub material: Zeroizing<Vec<u8>>,
    /// First second at which it is valid.
    pub start: i64,
    /// First second at which it no longer is.
    pub end: i64,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("material", &"[redacted]")
            .field("start", &self.start)
            .field("end", &self.end)
            .finish()
    }
}

/// Username and further columns of a profile.
type Row = (Vec<u8>, Vec<Cell>);

impl ProfileTables {
    /// Both tables, each with the columns that are read of it.
    pub fn layout(&self) -> [(&str, Vec<&str>); 2] {
        let secrets = [&self.secret_tag, &self.secret, &self.start, &self.end];
        [
            (&self.profiles, self.profile_columns()),
            (&self.secrets, secrets.map(String::as_str).to_vec()),
        ]
    }

    fn profile_columns(&self) -> Vec<&str> {
        let columns = [&self.tag, &self.username];
        let columns = columns.into_iter().chain(&self.columns);
        columns.map(String::as_str).collect()
    }

    /// The profile of a tag, `None` if there is none.
    ///
    /// Tags are compared byte by byte, whatever the collation of the column: `Alice` is not
    /// `alice`. Blanks that a CHAR column appends do not count. If a tag has several rows, the
    /// first counts. Rows of secrets that hold a NULL are skipped.
    ///
    /// # Errors
    /// Fails with the source's error, and with [`StoreError::BadRow`] for a profile without a
    /// username.
    pub fn fetch(&self, source: &mut dyn Source, tag: &str) -> Result<Option<Profile>, StoreError> {
        let Some((username, columns)) = self.fetch_profile(source, tag)? else {
            return Ok(None);
        };
        Ok(Some(Profile {
            username,
            columns,
            secrets: self.fetch_secrets(source, tag)?,
        }))
    }

    fn fetch_profile(&self, source: &mut dyn Source, tag: &str) -> Result<Option<Row>, StoreError> {
        let columns = self.profile_columns();
        let rows = source.select(&Select {
            table: &self.profiles,
            columns: &columns,
            key: Some((&self.tag, tag)),
            and: None,
            limit: MAX_SECRETS,
        })?;
        let Some(mut row) = rows.into_iter().find(|row| is_tag(row.first(), tag)) else {
            return Ok(None);
        };
        if row.len() != columns.len() {
            return Err(self.bad_profile("a row does not have the columns that were asked for"));
        }
        let columns = row.split_off(2);
        match row.pop().and_then(Cell::into_bytes) {
            Some(username) => Ok(Some((username, columns))),
            None => {
                Err(self.bad_profile(&format!("column {} of a profile is NULL", self.username)))
            }
        }
    }

    fn bad_profile(&self, cause: &str) -> StoreError {
        StoreError::BadRow {
            table: self.profiles.clone(),
            cause: cause.to_owned(),
        }
    }

    fn fetch_secrets(&self, source: &mut dyn Source, tag: &str) -> Result<Vec<Secret>, StoreError> {
        let rows = source.select(&Select {
            table: &self.secrets,
            columns: &[&self.secret_tag, &self.secret, &self.start, &self.end],
            key: Some((&self.secret_tag, tag)),
            and: None,
            limit: MAX_SECRETS,
        })?;
        Ok(rows
            .into_iter()
            .filter(|row| is_tag(row.first(), tag))
            .filter_map(|mut row| secret(&mut row))
            .collect())
    }
}

impl ProfileTables {
    /// Passes on the rows of the table of secrets, at most `limit` of them: the tag, and the secret, which is
    /// `None` where a column of it is NULL.
    ///
    /// # Errors
    /// Fails with the source's error; rows may have been passed on by then.
    pub fn each_secret(
        &self,
        source: &mut dyn Source,
        limit: usize,
        row: &mut dyn FnMut(String, Option<Secret>),
    ) -> Result<(), StoreError> {
        let select = Select {
            table: &self.secrets,
            columns: &[&self.secret_tag, &self.secret, &self.start, &self.end],
            key: None,
            and: None,
            limit,
        };
        source.each(&select, &mut |mut cells| {
            let secret = secret(&mut cells);
            if cells.len() > 1 {
                cells.truncate(1);
            }
            if let Some(tag) = cells.pop().and_then(tag_of) {
                row(tag, secret);
            }
        })
    }

    /// Passes on all profiles, each with its secrets and under its tag.
    ///
    /// Tags that are not UTF-8 or are longer than [`MAX_TAG`] are skipped, because no token can
    /// name them, and so are profiles without a username.
    ///
    /// # Errors
    /// Fails with the source's error; profiles may have been passed on by then.
    pub fn each(
        &self,
        source: &mut dyn Source,
        profile: &mut dyn FnMut(&str, &Profile),
    ) -> Result<(), StoreError> {
        let mut secrets: HashMap<String, Vec<Secret>> = HashMap::new();
        let select = Select {
            table: &self.secrets,
            columns: &[&self.secret_tag, &self.secret, &self.start, &self.end],
            key: None,
            and: None,
            limit: usize::MAX,
        };
        source.each(&select, &mut |mut row| {
            if let Some(secret) = secret(&mut row)
                && let Some(tag) = row.pop().and_then(tag_of)
            {
                let of_tag = secrets.entry(tag).or_default();
                if of_tag.len() < MAX_SECRETS {
                    of_tag.push(secret);
                }
            }
        })?;
        let columns = self.profile_columns();
        let select = Select {
            table: &self.profiles,
            columns: &columns,
            key: None,
            and: None,
            limit: usize::MAX,
        };
        source.each(&select, &mut |mut row| {
            if row.len() != columns.len() {
                return;
            }
            let columns = row.split_off(2);
            let username = row.pop().and_then(Cell::into_bytes);
            if let (Some(username), Some(tag)) = (username, row.pop().and_then(tag_of)) {
                let secrets = secrets.remove(&tag).unwrap_or_default();
                profile(
                    &tag,
                    &Profile {
                        username,
                        columns,
                        secrets,
                    },
                );
            }
        })
    }
}

/// A tag as a token would name it: without the blanks that a CHAR column appends.
fn tag_of(cell: Cell) -> Option<String> {
    let mut tag = String::from_utf8(cell.into_bytes()?).ok()?;
    tag.truncate(tag.trim_ascii_end().len());
    (tag.len() <= MAX_TAG).then_some(tag)
}

/// The last three columns of a row of secrets; the tag stays in it.
fn secret(row: &mut Vec<Cell>) -> Option<Secret> {
    let end = row.pop()?.as_int()?;
    let start = row.pop()?.as_int()?;
    let material = Zeroizing::new(row.pop()?.into_bytes()?);
    Some(Secret {
        material,
        start,
        end,
    })
}

fn is_tag(cell: Option<&Cell>, tag: &str) -> bool {
    match cell {
        Some(Cell::Text(text)) => text == tag.as_bytes() || text.trim_ascii_end() == tag.as_bytes(),
        Some(Cell::Int(number)) => number.to_string() == tag,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Tables, names, tables, text};
    use super::*;

    #[test]
    fn a_profile_comes_with_all_of_its_secrets() {
        let mut source = tables(
            vec![vec![text("acme"), text("alice"), Cell::Int(7)]],
            vec![
                vec![text("acme"), text("old"), Cell::Int(0), Cell::Int(100)],
                vec![text("acme"), text("new"), text("100"), text(" 200 ")],
                vec![text("other"), text("x"), Cell::Int(0), Cell::Int(100)],
            ],
        );
        let profile = names().fetch(&mut source, "acme").unwrap().unwrap();
        assert_eq!(profile.username, b"alice");
        assert_eq!(profile.columns, [Cell::Int(7)]);
        let secrets: Vec<_> = profile
            .secrets
            .iter()
            .map(|s| (s.material.as_slice(), s.start, s.end))
            .collect();
        assert_eq!(secrets, [(&b"old"[..], 0, 100), (&b"new"[..], 100, 200)]);
        assert!(!format!("{:?}", profile.secrets).contains("old"));
    }

    #[test]
    fn tags_are_compared_byte_by_byte() {
        let mut source = tables(
            vec![
                vec![text("ACME"), text("mallory"), Cell::Null],
                vec![text("acme    "), text("alice"), Cell::Null],
                vec![Cell::Int(12), text("bob"), Cell::Null],
            ],
            vec![vec![text("ACME"), text("hers"), Cell::Int(0), Cell::Int(9)]],
        );
        let profile = names().fetch(&mut source, "acme").unwrap().unwrap();
        assert_eq!(profile.username, b"alice");
        assert!(
            profile.secrets.is_empty(),
            "the secret of another tag must not serve"
        );
        assert_eq!(
            names().fetch(&mut source, "12").unwrap().unwrap().username,
            b"bob"
        );
        assert_eq!(names().fetch(&mut source, "nobody").unwrap(), None);
    }

    #[test]
    fn nulls_harm_nobody() {
        let mut source = tables(
            vec![
                vec![text("acme"), text("alice"), Cell::Null],
                vec![text("nameless"), Cell::Null, Cell::Null],
            ],
            vec![
                vec![text("acme"), Cell::Null, Cell::Int(0), Cell::Int(9)],
                vec![text("acme"), text("s"), Cell::Null, Cell::Int(9)],
                vec![text("acme"), text("s"), Cell::Int(0), text("never")],
            ],
        );
        let profile = names().fetch(&mut source, "acme").unwrap().unwrap();
        assert_eq!(profile.columns, [Cell::Null]);
        assert!(profile.secrets.is_empty());
        let error = names()
            .fetch(&mut source, "nameless")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("sip_username") && error.contains("NULL"),
            "{error}"
        );
    }

    #[test]
    fn a_failing_source_is_an_error_and_no_missing_profile() {
        let error = names().fetch(&mut Tables::default(), "acme").unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }));
    }
}
