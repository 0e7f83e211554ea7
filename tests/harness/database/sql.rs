//! The command-line clients of the SQL databases, and the rows as SQL.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::profiles::Content;

/// A client with the arguments to connect to one database.
#[derive(Debug, Clone)]
pub struct Client {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl Client {
    /// Runs statements: their output, or the error.
    pub fn run(&self, statements: &str) -> Result<String, String> {
        let name = self.program.display();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{name}: {e}"))?;
        let mut stdin = child.stdin.take().expect("piped");
        // A client that stops at an error closes its end; its message is in stderr.
        let _ = stdin.write_all(statements.as_bytes());
        drop(stdin);
        let output = child
            .wait_with_output()
            .map_err(|e| format!("{name}: {e}"))?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("{name}: {}: {complaint}", output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The columns that load_credentials reads in the tests, and the rows of both tables. `text` writes
/// a string as a literal of the dialect.
pub fn rows(content: &Content, text: impl Fn(&str) -> String) -> String {
    let optional = |value: &Option<String>| value.as_deref().map_or("NULL".to_string(), &text);
    let mut out = String::from(
        "ALTER TABLE jwt_profiles ADD COLUMN priority INTEGER NULL;\n\
         ALTER TABLE jwt_profiles ADD COLUMN note VARCHAR(255) NULL;\n\
         ALTER TABLE jwt_profiles ADD COLUMN realm VARCHAR(255) NULL;\n",
    );
    for profile in &content.profiles {
        out.push_str(&format!(
            "INSERT INTO jwt_profiles (tag, sip_username, priority, note, realm) \
             VALUES ({}, {}, {}, {}, {});\n",
            text(&profile.tag),
            text(&profile.username),
            profile
                .priority
                .map_or("NULL".to_string(), |n| n.to_string()),
            optional(&profile.note),
            optional(&profile.realm),
        ));
    }
    for secret in &content.secrets {
        out.push_str(&format!(
            "INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts) \
             VALUES ({}, {}, {}, {});\n",
            text(&secret.tag),
            text(&secret.secret),
            secret.start_ts,
            secret.end_ts,
        ));
    }
    out
}

/// The SQL standard's literal: quotes doubled, nothing else escaped.
pub fn standard_literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
