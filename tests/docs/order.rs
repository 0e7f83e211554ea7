//! The order of imports, which rustfmt does not keep on a stable toolchain: the standard library's,
//! then those of other crates, then our own.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use syn::{Item, UseTree};

/// The trials.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("imports are in one order", every_file_keeps_it),
        Trial::test("imports in another order are found", disorder_is_found),
    ]
}

fn every_file_keeps_it() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        collect(&root.join(folder), &mut files)?;
    }
    if files.len() < 100 {
        return Err(format!("{} files only", files.len()).into());
    }
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        wrong.extend(disorder(&text)?.map(|name| format!("{}: {name}", file.display())));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("out of order: {}", wrong.join("; ")).into()),
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

/// The first import that comes after one of a later group.
fn disorder(text: &str) -> Result<Option<String>, syn::Error> {
    Ok(disorder_in(&syn::parse_file(text)?.items))
}

fn disorder_in(items: &[Item]) -> Option<String> {
    let local: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) => Some(module.ident.to_string()),
            _ => None,
        })
        .collect();
    let mut last = 0;
    for item in items {
        match item {
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
                if group < last {
                    return Some(name);
                }
                last = group;
            }
            Item::Mod(module) => {
                last = 0;
                let inside = module.content.as_ref().map(|(_, items)| items);
                if let Some(found) = inside.and_then(|items| disorder_in(items)) {
                    return Some(found);
                }
            }
            _ => last = 0,
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
    let right = "use std::fmt; use syn::Item; mod own; use own::A; use crate::b::B;";
    let wrong = "use crate::b::B; use std::fmt;";
    let nested = "mod tests { use super::*; use proptest::prelude::*; }";
    match (disorder(right)?, disorder(wrong)?, disorder(nested)?) {
        (None, Some(std), Some(proptest)) if std == "std" && proptest == "proptest" => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
