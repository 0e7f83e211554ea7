//! A folder of db_text: one file per table, one line per row, `:` between the columns.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Backend, Database, Place, read};
use crate::profiles::Content;

/// Copies the shipped folder, adds the columns that load_credentials reads, and writes the rows.
pub fn create(folder: &Path, schema: &[PathBuf], content: &Content) -> Result<Database, String> {
    let shipped = schema.last().ok_or("no folder of tables")?;
    fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    for table in [
        "version",
        "jwt_profiles",
        "jwt_secrets",
        "jwt_issuers",
        "jwt_revocations",
        "credentials",
    ] {
        fs::copy(shipped.join(table), folder.join(table)).map_err(|e| format!("{table}: {e}"))?;
    }
    let head = read(&folder.join("jwt_profiles"))?;
    let mut profiles = format!(
        "{} priority(int,null) note(string,null) realm(string,null) \n",
        head.trim_end()
    );
    for (id, profile) in content.profiles.iter().enumerate() {
        profiles.push_str(&format!(
            "{}:{}:{}:{}:{}:{}\n",
            id + 1,
            escape(&profile.tag),
            escape(&profile.username),
            profile.priority.map_or(String::new(), |n| n.to_string()),
            escape(profile.note.as_deref().unwrap_or_default()),
            escape(profile.realm.as_deref().unwrap_or_default()),
        ));
    }
    write(folder, "jwt_profiles", &profiles)?;
    let mut secrets = read(&folder.join("jwt_secrets"))?;
    for (id, secret) in content.secrets.iter().enumerate() {
        secrets.push_str(&format!(
            "{}:{}:{}:{}:{}\n",
            id + 1,
            escape(&secret.tag),
            escape(&secret.secret),
            secret.start_ts,
            secret.end_ts,
        ));
    }
    write(folder, "jwt_secrets", &secrets)?;
    Ok(Database {
        backend: Backend::DbText,
        url: format!("text://{}", folder.display()),
        password: String::new(),
        place: Place::Folder(folder.to_path_buf()),
    })
}

/// Leaves only the line with the columns in the table `version`.
pub fn forget_versions(folder: &Path) -> Result<(), String> {
    let head = read(&folder.join("version"))?;
    let columns = head.lines().next().unwrap_or_default();
    write(folder, "version", &format!("{columns}\n"))
}

/// db_text's own escapes: a colon, a backslash or a line end would otherwise end a value or a row.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
        .replace(':', "\\:")
}

fn write(folder: &Path, table: &str, text: &str) -> Result<(), String> {
    fs::write(folder.join(table), text).map_err(|e| format!("{table}: {e}"))
}
