//! SIPp at a constant rate, and its results.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::database::program;
use harness::instance::tail;
use harness::{ports, root};

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Requests a second.
    pub rate: u32,
    /// The duration in seconds.
    pub seconds: u32,
    /// The value of their Authorization header.
    pub authorization: &'a str,
}

/// The results of one load, as seen by SIPp.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Calls per second with the expected answer, from the first answer to the last.
    pub throughput: f64,
    /// All other calls.
    pub failed: u64,
    /// Requests that SIPp retransmitted because no answer came within half a second.
    pub sent_again: u64,
    /// Mean time from request to answer, ms.
    pub mean: f64,
    /// The time within which 99 of 100 calls were answered, ms.
    pub percentile99: f64,
}

/// A call without an answer ends after this time (ms); all calls end after that time (s) at the
/// latest.
const PATIENCE: [&str; 5] = ["-recv_timeout", "8000", "-timeout", "60", "-timeout_error"];

/// Sends a load to 127.0.0.1:`port`; SIPp's files go to `folder`, which must not exist.
///
/// # Errors
/// Fails if SIPp itself failed. Failed calls are part of its results.
pub fn send(load: Load<'_>, port: u16, folder: &Path) -> Result<Seen, String> {
    fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let output = Command::new(program("sipp").ok_or("no sipp")?)
        .arg(format!("127.0.0.1:{port}"))
        .arg("-sf")
        .arg(root().join("benches/webhooks/register.xml"))
        .args(["-key", "authorization", load.authorization])
        .args(["-i", "127.0.0.1", "-p", &ports::free().to_string()])
        .args(["-r", &load.rate.to_string()])
        .args(["-m", &(load.rate * load.seconds).to_string()])
        .args(["-l", &open_calls().to_string()])
        .args(["-buff_size", "4194304", "-deadcall_wait", "0"])
        .args(PATIENCE)
        .args(["-trace_stat", "-stf", "statistics.csv", "-fd", "600"])
        .args(["-trace_rtt", "-rtt_freq", "20", "-nostdin"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("sipp: {e}"))?;
    let said = || {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("sipp: {}\n{}", output.status, tail(&errors, 10))
    };
    let statistics = fs::read_to_string(folder.join("statistics.csv")).map_err(|_| said())?;
    let times = fs::read_dir(folder)
        .map_err(|e| e.to_string())?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().ends_with("_rtt.csv"))
        .and_then(|entry| fs::read_to_string(entry.path()).ok())
        .ok_or_else(said)?;
    let mut seen = of_times(&times);
    seen.failed = last(&statistics, "FailedCall(C)").ok_or_else(said)?;
    seen.sent_again = last(&statistics, "Retransmissions(C)").unwrap_or(0);
    Ok(seen)
}

/// Calls that may be open at a time: so many that they never limit the load. SIPp does not allow
/// more than the limit of open files.
fn open_calls() -> u32 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
    files.unwrap_or(1024).saturating_sub(100).clamp(100, 9000)
}

/// SIPp's file of response times: `Date_ms;response_time_ms;rtt_no`, one line per answer.
fn of_times(text: &str) -> Seen {
    let answers: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(';').map(|field| field.trim().parse().ok());
            Some((fields.next()??, fields.next()??))
        })
        .collect();
    if answers.len() < 2 {
        return Seen::default();
    }
    let dates = answers.iter().map(|(date, _)| *date);
    let first = dates.clone().fold(f64::INFINITY, f64::min);
    let last = dates.fold(f64::NEG_INFINITY, f64::max);
    let mut times: Vec<f64> = answers.iter().map(|(_, time)| *time).collect();
    times.sort_by(f64::total_cmp);
    Seen {
        throughput: (answers.len() - 1) as f64 * 1000.0 / (last - first).max(1.0),
        mean: times.iter().sum::<f64>() / times.len() as f64,
        percentile99: times[(times.len() * 99).div_ceil(100) - 1],
        ..Seen::default()
    }
}

/// The last value of a column in SIPp's statistics, whose first line names the columns.
fn last(statistics: &str, column: &str) -> Option<u64> {
    let mut lines = statistics.lines();
    let at = lines.next()?.split(';').position(|name| name == column)?;
    lines.last()?.split(';').nth(at)?.parse().ok()
}
