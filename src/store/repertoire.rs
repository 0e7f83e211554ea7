//! Which characters a column can have, for drivers that can't tell "there is no such row" from "the database
//! failed": what can't be in the column is not asked for, because OpenSIPS's own drivers log an error for it.

use super::{Cell, Select, Source, StoreError};

/// The characters that can be compared with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repertoire {
    /// All of them.
    All,
    /// Those of the Basic Multilingual Plane: three bytes of UTF-8 at most.
    Basic,
    /// The printable ones of ISO 8859-1: MySQL and PostgreSQL disagree about its controls.
    Latin1,
    /// Those of ASCII.
    Ascii,
}

impl Repertoire {
    /// Whether `text` is made of these characters. NUL is in none: to OpenSIPS's drivers, a statement ends
    /// there.
    pub fn has(self, text: &str) -> bool {
        text.chars().all(|c| match self {
            _ if c == '\0' => false,
            Repertoire::All => true,
            Repertoire::Basic => c <= '\u{ffff}',
            Repertoire::Latin1 => c.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&c),
            Repertoire::Ascii => c.is_ascii(),
        })
    }

    /// That of a column, as the server of this scheme says; `database` is that of the URL.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn of(
        source: &mut dyn Source,
        scheme: &str,
        database: Option<&str>,
        table: &str,
        column: &str,
    ) -> Result<Self, StoreError> {
        match scheme {
            "mysql" => of_mysql(source, database, table, column),
            "postgres" => {
                let server = postgres_setting(source, "server_encoding")?;
                let client = postgres_setting(source, "client_encoding")?;
                Ok(of_postgres(&server, &client))
            }
            _ => Ok(Repertoire::All),
        }
    }
}

/// A comparison of texts without a common character set is an error of MySQL and MariaDB.
fn of_mysql(
    source: &mut dyn Source,
    database: Option<&str>,
    table: &str,
    column: &str,
) -> Result<Repertoire, StoreError> {
    let (database, table) = match table.split_once('.') {
        Some((database, table)) => (Some(database), table),
        None => (database, table),
    };
    let rows = source.select(&Select {
        table: "information_schema.COLUMNS",
        columns: &["TABLE_SCHEMA", "COLUMN_NAME", "CHARACTER_SET_NAME"],
        key: Some(("TABLE_NAME", table)),
        and: None,
        limit: 65_536,
    })?;
    let text = |cell: Option<Cell>| cell.and_then(Cell::into_bytes).unwrap_or_default();
    let set = rows.into_iter().find_map(|row| {
        let mut cells = row.into_iter();
        let (of, name, set) = (text(cells.next()), text(cells.next()), text(cells.next()));
        let is_ours = name.eq_ignore_ascii_case(column.as_bytes())
            && database.is_none_or(|database| of == database.as_bytes());
        is_ours.then_some(set)
    });
    Ok(match set.as_deref().unwrap_or_default() {
        // No text at all, or bytes.
        b"" | b"utf8mb4" | b"binary" => Repertoire::All,
        b"utf8" | b"utf8mb3" => Repertoire::Basic,
        b"latin1" => Repertoire::Latin1,
        _ => Repertoire::Ascii,
    })
}

/// What PostgreSQL can't convert from the client's encoding to its own, or what is not valid in it, is an
/// error.
fn of_postgres(server: &str, client: &str) -> Repertoire {
    let is_single_byte = ["LATIN", "ISO_8859", "WIN", "KOI8"]
        .iter()
        .any(|family| server.starts_with(family));
    match (server, client) {
        ("SQL_ASCII", _) | ("UTF8", "UTF8" | "SQL_ASCII") => Repertoire::All,
        // Bytes are taken as they are.
        _ if is_single_byte && (client == server || client == "SQL_ASCII") => Repertoire::All,
        ("LATIN1", "UTF8") => Repertoire::Latin1,
        _ => Repertoire::Ascii,
    }
}

fn postgres_setting(source: &mut dyn Source, name: &str) -> Result<String, StoreError> {
    let rows = source.select(&Select {
        table: "pg_settings",
        columns: &["setting"],
        key: Some(("name", name)),
        and: None,
        limit: 1,
    })?;
    let cell = rows.into_iter().next().and_then(|mut row| row.pop());
    let text = cell.and_then(Cell::into_bytes).unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Columns(Vec<[&'static str; 3]>);

    impl Source for Columns {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.key, Some(("TABLE_NAME", "profiles")));
            let cell = |text: &&str| match *text {
                "" => Cell::Null,
                text => Cell::Text(text.into()),
            };
            Ok(self
                .0
                .iter()
                .map(|row| row.iter().map(cell).collect())
                .collect())
        }
    }

    #[test]
    fn a_repertoire_has_its_characters() {
        for (text, all, latin1, ascii) in [
            ("acme", true, true, true),
            ("gr\u{fc}n", true, true, false),
            ("\u{20ac}", true, false, false),
            ("\u{81}", true, false, false),
            ("\u{1f4de}", true, false, false),
            ("a\0b", false, false, false),
        ] {
            assert_eq!(Repertoire::All.has(text), all, "{text:?}");
            assert_eq!(
                Repertoire::Basic.has(text),
                all && text != "\u{1f4de}",
                "{text:?}"
            );
            assert_eq!(Repertoire::Latin1.has(text), latin1, "{text:?}");
            assert_eq!(Repertoire::Ascii.has(text), ascii, "{text:?}");
        }
    }

    #[test]
    fn mysql_says_which_characters_a_column_has() {
        let rows = vec![
            ["other", "tag", "utf8mb4"],
            ["voip", "Tag", "latin1"],
            ["voip", "note", "utf8mb3"],
            ["voip", "bytes", ""],
            ["voip", "odd", "koi8r"],
        ];
        let of = |table, column| {
            let source = &mut Columns(rows.clone());
            Repertoire::of(source, "mysql", Some("voip"), table, column).unwrap()
        };
        assert_eq!(of("profiles", "tag"), Repertoire::Latin1);
        assert_eq!(of("other.profiles", "tag"), Repertoire::All);
        assert_eq!(of("profiles", "note"), Repertoire::Basic);
        assert_eq!(of("profiles", "bytes"), Repertoire::All);
        assert_eq!(of("profiles", "odd"), Repertoire::Ascii);
        assert_eq!(of("profiles", "nowhere"), Repertoire::All);
    }

    #[test]
    fn postgres_says_what_it_converts() {
        for (server, client, expected) in [
            ("UTF8", "UTF8", Repertoire::All),
            ("SQL_ASCII", "UTF8", Repertoire::All),
            ("LATIN9", "LATIN9", Repertoire::All),
            ("LATIN1", "UTF8", Repertoire::Latin1),
            ("UTF8", "LATIN1", Repertoire::Ascii),
            ("EUC_JP", "EUC_JP", Repertoire::Ascii),
            ("WIN1251", "UTF8", Repertoire::Ascii),
        ] {
            assert_eq!(of_postgres(server, client), expected, "{server} {client}");
        }
    }
}
