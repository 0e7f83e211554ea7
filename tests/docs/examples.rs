//! Every shipped script and every example in the documents, checked by `opensips -C`: names and
//! argument counts of functions, parameters, routes, syntax.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use harness::core::Core;
use libtest_mimic::{Failed, Trial};

use super::block::{self, Block};
use crate::ignored;

/// What precedes an example that is not a complete script.
const FRAME: &str = r#"
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
"#;

/// Words that may begin a line outside all routes.
const OUTSIDE: [&str; 8] = [
    "modparam",
    "loadmodule",
    "route",
    "failure_route",
    "onreply_route",
    "branch_route",
    "local_route",
    "event_route",
];

/// Modules that are part of the core but may be loaded nevertheless.
const BUILT_IN: [&str; 2] = ["proto_udp.so", "proto_tcp.so"];

/// An example, and where it is.
type Example = (String, String);

pub fn trials(core: &Core) -> Vec<Trial> {
    let mut trials = Vec::new();
    for path in block::documents() {
        let blocks = block::blocks(&block::read(&path), "opensips");
        let examples = blocks
            .into_iter()
            .map(|(title, Block { line, text, .. })| (format!("{path}:{line} {title}"), text));
        trials.extend(trials_of(core, &path, examples.collect()));
    }
    for (path, text) in block::scripts() {
        let example = (path.clone(), text);
        trials.extend(trials_of(core, &path, vec![example]));
    }
    trials
}

/// One trial for all examples of a file that this core can check, and one for each that it cannot.
fn trials_of(core: &Core, path: &str, examples: Vec<Example>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut checked = Vec::new();
    for (place, text) in examples {
        match missing_module(core, &text) {
            Some(file) => trials.push(ignored(
                format!("{core}, {place}"),
                format!("this OpenSIPS has no {file}"),
            )),
            None => checked.push((place, text)),
        }
    }
    if !checked.is_empty() {
        let core = core.clone();
        let name = format!("{core}, examples of {path}");
        trials.push(Trial::test(name, move || check_all(&core, &checked)));
    }
    trials
}

/// A module that the script loads, that is not ours and is not installed.
fn missing_module(core: &Core, text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("loadmodule \"")?.strip_suffix('"'))
        .filter(|file| !["auth_web.so", "auth_jwt.so"].contains(file))
        .filter(|file| !BUILT_IN.contains(file))
        .find(|file| core.module(file).is_none())
        .map(str::to_string)
}

fn check_all(core: &Core, examples: &[Example]) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let modules = folder.path().join("modules");
    link_modules(core, &modules)?;
    let complaints: Vec<_> = examples
        .iter()
        .filter_map(|(place, text)| {
            let refusal = check(core, text, folder.path(), &modules).err()?;
            Some(format!("{place}: {refusal}"))
        })
        .collect();
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints.join("\n").into()),
    }
}

fn check(core: &Core, text: &str, folder: &Path, modules: &Path) -> Result<(), String> {
    let file = folder.join("opensips.cfg");
    std::fs::write(&file, framed(text, modules)).map_err(|e| e.to_string())?;
    let output = Command::new(&core.binary)
        .arg("-C")
        .arg("-f")
        .arg(&file)
        .output()
        .map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.contains("config file ok") {
        return Ok(());
    }
    Err(format!(
        "opensips -C refuses it ({}):\n{said}",
        output.status
    ))
}

/// A modules folder like that of an installation: the core's modules, and ours under both its
/// names.
pub fn link_modules(core: &Core, folder: &Path) -> Result<(), Failed> {
    let own = core
        .modules
        .as_ref()
        .ok_or("its modules folder is not found")?;
    let link = |target: &Path, name: &std::ffi::OsStr| {
        symlink(target, folder.join(name)).map_err(|e| e.to_string())
    };
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    for entry in std::fs::read_dir(own).map_err(|e| e.to_string())?.flatten() {
        let name = entry.file_name();
        if name != "auth_web.so" && name != "auth_jwt.so" {
            link(&entry.path(), &name)?;
        }
    }
    let module = harness::module();
    if !module.is_file() {
        return Err(format!("{} is not there: run make first", module.display()).into());
    }
    link(&module, "auth_web.so".as_ref())?;
    link(&module, "auth_jwt.so".as_ref())?;
    Ok(())
}

/// The example as a complete script.
fn framed(text: &str, modules: &Path) -> String {
    let mpath = format!("mpath=\"{}/\"\n", modules.display());
    let begins = |line: &str, word: &str| line.starts_with(word);
    let is_script = text.lines().any(|line| begins(line, "socket="));
    if is_script {
        let kept = text.lines().filter(|line| !begins(line, "mpath="));
        return mpath + &kept.collect::<Vec<_>>().join("\n") + "\n";
    }
    let name = match text.contains("modparam(\"auth_jwt\"") {
        true => "auth_jwt",
        false => "auth_web",
    };
    let mut out = format!("{mpath}{FRAME}loadmodule \"{name}.so\"\n");
    let outside = |line: &str| OUTSIDE.iter().any(|word| begins(line, word));
    if text.lines().any(outside) {
        out.push_str(text);
    } else {
        out.push_str(&format!("route {{\n{text}}}\n"));
    }
    let has_route = out.lines().any(|line| line.starts_with("route {"));
    if !has_route {
        out.push_str("route {\n    exit;\n}\n");
    }
    out
}
