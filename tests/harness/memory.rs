//! The memory that processes use.

use std::fmt::Display;

/// The private memory of a process in KiB, without shared memory, where the core stores
/// transactions.
pub fn own(pid: impl Display) -> Result<usize, String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.ok_or_else(|| format!("{path} has no RssAnon"))
}
