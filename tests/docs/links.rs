//! Links between the documents lead somewhere.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use super::block;

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("documents: links", links)]
}

fn links() -> Result<(), Failed> {
    let mut followed = 0;
    for path in block::documents() {
        let text = block::read(&path);
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            followed += 1;
            follow(&path, target).map_err(|e| format!("{path}: {target}: {e}"))?;
        }
    }
    match followed {
        0 => Err("no link was found".into()),
        _ => Ok(()),
    }
}

fn follow(from: &str, target: &str) -> Result<(), String> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => harness::root().join(from),
        _ => {
            let folder = Path::new(from).parent().unwrap_or(Path::new(""));
            harness::root().join(folder).join(file)
        }
    };
    if !path.exists() {
        return Err("there is no such file".to_string());
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let found = block::sections(&text)
        .iter()
        .any(|section| anchor_of(&section.title) == anchor);
    match found {
        true => Ok(()),
        false => Err("there is no such heading".to_string()),
    }
}

/// What GitHub and similar sites make of a heading.
fn anchor_of(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
