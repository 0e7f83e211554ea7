//! `make load`: devices register and refresh at opensips-cfg/registrar.cfg for some minutes, at the
//! highest rate it can handle; then every component that keeps a count is asked for it.
//!
//! Every other round the devices have moved: they are challenged, and the endpoint is queried. In
//! the rounds between, the registrar answers from what it knows. See docs/benchmarks.md.

mod memory;
mod restart;
mod round;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::database::Backend;
use harness::measure::{self, machine};
use harness::ports;
use harness::registrar::{CROWD, Setting, Site};
use serde_json::{Value, json};

use memory::Own;
use round::Crowd;

/// The modules that OpenSIPS needs.
const NEEDED: [&str; 3] = ["db_mysql.so", "mi_datagram.so", "uac_registrant.so"];

/// Shared memory of OpenSIPS, MiB: for the contacts, and for the transactions of five seconds.
const SHARED: &str = "1024";

/// By how much a process may appear to grow in the second half, KiB: memory that the allocator and
/// the libraries have not touched before.
const GROWTH: u64 = 1024;

/// How long the last transactions may take to finish.
const SETTLE_SECONDS: u32 = 60;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("load: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let devices = measure::setting("DEVICES", 100_000_usize)?.clamp(10, 1_000_000);
    let seconds = measure::setting("DURATION", 300_u64)?.clamp(1, 86_400);
    let workers = measure::setting("WORKERS", 4_u32)?.clamp(1, 64);
    let rate = measure::setting("RATE", 20_000_u32)?.clamp(1, 100_000);
    println!("machine: {}", machine::description());
    let mut core = match measure::opensips(&NEEDED) {
        Ok(core) => core,
        Err(reason) => {
            println!("nothing is measured: {reason}");
            return Ok(true);
        }
    };
    println!("{core}, {workers} UDP workers, {devices} devices, {seconds} s");
    core.arguments.extend(["-m", SHARED].map(str::to_string));
    let setting = Setting::with_crowd(devices);
    let mut site = setting.site(&core, Backend::Mysql)?;
    site.settings = vec![
        ("LOG_LEVEL", "1".to_string()),
        ("UDP_WORKERS", workers.to_string()),
        // As shipped.
        ("ADOPT_INTERVAL", String::new()),
    ];
    let instance = site.start(&core)?;
    let crowd = Crowd {
        realm: CROWD,
        devices,
        rate,
        registrar: site.udp,
        port: ports::free(),
    };
    let folder = setting.folder();
    let rows = folder.join("rows.csv");
    round::write_rows(&crowd, &rows)?;

    let begin = Instant::now();
    let whole = Duration::from_secs(seconds);
    let mut half = None;
    let mut lost = 0;
    println!("| round | | devices a second | confirmed | failed | sent again | CPU us |");
    println!("|---|---|---|---|---|---|---|");
    // Up to an even number of rounds, so that both halves include both kinds.
    for number in 0.. {
        if number % 2 == 0 && begin.elapsed() >= whole {
            break;
        }
        let before = machine::cpu_seconds(instance.pid());
        let seen = round::run(&crowd, &rows, number / 2, &folder)?;
        let cpu = machine::cpu_seconds(instance.pid()) - before;
        let what = if number % 2 == 0 { "asked" } else { "known" };
        println!(
            "| {} | {what} | {:.0} | {} | {} | {} | {:.0} |",
            number + 1,
            seen.confirmed as f64 / seen.took.as_secs_f64(),
            seen.confirmed,
            seen.failed,
            seen.sent_again,
            cpu * 1e6 / seen.confirmed.max(1) as f64
        );
        lost += (devices as u64).saturating_sub(seen.confirmed);
        // After the first round of each kind there is nothing new to remember.
        if half.is_none() && number >= 1 && begin.elapsed() * 2 >= whole {
            settle(&site)?;
            half = Some((memory::look(instance.pid()), used(&site)?));
        }
    }
    let (half, half_used) = half.ok_or("the load ended before its half")?;
    settle(&site)?;
    let (end, end_used) = (memory::look(instance.pid()), used(&site)?);
    let complete = counts(&setting, &site, devices)?;
    println!("\nshared memory in use: {half_used} bytes at half time, {end_used} at the end");
    let steady = grown(&half, &end);
    println!("\nlost: {lost}");
    let (_instance, seen) = restart::run(&core, &site, &crowd, instance)?;
    println!(
        "\nOpenSIPS dies and starts again: it answers after {} ms, and {:.1} ms later a call has \
         reached the last device",
        seen.up.as_millis(),
        seen.called.as_secs_f64() * 1000.0
    );
    Ok(complete && steady && lost == 0)
}

fn statistic(site: &Site, group: &str, name: &str) -> Result<u64, String> {
    let answer = site
        .mi()
        .run("get_statistics", json!({ "statistics": [name] }))?;
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let value = answer.get(format!("{group}:{name}")).and_then(number);
    value.ok_or_else(|| format!("get_statistics {name}: {answer}"))
}

/// Waits for the end of all transactions, which are kept for some seconds after their answer: at
/// thousands a second they take up most of the shared memory.
fn settle(site: &Site) -> Result<(), String> {
    for _ in 0..SETTLE_SECONDS {
        if statistic(site, "tm", "inuse_transactions")? == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Err(format!(
        "there are transactions {SETTLE_SECONDS} s after the last request"
    ))
}

fn used(site: &Site) -> Result<u64, String> {
    statistic(site, "shmem", "real_used_size")
}

/// Queries every count, and returns whether all agree.
fn counts(setting: &Setting, site: &Site, devices: usize) -> Result<bool, String> {
    let number = |text: String| {
        text.trim()
            .parse::<u64>()
            .map_err(|e| format!("{text}: {e}"))
    };
    let keys = site.redis.cli(&["--scan", "--pattern", "user:*"])?;
    let counts = [
        (
            "usrloc, addresses of record",
            statistic(site, "usrloc", "location-users")?,
        ),
        (
            "usrloc, contacts",
            statistic(site, "usrloc", "location-contacts")?,
        ),
        ("Redis, keys", keys.lines().count() as u64),
        (
            "Redis, active-user",
            number(site.redis.cli(&["ZCARD", "active-user"])?)?,
        ),
        (
            "the endpoint",
            setting.endpoint()?.admitted(CROWD).len() as u64,
        ),
    ];
    println!("\n| who counts | |\n|---|---|");
    for (who, count) in counts {
        println!("| {who} | {count} |");
    }
    Ok(counts.iter().all(|(_, count)| *count == devices as u64))
}

/// Prints each process, and returns whether none has grown.
fn grown(half: &[Own], end: &[Own]) -> bool {
    let before: HashMap<u32, u64> = half.iter().map(|own| (own.pid, own.kib)).collect();
    println!("\n| process | KiB of its own at half time | at the end |\n|---|---|---|");
    let mut steady = half.len() == end.len();
    for Own { pid, kib } in end {
        let was = before.get(pid).copied().unwrap_or(0);
        println!("| {pid} | {was} | {kib} |");
        steady &= *kib <= was + GROWTH;
    }
    steady
}
