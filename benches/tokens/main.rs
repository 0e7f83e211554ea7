//! `make bench`: how long calls of jwt_authorize and jwt_script_authorize take in OpenSIPS, next to
//! the C module auth_jwt in the same instance with the same database; what a million profiles, a
//! hundred thousand revocations and a thousand issuers cost; and what workers share.
//!
//! See docs/benchmarks.md.

mod call;
mod issuers;
mod place;
mod preload;
mod probe;
mod report;
mod revocations;
mod workers;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use harness::measure;
use harness::script::Value;

use call::{Call, Keys};
use place::{Place, add_profile};
use probe::{LOOP, Probe, Setting};
use report::{Report, Who};
use workers::Sizes;

/// Profiles in the database of the first table.
const PROFILES: u32 = 1000;

/// The one whose tokens are sent.
const TAG: &str = "bench-phone";

/// Each call queries the database, as auth_jwt does, and no token is remembered.
const CACHES_OFF: [(&str, Value); 3] = [
    ("cache_ttl", Value::Number(0)),
    ("token_cache_size", Value::Number(0)),
    ("signature_cache_size", Value::Number(0)),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let rounds = measure::setting("ROUNDS", 21_u32)?.clamp(1, 1000);
    let profiles = measure::setting("PROFILES", 1_000_000_u32)?.clamp(1, 10_000_000);
    let revocations = measure::setting("REVOCATIONS", 100_000_u32)?.clamp(1, 1_000_000);
    // Most rows that the module reads.
    let issuers = measure::setting("ISSUERS", 1000_u32)?.clamp(1, 1000);
    let sizes = Sizes {
        workers: list("BENCH_WORKERS", &[1, 4, 16], 64)?,
        tokens: list("BENCH_TOKENS", &[10_000], 10_000_000)?,
        limit: Duration::from_secs(measure::setting("BENCH_LIMIT", 20)?),
    };
    let wanted = std::env::var("TABLE").unwrap_or_default();
    let wants = |table: &str| wanted.is_empty() || wanted == table;
    println!("machine: {}", measure::machine::description());
    let place = Place::find()?;
    place.introduce();
    println!(
        "each figure: the median of {rounds} loops of {LOOP} calls in the script of one worker, without"
    );
    println!("the loop itself, which is measured beside each\n");
    let keys = Keys::new();
    if wants("calls") {
        print!("{}", calls(&place, &keys, rounds)?);
    }
    if wants("profiles") {
        print!("{}", preload::run(&place, profiles, rounds)?);
    }
    if wants("revocations") {
        print!("{}", revocations::run(&place, revocations, rounds)?);
    }
    if wants("issuers") {
        print!("{}", issuers::run(&place, issuers, rounds)?);
    }
    if wants("workers") {
        print!("{}", workers::run(&place, &sizes)?);
    }
    Ok(())
}

/// Numbers from the environment, separated by blanks.
fn list(name: &str, default: &[u32], most: u32) -> Result<Vec<u32>, String> {
    let text = std::env::var(name).unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(default.to_vec());
    }
    let number = |word: &str| match word.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{name}={text}: not numbers from 1 to {most}")),
    };
    text.split_whitespace().map(number).collect()
}

/// The first table.
fn calls(place: &Place, keys: &Keys, rounds: u32) -> Result<Report, String> {
    let database = place.database(PROFILES)?;
    add_profile(&database, TAG, &keys.secret())?;
    let routes = keys.script(include_str!("loop.cfg"));
    let start = |module: &Path, setting: &Setting<'_>, name: &str| {
        let folder = place.folder.path().join(name);
        Probe::start(&place.core, module, &database, setting, &routes, 1, &folder)
    };
    let module = harness::module();
    let mut report = Report::new(place.peer.as_ref().err().cloned());
    let mut probes = vec![
        (Who::CachesOff, start(&module, &CACHES_OFF, "off")?),
        (Who::FirstSight, start(&module, &[], "on")?),
    ];
    if let Ok(peer) = &place.peer {
        match start(peer, &[], "peer") {
            Ok(probe) => probes.push((Who::Peer, probe)),
            Err(reason) => report.no_peer(format!("auth_jwt does not start: {reason}")),
        }
    }
    let mut number = 0;
    let mut fresh = |call: Call| -> Vec<String> {
        let range = number..number + LOOP as u64;
        number = range.end;
        range.map(|number| keys.token(call, TAG, number)).collect()
    };
    for call in Call::ALL {
        let known = vec![fresh(call)[0].clone(); LOOP];
        for (_, probe) in &probes {
            probe.measure(call, &known)?;
        }
        for _ in 0..rounds {
            let tokens = fresh(call);
            for (who, probe) in &probes {
                report.add(call, *who, probe.measure(call, &tokens)?);
                if *who == Who::FirstSight {
                    report.add(call, Who::SeenBefore, probe.measure(call, &known)?);
                }
            }
        }
    }
    Ok(report)
}
