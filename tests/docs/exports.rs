//! What the module exports, read from the rows in its shim.

use std::collections::BTreeMap;

use super::block;

/// How many parameters a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    /// All.
    pub all: usize,
    /// Those that may be omitted.
    pub optional: usize,
}

/// The file that holds the rows.
const ROWS: &str = "src/shim/exports.h";

/// Names of the parameters.
pub fn parameters() -> Vec<String> {
    names("AW_PARAMETERS", "\tPARAMETER(")
}

/// Names of the statistics: counters, histograms by what their names have in common, and gauges.
pub fn statistics() -> Vec<String> {
    [counters(), histograms(), gauges()].concat()
}

/// Names of the counters, without those of histograms.
pub fn counters() -> Vec<String> {
    names("AW_STATISTICS", "\tSTATISTIC(")
}

/// Names of the histograms, which their counters begin with.
pub fn histograms() -> Vec<String> {
    names("AW_STATISTICS", "\tAW_HISTOGRAM(")
}

/// Names of the gauges.
pub fn gauges() -> Vec<String> {
    names("AW_GAUGES", "\tGAUGE(")
}

/// Names of the commands of the management interface.
pub fn mi_commands() -> Vec<String> {
    names("AW_COMMANDS", "\tCOMMAND(")
}

/// The functions, by name.
pub fn functions() -> BTreeMap<String, Arity> {
    rows("AW_FUNCTIONS", "FUNCTION(")
        .into_iter()
        .map(arity)
        .collect()
}

/// The asynchronous functions, by name.
pub fn async_functions() -> BTreeMap<String, Arity> {
    let rows = rows("AW_FUNCTIONS", "\tASYNC_FUNCTION(");
    rows.into_iter().map(arity).collect()
}

fn names(list: &str, mark: &str) -> Vec<String> {
    let rows = rows(list, mark).into_iter();
    rows.map(|mut row| row.swap_remove(0)).collect()
}

/// What is in the parentheses of each row of a list.
fn rows(list: &str, mark: &str) -> Vec<Vec<String>> {
    let text = block::read(ROWS);
    let lines = text
        .split_once(&format!("#define {list} \\\n"))
        .and_then(|(_, rest)| rest.split_once("\n\n"))
        .map(|(lines, _)| lines)
        .unwrap_or_else(|| panic!("{ROWS} has no list {list}"));
    let of = |line: &str| {
        let (_, rest) = line.split_once(mark)?;
        // Unless it goes on in the next line, where nothing is that is asked for here.
        let row = rest.split_once(')').map_or(rest, |(row, _)| row);
        Some(row.split(',').map(|word| word.trim().to_string()).collect())
    };
    let rows: Vec<_> = lines.lines().filter_map(of).collect();
    assert!(!rows.is_empty(), "{list} has changed its form");
    rows
}

fn arity(mut row: Vec<String>) -> (String, Arity) {
    let name = row.remove(0);
    let optional = row.iter().filter(|kind| kind.ends_with("OPTIONAL"));
    let arity = Arity {
        optional: optional.count(),
        all: row.len(),
    };
    (name, arity)
}
