//! The machine resources that a process has used, from /proc.

use std::fs;
use std::process::Command;

use crate::server::children;

/// Processor, cores and how busy they were before anything was started: a line to print above the
/// figures.
pub fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} cores, {model}; load before the start: {load}")
}

/// Seconds of processor time that a process and its children have used so far, including threads
/// that have ended.
pub fn cpu_seconds(pid: u32) -> f64 {
    let ticks: u64 = family(pid).filter_map(ticks).sum();
    ticks as f64 / ticks_per_second()
}

/// KiB of memory that a process and its children occupy, with shared memory counted once
/// (proportional set size); and the largest private memory of any of them.
pub fn memory(pid: u32) -> (u64, u64) {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kib = |name: &str| -> u64 {
            text.lines()
                .filter_map(|line| line.strip_prefix(name))
                .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .sum()
        };
        (kib("Pss:"), kib("Private_Clean:") + kib("Private_Dirty:"))
    };
    let all: Vec<(u64, u64)> = family(pid).map(of).collect();
    let total = all.iter().map(|(shared, _)| shared).sum();
    let own = all.iter().map(|(_, own)| *own).max().unwrap_or(0);
    (total, own)
}

/// Peak memory in KiB of the largest among a process and its children, including shared memory.
pub fn peak(pid: u32) -> u64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    family(pid).filter_map(of).max().unwrap_or(0)
}

fn family(pid: u32) -> impl Iterator<Item = u32> {
    std::iter::once(pid).chain(children(pid))
}

/// utime and stime (proc(5)) of one process.
fn ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The process name before it may contain blanks and parentheses.
    let rest = text.rsplit_once(") ")?.1;
    let mut fields = rest.split(' ').skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

fn ticks_per_second() -> f64 {
    Command::new("getconf")
        .arg("CLK_TCK")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok())
        .unwrap_or(100.0)
}
