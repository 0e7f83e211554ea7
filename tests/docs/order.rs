//! The order of imports, which rustfmt does not keep on a stable toolchain: the standard library's,
//! then those of other crates, then our own, with an empty line between each.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use syn::spanned::Spanned;
use syn::{Item, UseTree};

/// The trials.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("imports are in one order", every_file_keeps_it),
        Trial::test("imports in another order are found", disorder_is_found),
    ]
}

fn every_file_keeps_it() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for file in sources()? {
        let text = std::fs::read_to_string(&file)?;
        let found = disorder(&text)?;
        wrong.extend(found.map(|(line, fault)| format!("{}:{line}: {fault}", file.display())));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("; ").into()),
    }
}

/// All files of Rust in the project.
///
/// # Errors
/// Fails if a folder can't be read, or has far too few of them.
pub fn sources() -> Result<Vec<PathBuf>, Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        collect(&root.join(folder), &mut files)?;
    }
    match files.len() {
        0..100 => Err(format!("{} files only", files.len()).into()),
        _ => Ok(files),
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The line of the first import that is out of place, and what is wrong with it.
fn disorder(text: &str) -> Result<Option<(usize, String)>, syn::Error> {
    let lines: Vec<&str> = text.lines().collect();
    Ok(disorder_in(&syn::parse_file(text)?.items, &lines))
}

fn disorder_in(items: &[Item], lines: &[&str]) -> Option<(usize, String)> {
    let local: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) => Some(module.ident.to_string()),
            _ => None,
        })
        .collect();
    // The group of the import before, and the line on which it ends.
    let mut last = None;
    for item in items {
        let found = match item {
            // One with an attribute or a visibility stands for itself.
            Item::Use(import)
                if import.attrs.is_empty() && matches!(import.vis, syn::Visibility::Inherited) =>
            {
                let name = root(&import.tree);
                let group = match name.as_str() {
                    "std" | "core" | "alloc" => 0,
                    "crate" | "super" | "self" => 2,
                    name if local.iter().any(|module| module == name) => 2,
                    _ => 1,
                };
                let (begin, end) = (import.span().start().line, import.span().end().line);
                let before = last.replace((group, end));
                before.and_then(|(before, end)| {
                    let between = lines.get(end..begin - 1).unwrap_or_default();
                    let is_apart = between.iter().any(|line| line.trim().is_empty());
                    let fault = match (group.cmp(&before), is_apart) {
                        (Ordering::Less, _) => "comes too late",
                        (Ordering::Equal, true) => "has an empty line before it",
                        (Ordering::Greater, false) => "has no empty line before it",
                        _ => return None,
                    };
                    Some((begin, format!("{name} {fault}")))
                })
            }
            Item::Mod(module) => {
                last = None;
                let inside = module.content.as_ref().map(|(_, items)| items);
                inside.and_then(|items| disorder_in(items, lines))
            }
            _ => {
                last = None;
                None
            }
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn root(tree: &UseTree) -> String {
    match tree {
        UseTree::Path(path) => path.ident.to_string(),
        UseTree::Name(name) => name.ident.to_string(),
        UseTree::Rename(rename) => rename.ident.to_string(),
        UseTree::Glob(_) | UseTree::Group(_) => String::new(),
    }
}

fn disorder_is_found() -> Result<(), Failed> {
    let right = "use std::fmt;\n\nuse syn::Item;\n\nmod own;\nuse own::A;\nuse crate::b::B;";
    if let Some(found) = disorder(right)? {
        return Err(format!("{right}: {found:?}").into());
    }
    let wrong = [
        ("use crate::b::B;\n\nuse std::fmt;", 3, "std"),
        ("use std::fmt;\nuse syn::Item;", 2, "syn"),
        ("use std::fmt;\n\nuse std::io;", 3, "std"),
        (
            "mod t {\n use super::*;\n\n use proptest::*;\n}",
            4,
            "proptest",
        ),
    ];
    for (text, at, name) in wrong {
        match disorder(text)? {
            Some((line, fault)) if line == at && fault.starts_with(name) => {}
            other => return Err(format!("{text}: {other:?}").into()),
        }
    }
    Ok(())
}
