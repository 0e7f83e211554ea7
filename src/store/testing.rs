//! Tables in memory, for tests.

use std::collections::HashMap;

use super::profiles::ProfileTables;
use super::{Cell, Select, Source, StoreError};

/// Tables in memory, which compare as a case-insensitive collation does.
#[derive(Default)]
pub struct Tables(HashMap<&'static str, Vec<Vec<Cell>>>);

impl Source for Tables {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let rows = self
            .0
            .get(select.table)
            .ok_or_else(|| StoreError::Refused {
                why: crate::store::Refusal::Other,
                table: select.table.into(),
                cause: "no such table".into(),
            })?;
        let Some((_, value)) = select.key else {
            return Ok(rows.clone());
        };
        Ok(rows
            .iter()
            .filter(|row| match &row[0] {
                Cell::Text(t) => t.trim_ascii_end().eq_ignore_ascii_case(value.as_bytes()),
                Cell::Int(n) => n.to_string() == value,
                Cell::Null => false,
            })
            .take(select.limit)
            .cloned()
            .collect())
    }
}

/// A value.
pub fn text(s: &str) -> Cell {
    Cell::Text(s.as_bytes().to_vec())
}

/// The names that profiles have by default, and one more column.
pub fn names() -> ProfileTables {
    ProfileTables {
        profiles: "jwt_profiles".into(),
        secrets: "jwt_secrets".into(),
        tag: "tag".into(),
        username: "sip_username".into(),
        columns: vec!["level".into()],
        secret_tag: "corresponding_tag".into(),
        secret: "secret".into(),
        start: "start_ts".into(),
        end: "end_ts".into(),
    }
}

/// Profiles and secrets under these names.
pub fn tables(profiles: Vec<Vec<Cell>>, secrets: Vec<Vec<Cell>>) -> Tables {
    Tables(HashMap::from([
        ("jwt_profiles", profiles),
        ("jwt_secrets", secrets),
    ]))
}
