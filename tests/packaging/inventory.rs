//! The list of what is in the module: licences, bill of materials.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{check, output, shared_folder};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "inventory: every crate of the module, with its licence",
            complete,
        ),
        Trial::test("inventory: the bill of materials", materials),
        Trial::test("inventory: Debian's copyright file", copyright),
    ]
}

/// Where the inventory of this build is.
pub fn folder() -> Result<&'static Path, Failed> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = shared_folder().map_err(|e| e.to_string())?;
        let mut cargo = cargo();
        cargo
            .args(["run", "--quiet", "--package", "inventory", "--"])
            .arg(&folder);
        output(&mut cargo).map_err(|e| format!("{e:?}"))?;
        Ok(folder)
    });
    made.as_deref().map_err(|e| e.clone().into())
}

fn cargo() -> Command {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo
        .current_dir(harness::root())
        .env("CARGO_NET_OFFLINE", "true");
    cargo
}

fn read(name: &str) -> Result<String, Failed> {
    std::fs::read_to_string(folder()?.join(name)).map_err(|e| format!("{name}: {e}").into())
}

/// Name and version of each crate in the module, as Cargo lists them.
fn crates() -> Result<Vec<(String, String)>, Failed> {
    let tree = output(cargo().args([
        "tree",
        "--locked",
        "--package=auth_web",
        "--edges=normal,no-proc-macro",
        "--prefix=none",
        "--format={p}",
    ]))?;
    let mut all: Vec<(String, String)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?.to_string();
            Some((name, words.next()?.trim_start_matches('v').to_string()))
        })
        .filter(|(name, _)| name != "auth_web")
        .collect();
    all.sort();
    all.dedup();
    check(all.len() > 50, format!("only {all:?}"))?;
    Ok(all)
}

fn complete() -> Result<(), Failed> {
    let texts = read("THIRD-PARTY.txt")?;
    for (name, version) in crates()? {
        let title = format!("{name} {version} (");
        check(
            texts.contains(&title),
            format!("{name} {version} is missing"),
        )?;
    }
    for licence in [
        "Permission is hereby granted",
        "Apache License",
        "ISC",
        "Redistribution and use",
    ] {
        check(texts.contains(licence), format!("no text with {licence:?}"))?;
    }
    Ok(())
}

fn materials() -> Result<(), Failed> {
    let bom: Value =
        serde_json::from_str(&read("auth_web.cdx.json")?).map_err(|e| e.to_string())?;
    check(bom["bomFormat"] == "CycloneDX", "bomFormat")?;
    check(bom["specVersion"] == "1.5", "specVersion")?;
    check(
        bom["metadata"]["component"]["name"] == "auth_web",
        "metadata.component",
    )?;
    let components = bom["components"].as_array().ok_or("no components")?;
    let crates = crates()?;
    check(
        components.len() == crates.len(),
        format!("{} components, {} crates", components.len(), crates.len()),
    )?;
    let dependencies = bom["dependencies"].as_array().ok_or("no dependencies")?;
    for (name, version) in crates {
        let one = components
            .iter()
            .find(|c| c["name"] == name.as_str() && c["version"] == version.as_str())
            .ok_or_else(|| format!("{name} {version} is missing"))?;
        let sum = one["hashes"][0]["content"].as_str().unwrap_or_default();
        check(sum.len() == 64, format!("{name} has no checksum"))?;
        let licence = one["licenses"][0]["expression"]
            .as_str()
            .unwrap_or_default();
        check(!licence.is_empty(), format!("{name} has no licence"))?;
        let used = dependencies.iter().any(|d| {
            let uses = d["dependsOn"].as_array();
            uses.into_iter().flatten().any(|u| *u == one["bom-ref"])
        });
        check(used, format!("nothing depends on {name} {version}"))?;
    }
    Ok(())
}

fn copyright() -> Result<(), Failed> {
    let text = read("copyright")?;
    for (name, version) in crates()? {
        let files = format!("Files: {name}-{version}/*\n");
        let paragraph = text
            .split("\n\n")
            .find(|p| p.trim_start().starts_with(&files));
        let paragraph = paragraph.ok_or_else(|| format!("{name} {version} is missing"))?;
        for field in ["\nCopyright: ", "\nLicense: "] {
            check(paragraph.contains(field), format!("{name}: no {field:?}"))?;
        }
    }
    // What is named is explained.
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("License: "))
    {
        for name in line
            .split([' ', '(', ')'])
            .filter(|n| !["", "or", "and"].contains(n))
        {
            let alone = format!("License: {name}\n ");
            check(text.contains(&alone), format!("{name} is not explained"))?;
        }
    }
    Ok(())
}
