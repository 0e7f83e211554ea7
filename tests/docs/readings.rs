//! What readers copy decides by what the module has checked, not by OpenSIPS's own reading of the
//! Authorization header, from which a second one can be hidden.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use super::block;

/// The pseudo-variables of that reading: username and realm.
const READINGS: [&str; 3] = ["au", "aU", "ar"];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("scripts and examples: who it is, the module says", run),
        Trial::test("the search for OpenSIPS's own reading", found),
    ]
}

/// Where one of them is used: `$au`, `$(au)`, `$(au{...})`, `$(au[0])`, and the text that follows.
fn named(text: &str) -> Option<&str> {
    text.match_indices('$').find_map(|(at, _)| {
        let name = text[at + 1..].trim_start_matches('(').trim_start();
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
        let (name, _) = name.split_at(end.unwrap_or(name.len()));
        let line = text[at..].lines().next();
        READINGS.contains(&name).then_some(line).flatten()
    })
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path.to_string_lossy().into_owned()),
        }
    }
}

fn run() -> Result<(), Failed> {
    let mut places = Vec::new();
    let mut scripts = Vec::new();
    files(&harness::root().join("opensips-cfg"), &mut scripts);
    let is_script = |path: &String| path.ends_with(".cfg") || path.ends_with(".inc");
    if scripts.iter().filter(|path| is_script(path)).count() < 7 {
        return Err(format!("where are the scripts? There are {scripts:?}").into());
    }
    // Comments too: commented-out lines are there to be used.
    for path in scripts {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        places.extend(named(&text).map(|line| format!("{path}: {line}")));
    }
    let mut examples = 0;
    for path in block::documents() {
        for section in block::sections(&block::read(&path)) {
            for block in section.blocks {
                examples += 1;
                let line = named(&block.text);
                places.extend(line.map(|line| format!("{path}:{}: {line}", block.line)));
            }
        }
    }
    match (examples, places.is_empty()) {
        (0, _) => Err("no example was found".into()),
        (_, true) => Ok(()),
        _ => Err(places.join("\n").into()),
    }
}

fn found() -> Result<(), Failed> {
    let all = [
        "$au",
        "if ($aU != $tU)",
        "\"$ar\"",
        "$(au)",
        "$(aU{s.len})",
        "$( ar )",
        "#$au;",
    ];
    let none = [
        "$auth.resp",
        "$avp(au)",
        "$var(ar)",
        "au",
        "$arg",
        "$aux",
        "$adu",
        "$a",
        "$",
        "$au_",
    ];
    let missed = all.iter().find(|text| named(text).is_none());
    let wrong = none.iter().find(|text| named(text).is_some());
    match missed.or(wrong) {
        None => Ok(()),
        Some(text) => Err(format!("{text:?} is misjudged").into()),
    }
}
