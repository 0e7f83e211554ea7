//! One round: every device registers, or refreshes, once.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::database::program;
use harness::instance::tail;
use harness::root;

/// Devices waiting for an answer at a time. SIPp starts the next as soon as one is done, so that
/// the registrar gets as much load as it can handle, and no more.
const OPEN: u32 = 100;

/// The results reported by SIPp.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub took: Duration,
    pub confirmed: u64,
    pub failed: u64,
    /// Requests that were retransmitted because no answer came within half a second.
    pub sent_again: u64,
}

/// What is the same in all rounds.
pub struct Crowd<'a> {
    pub realm: &'a str,
    pub devices: usize,
    /// How many devices begin in a second, if as many are ready.
    pub rate: u32,
    /// The port of the registrar, and that of the devices.
    pub registrar: u16,
    pub port: u16,
}

/// Writes the injection file of all devices.
///
/// # Errors
/// Fails if it can't be written.
pub fn write_rows(crowd: &Crowd<'_>, file: &Path) -> Result<(), String> {
    let row = |n: usize| format!("user{n};[authentication username=user{n} password=secret]\n");
    let rows: String = (0..crowd.devices).map(row).collect();
    fs::write(file, format!("SEQUENTIAL\n{rows}")).map_err(|e| e.to_string())
}

/// Runs every device once; `place` is where they are.
///
/// # Errors
/// Fails if SIPp itself failed. Failed calls are part of its results.
pub fn run(crowd: &Crowd<'_>, rows: &Path, place: u32, folder: &Path) -> Result<Seen, String> {
    let before = Instant::now();
    let output = Command::new(program("sipp").ok_or("no sipp")?)
        .arg(format!("127.0.0.1:{}", crowd.registrar))
        .arg("-sf")
        .arg(root().join("benches/registrar/register.xml"))
        .arg("-inf")
        .arg(rows)
        .args(["-key", "realm", crowd.realm])
        .args(["-key", "place", &place.to_string()])
        .args(["-i", "127.0.0.1", "-p", &crowd.port.to_string()])
        .args(["-m", &crowd.devices.to_string()])
        .args(["-r", &crowd.rate.to_string()])
        .args(["-l", &OPEN.to_string(), "-recv_timeout", "30000"])
        .args(["-buff_size", "4194304", "-deadcall_wait", "0"])
        .args(["-trace_stat", "-stf", "statistics.csv", "-fd", "600"])
        .args(["-trace_err", "-error_file", "errors", "-nostdin"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("sipp: {e}"))?;
    let statistics = fs::read_to_string(folder.join("statistics.csv"))
        .map_err(|_| tail(&String::from_utf8_lossy(&output.stderr), 10))?;
    let count = |name: &str| {
        let mut lines = statistics.lines();
        let column = lines.next()?.split(';').position(|known| known == name)?;
        lines.last()?.split(';').nth(column)?.parse::<u64>().ok()
    };
    Ok(Seen {
        took: before.elapsed(),
        confirmed: count("SuccessfulCall(C)").ok_or("no count of SIPp")?,
        failed: count("FailedCall(C)").ok_or("no count of SIPp")?,
        sent_again: count("Retransmissions(C)").unwrap_or(0),
    })
}
