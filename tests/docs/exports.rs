//! What the module exports, read out of the tables of its shim.

use super::block;
use std::collections::BTreeMap;

/// How many parameters a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    /// All.
    pub all: usize,
    /// Those that may be left out.
    pub optional: usize,
}

/// Names of the parameters.
pub fn parameters() -> Vec<String> {
    listed("src/shim/parameters.h", "PARAMETER(")
}

/// Names of the statistics.
pub fn statistics() -> Vec<String> {
    listed("src/shim/statistics.h", "STATISTIC(")
}

/// Names of the commands of the management interface.
pub fn mi_commands() -> Vec<String> {
    let text = block::read("src/shim/mi.c");
    let names = text.split("{ (char *)\"").skip(1).filter_map(quoted);
    not_empty("src/shim/mi.c", names.collect())
}

/// The functions, by name.
pub fn functions() -> BTreeMap<String, Arity> {
    table("aw_commands[]")
}

/// The asynchronous functions, by name.
pub fn async_functions() -> BTreeMap<String, Arity> {
    table("aw_async_commands[]")
}

fn listed(path: &str, mark: &str) -> Vec<String> {
    let text = block::read(path);
    let names = text
        .split(mark)
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(name, _)| name.to_string());
    not_empty(path, names.collect())
}

fn not_empty(path: &str, names: Vec<String>) -> Vec<String> {
    assert!(!names.is_empty(), "{path} has another form than it had");
    names
}

/// What stands before the next quotation mark.
fn quoted(text: &str) -> Option<String> {
    text.split_once('"').map(|(name, _)| name.to_string())
}

fn table(name: &str) -> BTreeMap<String, Arity> {
    let text = block::read("src/shim/commands.c");
    let body = text
        .split_once(name)
        .and_then(|(_, rest)| rest.split_once("};"))
        .map(|(body, _)| body)
        .unwrap_or_else(|| panic!("src/shim/commands.c has no table {name}"));
    let mut functions = BTreeMap::new();
    for entry in body.split("{ \"").skip(1) {
        let name = quoted(entry).expect("a name");
        let kinds = entry
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map(|(kinds, _)| kinds)
            .expect("a list of parameters");
        let kinds: Vec<_> = kinds.split(',').map(str::trim).collect();
        let optional = kinds.iter().filter(|k| k.ends_with("OPTIONAL")).count();
        let arity = Arity {
            all: kinds.len(),
            optional,
        };
        functions.insert(name, arity);
    }
    assert!(!functions.is_empty(), "{name} has another form than it had");
    functions
}
