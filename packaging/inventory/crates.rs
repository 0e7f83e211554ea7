//! The crates that are linked into the module.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate in the module.
pub struct Crate {
    /// Its name, as Cargo has it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, an SPDX expression.
    pub licence: String,
    /// Its authors, as its manifest names them; often nobody.
    pub authors: Vec<String>,
    /// Where it is developed, if it says so.
    pub repository: Option<String>,
    /// One sentence about it, if it has one.
    pub description: Option<String>,
    /// The SHA-256 of the package, of Cargo.lock; the module itself has none.
    pub checksum: Option<String>,
    /// Its sources on this machine.
    pub folder: PathBuf,
    /// Names and versions of the crates that it uses itself.
    pub uses: Vec<(String, String)>,
}

/// The module and what is linked into it.
pub struct Found {
    /// The module.
    pub module: Crate,
    /// The crates, by name and version.
    pub crates: Vec<Crate>,
}

/// Asks Cargo.
///
/// # Errors
///
/// Cargo fails, or names a crate without a licence.
pub fn find() -> Result<Found, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Unlike the metadata, the tree leaves out features that only tests ask for.
    let tree = cargo(
        &root,
        &[
            "tree",
            "--locked",
            "--package=auth_web",
            "--edges=normal,no-proc-macro",
            "--prefix=none",
            "--format={p}",
        ],
    )?;
    let mut linked: Vec<(String, String)> = tree.lines().filter_map(named).collect();
    linked.sort();
    linked.dedup();
    let metadata = cargo(&root, &["metadata", "--locked", "--format-version=1"])?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let lock =
        std::fs::read_to_string(root.join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
    let checksums = checksums(&lock);
    let deny =
        std::fs::read_to_string(root.join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
    let mut crates = Vec::new();
    let mut module = None;
    for (name, version) in &linked {
        let one = read(&metadata, name, version, &checksums, &linked, &deny)?;
        match name == "auth_web" {
            true => module = Some(one),
            false => crates.push(one),
        }
    }
    match module {
        Some(module) => Ok(Found { module, crates }),
        None => Err("cargo tree does not name auth_web".to_string()),
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    match output.status.success() {
        true => {
            String::from_utf8(output.stdout).map_err(|e| format!("cargo {}: {e}", arguments[0]))
        }
        false => Err(format!(
            "cargo {}: {}",
            arguments[0],
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// Name and version in a line such as `serde v1.0.2 (*)`.
fn named(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_string(), version.to_string()))
}

/// The checksums of a Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for part in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let mark = format!("{name} = \"");
            let line = part.lines().find_map(|line| line.strip_prefix(&mark))?;
            Some(line.trim_end_matches('"').to_string())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            sums.insert((name, version), sum);
        }
    }
    sums
}

/// The licence of a crate that states it only in a file, as deny.toml has it.
fn clarified(deny: &str, name: &str, version: &str) -> Option<String> {
    let mark = format!("crate = \"{name}@{version}\"");
    let rest = deny.split_once(&mark)?.1;
    let rest = rest.split("[[").next()?;
    let line = rest
        .lines()
        .find_map(|line| line.strip_prefix("expression = \""))?;
    Some(line.trim_end_matches('"').to_string())
}

fn read(
    metadata: &Value,
    name: &str,
    version: &str,
    checksums: &BTreeMap<(String, String), String>,
    linked: &[(String, String)],
    deny: &str,
) -> Result<Crate, String> {
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let package = packages
        .iter()
        .find(|p| p["name"] == name && p["version"] == version)
        .ok_or_else(|| format!("cargo metadata does not know {name} {version}"))?;
    let text = |field: &str| package[field].as_str().map(str::to_string);
    let manifest = PathBuf::from(text("manifest_path").ok_or("no manifest_path")?);
    let key = (name.to_string(), version.to_string());
    let authors = package["authors"].as_array().into_iter().flatten();
    Ok(Crate {
        name: key.0.clone(),
        version: key.1.clone(),
        // Older manifests write a slash.
        licence: text("license")
            .or_else(|| clarified(deny, name, version))
            .ok_or_else(|| format!("{name} {version} states no licence"))?
            .replace('/', " OR "),
        authors: authors
            .filter_map(|author| author.as_str().map(str::to_string))
            .collect(),
        repository: text("repository"),
        description: text("description"),
        checksum: checksums.get(&key).cloned(),
        folder: manifest.parent().unwrap_or(Path::new("")).to_path_buf(),
        uses: uses(metadata, package, linked),
    })
}

/// What a package uses, of what is linked.
fn uses(metadata: &Value, package: &Value, linked: &[(String, String)]) -> Vec<(String, String)> {
    let nodes = metadata["resolve"]["nodes"].as_array();
    let node = nodes
        .into_iter()
        .flatten()
        .find(|node| node["id"] == package["id"]);
    let dependencies = node.and_then(|node| node["deps"].as_array());
    let packages = metadata["packages"].as_array();
    let mut used: Vec<(String, String)> = dependencies
        .into_iter()
        .flatten()
        .filter(|dependency| {
            let kinds = dependency["dep_kinds"].as_array();
            kinds
                .into_iter()
                .flatten()
                .any(|kind| kind["kind"].is_null())
        })
        .filter_map(|dependency| {
            let mut all = packages.into_iter().flatten();
            let package = all.find(|p| p["id"] == dependency["pkg"])?;
            let name = package["name"].as_str()?.to_string();
            Some((name, package["version"].as_str()?.to_string()))
        })
        .filter(|used| linked.contains(used))
        .collect();
    used.sort();
    used.dedup();
    used
}
