//! Sizes, offsets and values: measured, stored and compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::table::{Entry, Release, Size, What};

/// One line of numbers: offset and size, or a value.
pub type Line = Vec<i64>;

/// Keyed by what they belong to: `async_ctx.resume_f`, `const L_DBG`, `symbol dprint`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(pub BTreeMap<String, Line>);

impl Numbers {
    /// Reads lines of `struct.member offset size`, `const NAME value` and `symbol NAME size`.
    pub fn parse(text: &str) -> Result<Numbers, String> {
        let mut numbers = Numbers::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let named = match words[0] {
                "const" | "symbol" => 2,
                _ => 1,
            };
            let values: Option<Line> = words
                .get(named..)
                .unwrap_or_default()
                .iter()
                .map(|word| word.parse().ok())
                .collect();
            match values {
                Some(values) if values.len() == 3 - named => {
                    let known = numbers.0.insert(words[..named].join(" "), values);
                    if known.is_some() {
                        return Err(format!("twice: {line}"));
                    }
                }
                _ => return Err(format!("not a line of numbers: {line}")),
            }
        }
        Ok(numbers)
    }

    /// The same as sorted text.
    pub fn print(&self) -> String {
        let mut out = String::new();
        for (key, values) in &self.0 {
            let _ = write!(out, "{key}");
            for value in values {
                let _ = write!(out, " {value}");
            }
            out.push('\n');
        }
        out
    }
}

/// Where include/opensips/abi.h differs from a release; one line each.
pub fn declared_otherwise(entries: &[&Entry], ours: &Numbers, theirs: &Numbers) -> Vec<String> {
    let mut out = Vec::new();
    for entry in entries {
        let key = entry.key();
        let (ours, theirs) = match (ours.0.get(&key), theirs.0.get(&key)) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, _) => {
                out.push(format!("{}: not measured in abi.h", entry.ours));
                continue;
            }
            (_, None) => {
                out.push(format!("{key}: no number for it"));
                continue;
            }
        };
        let fits = match entry.what {
            What::Type(Size::AtLeast) => ours[1] >= theirs[1],
            What::Type(Size::AtMost) => ours[1] <= theirs[1],
            _ => ours == theirs,
        };
        if !fits {
            out.push(format!(
                "{} is {} there, but {} in abi.h is {}",
                entry.theirs,
                describe(&entry.what, theirs),
                entry.ours,
                describe(&entry.what, ours)
            ));
        }
    }
    out
}

/// Where freshly measured numbers differ from the stored ones; one line each. A size that need not
/// equal ours may vary within a series, as it does between 3.6.6 and 3.6.7.
pub fn kept_otherwise(entries: &[&Entry], kept: &Numbers, measured: &Numbers) -> Vec<String> {
    let print = |values: Option<&Line>| match values {
        Some(values) => {
            let words: Vec<String> = values.iter().map(i64::to_string).collect();
            words.join(" ")
        }
        None => "nothing".to_string(),
    };
    let mut out = Vec::new();
    for entry in entries {
        let key = entry.key();
        let (before, now) = (kept.0.get(&key), measured.0.get(&key));
        let open = matches!(entry.what, What::Type(size) if size != Size::Same);
        if before != now && !(open && before.is_some() && now.is_some()) {
            out.push(format!(
                "{key}: {} is kept, {} was measured",
                print(before),
                print(now)
            ));
        }
    }
    out.extend(strangers(entries, kept));
    out
}

/// Stored lines that match no entry; one line each.
pub fn strangers(entries: &[&Entry], kept: &Numbers) -> Vec<String> {
    let named: Vec<String> = entries.iter().map(|entry| entry.key()).collect();
    kept.0
        .keys()
        .filter(|key| !named.contains(key))
        .map(|key| format!("{key}: kept, but names.txt does not name it"))
        .collect()
}

/// The file with the stored numbers of a release.
pub fn kept_file(root: &std::path::Path, release: Release) -> std::path::PathBuf {
    root.join("tests/abi").join(format!("{release}.txt"))
}

fn describe(what: &What, values: &[i64]) -> String {
    match (what, values) {
        (What::Member, [offset, size]) => format!("at offset {offset}, {size} bytes"),
        (What::Type(_), [_, size]) => format!("{size} bytes"),
        (What::Symbol, [1]) => "a function".to_string(),
        (What::Symbol, [size]) => format!("a variable of {size} bytes"),
        _ => format!("{values:?}"),
    }
}
