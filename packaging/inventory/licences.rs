//! The licences of the crates: their texts, and Debian's list of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::crates::{Crate, Found};

/// How the files that state licences and copyright begin, in lower case.
const STATEMENTS: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// Licences whose text every Debian system has, by SPDX identifier.
const COMMON: [(&str, &str); 3] = [
    ("Apache-2.0", "Apache-2.0"),
    ("MPL-2.0", "MPL-2.0"),
    ("CC0-1.0", "CC0-1.0"),
];

/// The licence files of all crates, word by word; a text that several have is there once.
///
/// # Errors
///
/// A file can't be read.
pub fn texts(found: &Found) -> Result<String, String> {
    let mut of_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for one in &found.crates {
        let title = format!("{} {} ({})", one.name, one.version, one.licence);
        let files = statements(&one.folder)?;
        if files.is_empty() {
            without.push(title.clone());
        }
        for file in files {
            let text = read(&file)?;
            let users = of_text.entry(text.trim_end().to_string()).or_default();
            if !users.contains(&title) {
                users.push(title.clone());
            }
        }
    }
    let mut out = "auth_web.so contains the following crates, and the standard library of Rust\n\
        (The Rust Project Contributors, MIT OR Apache-2.0, https://github.com/rust-lang/rust).\n\
        What they ask to be passed on with them is below, word by word.\n"
        .to_string();
    let line = "=".repeat(78);
    if !without.is_empty() {
        out += &format!(
            "\n{line}\n\nThese have no file of their own for that, but name their licence; its text is below\n\
             with others:\n\n  {}\n",
            without.join("\n  ")
        );
    }
    let mut texts: Vec<(String, Vec<String>)> = of_text.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1));
    for (text, users) in texts {
        out += &format!("\n{line}\n\n{}\n\n{text}\n", users.join("\n"));
    }
    Ok(out)
}

/// The paragraphs of DEP-5 for the crates, one for each, and those of their licences.
///
/// # Errors
///
/// A file can't be read.
pub fn debian(found: &Found) -> Result<String, String> {
    let mut out = String::new();
    let mut names: Vec<String> = Vec::new();
    for one in &found.crates {
        let expression = one
            .licence
            .replace(" OR ", " or ")
            .replace(" AND ", " and ");
        for name in one.licence.split([' ', '(', ')']) {
            if !["", "OR", "AND", "WITH"].contains(&name) && !names.iter().any(|n| n == name) {
                names.push(name.to_string());
            }
        }
        let holders = holders(one)?;
        out += &format!(
            "\nFiles: {}-{}/*\nCopyright: {}\nLicense: {expression}\n",
            one.name,
            one.version,
            holders.join("\n ")
        );
        if let Some(repository) = &one.repository {
            out += &format!("Comment: {repository}\n");
        }
    }
    out += "\nFiles: rust-std/*\nCopyright: The Rust Project Contributors\nLicense: MIT or Apache-2.0\n\
        Comment: https://github.com/rust-lang/rust, the standard library\n";
    names.sort();
    for name in names {
        let text = match COMMON.iter().find(|(id, _)| *id == name) {
            Some((_, file)) => format!(
                " On Debian systems the text of this licence is in /usr/share/common-licenses/{file}.\n"
            ),
            None => text_of(found, &name)?.unwrap_or_else(|| {
                " The text of this licence is in THIRD-PARTY.txt.gz beside this file.\n".to_string()
            }),
        };
        out += &format!("\nLicense: {name}\n{text}");
    }
    Ok(out)
}

/// The text of one licence, as a crate has it that has no other, or in a file named after it; as the text of a
/// paragraph. Names of holders in it are those of that crate.
fn text_of(found: &Found, name: &str) -> Result<Option<String>, String> {
    let word = match name {
        "BSD-2-Clause" => "bsd",
        "BSL-1.0" => "boost",
        _ => name,
    };
    let word = word.to_lowercase();
    let mut files = Vec::new();
    for one in &found.crates {
        let alone = one.licence == name;
        for file in statements(&one.folder)? {
            let full = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            let named = full == word || full.ends_with(&format!("-{word}"));
            if alone || named {
                files.push((!alone, file));
            }
        }
    }
    files.sort();
    let Some((_, file)) = files.into_iter().next() else {
        return Ok(None);
    };
    let mut out = String::new();
    for line in read(&file)?.trim().lines() {
        match line.trim() {
            "" => out += " .\n",
            _ => out += &format!(" {}\n", line.trim_end().replace('\t', "    ")),
        }
    }
    Ok(Some(out))
}

/// Who holds the copyright, as the crate's files say; else its authors.
fn holders(one: &Crate) -> Result<Vec<String>, String> {
    let mut holders: Vec<String> = Vec::new();
    for file in statements(&one.folder)? {
        for line in read(&file)?.lines() {
            let line = line.trim().trim_start_matches(['/', '*', '#', '>', ' ']);
            let years = line.strip_prefix("Copyright ").unwrap_or_default();
            // Not the sentences of a licence about copyright.
            let states = years.to_lowercase().starts_with("(c)")
                || years.starts_with('©')
                || years.starts_with(|c: char| c.is_ascii_digit());
            let line = years.trim_end_matches('.').trim().to_string();
            if states && !line.contains("[yyyy]") && !holders.contains(&line) {
                holders.push(line);
            }
        }
    }
    if holders.is_empty() {
        holders.extend(one.authors.iter().cloned());
    }
    if holders.is_empty() {
        holders.push(format!("the authors of {}", one.name));
    }
    Ok(holders)
}

/// The files of a crate that state its licence, also those of what it has taken in.
fn statements(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry
            .map_err(|e| format!("{}: {e}", folder.display()))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let states = STATEMENTS.iter().any(|start| name.starts_with(start));
        match (path.is_dir(), states) {
            (false, true) => found.push(path),
            (true, true) => found.extend(statements_below(&path)?),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// All files of a folder of licences.
fn statements_below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|e| format!("{}: {e}", folder.display()))?
            .path();
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    // Some are not UTF-8.
    Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
}
