//! A SQLite file, created with the `sqlite3` program.

use std::path::{Path, PathBuf};

use super::sql::{Client, rows, standard_literal};
use super::{Backend, Database, Place, program, read_all};
use crate::profiles::Content;

pub fn create(file: &Path, schema: &[PathBuf], content: &Content) -> Result<Database, String> {
    let client = Client {
        program: program("sqlite3").ok_or("no sqlite3")?,
        // A writer locks the file for a moment.
        arguments: ["-batch", "-bail", "-cmd", ".timeout 20000"]
            .map(str::to_string)
            .into_iter()
            .chain([file.display().to_string()])
            .collect(),
    };
    client.run(&read_all(schema)?)?;
    // One transaction: otherwise each row waits for the disk.
    client.run(&format!(
        "BEGIN;\n{}COMMIT;\n",
        rows(content, standard_literal)
    ))?;
    Ok(Database {
        backend: Backend::Sqlite,
        url: format!("sqlite://{}", file.display()),
        password: String::new(),
        place: Place::Client(client),
    })
}
