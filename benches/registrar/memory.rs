//! The private memory of each OpenSIPS process.

use std::fs;

use harness::server::children;

/// KiB that a process shares with no other.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    pub pid: u32,
    pub kib: u64,
}

/// The first process and its children.
pub fn look(pid: u32) -> Vec<Own> {
    std::iter::once(pid)
        .chain(children(pid))
        .filter_map(|pid| {
            let kib = own(pid)?;
            Some(Own { pid, kib })
        })
        .collect()
}

fn own(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = text
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    Some(private)
}
