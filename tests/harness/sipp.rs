//! Runs SIPp with one of the scenarios in tests/sipp.

use std::path::Path;
use std::process::{Command, Stdio};

use super::instance::tail;
use super::{ports, root};

/// What one run sends.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The file in tests/sipp, without its extension.
    pub scenario: &'a str,
    /// The user part of the request URI: it selects the route of the test script.
    pub service: &'a str,
    /// One line of the injection file for each call.
    pub rows: &'a [Vec<String>],
}

/// Options for every run: how long to wait for an answer (ms) and for all of them (s), what is
/// logged; and no BYE after something unexpected, since there is no call.
pub const OPTIONS: &str = "-nostdin -recv_timeout 20000 \
    -timeout 100 -timeout_error -default_behaviors all,-bye \
    -trace_msg -message_file messages -trace_err -error_file errors -trace_logs -log_file log";

/// Why SIPp cannot be run, if so.
pub fn missing() -> Option<String> {
    super::database::program("sipp")
        .is_none()
        .then(|| "no sipp".to_string())
}

/// Runs SIPp against 127.0.0.1:`port`; Ok if every call went as the scenario says. Its files go to
/// `folder`.
pub fn run(run: &Run<'_>, port: u16, folder: &Path) -> Result<(), String> {
    run_at(run, port, folder, "-r 500 -l 50")
}

/// The same, as fast as possible.
pub fn run_fast(run: &Run<'_>, port: u16, folder: &Path) -> Result<(), String> {
    run_at(run, port, folder, "-r 2000 -l 64")
}

fn run_at(run: &Run<'_>, port: u16, folder: &Path, speed: &str) -> Result<(), String> {
    let Run {
        scenario,
        service,
        rows,
    } = run;
    if rows.is_empty() {
        return Err(format!("{scenario}: nothing to send"));
    }
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let injection = folder.join("rows.csv");
    std::fs::write(&injection, csv(rows)?).map_err(|e| e.to_string())?;
    let output = Command::new(super::database::program("sipp").ok_or("no sipp")?)
        .arg(format!("127.0.0.1:{port}"))
        .arg("-sf")
        .arg(root().join("tests/sipp").join(format!("{scenario}.xml")))
        .arg("-inf")
        .arg(&injection)
        .args(["-s", service, "-i", "127.0.0.1"])
        .args(["-p", &ports::free().to_string()])
        .args(["-m", &rows.len().to_string()])
        .args(OPTIONS.split_whitespace())
        .args(speed.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("sipp: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = |file: &str| {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        tail(&String::from_utf8_lossy(&bytes), 30)
    };
    Err(format!(
        "sipp {scenario}: {}\n{}\n{}\n{}",
        output.status,
        said("errors"),
        said("messages"),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The same, for a scenario that writes to its log file; returns the log.
pub fn run_and_log(what: &Run<'_>, port: u16, folder: &Path) -> Result<String, String> {
    let log = folder.join("log");
    let _ = std::fs::remove_file(&log);
    run(what, port, folder)?;
    std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))
}

/// SIPp's injection format: how the rows are used, then one row per line.
pub fn csv(rows: &[Vec<String>]) -> Result<String, String> {
    let mut out = String::from("SEQUENTIAL\n");
    for row in rows {
        if let Some(field) = row.iter().find(|field| field.contains([';', '\n', '\r'])) {
            return Err(format!("SIPp cannot inject {field:?}"));
        }
        out.push_str(&row.join(";"));
        out.push('\n');
    }
    Ok(out)
}
