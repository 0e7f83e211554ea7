//! Two parsers, one user: hostile requests are sent to every OpenSIPS found, which reports for each
//! of them what its own parser makes of the credentials and what the module made of them. No
//! request may let the two name different users.
//!
//! Requests come from a generator with a seed; a failure names the seed, and shows the request made
//! as short as possible. Settings are taken from the environment:
//!
//! - `PARSERS_MESSAGES`: how many requests are sent to each core (5000);
//! - `PARSERS_SECONDS`: for how long instead; the cores take turns;
//! - `PARSERS_SEED`: where the generator starts (1), for a different run, or to reproduce a
//!   failure;
//! - `PARSERS_SAMPLES`: a folder with requests of real devices, one a file, that have to pass
//!   `check_headers`, beside those of tests/sipp.
//!
//! `make fuzz-core SECONDS=600` runs it for long, each time from another seed.

mod parsers {
    pub mod admission;
    pub mod endpoint;
    pub mod hostile;
    pub mod random;
    pub mod reading;
    pub mod samples;
    pub mod shrink;
    pub mod wire;
}

use std::time::{Duration, Instant};

use harness::core::{Core, opensips};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use parsers::hostile::Hostile;
use parsers::wire::{Request, Way, Wire};
use parsers::{admission, samples, shrink};

/// How many requests are under way at once. They and their answers must fit into the buffers of two
/// sockets.
const BATCH: usize = 16;

/// In one batch out of this many, the decision is made while the request waits.
const WAIT: u64 = 8;

/// The number of batches between two checks of the core's processes.
const LOOK: u64 = 64;

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let cores: Vec<Core> = opensips().into_iter().filter(Core::is_served).collect();
    if cores.is_empty() {
        let reason = "no OpenSIPS here, whose parser is the other one";
        let ignored = move || Ok(Completion::ignored_with(reason));
        return vec![Trial::ignorable_test("parsers: two of them", ignored)];
    }
    let of = |core: Core| {
        let other = core.clone();
        [
            Trial::test(format!("{core}: no request has two users"), move || {
                hostile(&core).map_err(Failed::from)
            }),
            Trial::test(format!("{other}: what devices send is read"), move || {
                samples::run(&other).map_err(Failed::from)
            }),
        ]
    };
    cores.into_iter().flat_map(of).collect()
}

/// When to stop.
enum Length {
    Requests(u64),
    Time(Duration),
}

fn setting(name: &str) -> Result<Option<u64>, String> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    let number = text.parse();
    number
        .map(Some)
        .map_err(|_| format!("{name} is {text:?}, and has to be a number"))
}

/// What became of the requests.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    answered: u64,
    admitted: u64,
    malformed: u64,
}

fn hostile(core: &Core) -> Result<(), String> {
    let seed = setting("PARSERS_SEED")?.unwrap_or(1);
    let length = match (setting("PARSERS_SECONDS")?, setting("PARSERS_MESSAGES")?) {
        (Some(seconds), _) => Length::Time(Duration::from_secs(seconds)),
        (None, number) => Length::Requests(number.unwrap_or(5000)),
    };
    let begun = Instant::now();
    let goes_on = |tally: &Tally| match length {
        Length::Requests(number) => tally.sent < number,
        Length::Time(limit) => begun.elapsed() < limit,
    };
    let mut wire = Wire::start(core)?;
    let mut generator = Hostile::new(seed, wire.local_port());
    let mut tally = Tally::default();
    while goes_on(&tally) {
        let requests: Vec<Request> = (0..BATCH).map(|_| generator.request()).collect();
        let way = match (tally.sent / BATCH as u64) % WAIT {
            7 => Way::Waiting,
            _ => Way::AtOnce,
        };
        let judged = batch(&mut wire, way, &requests, &mut tally);
        judged.map_err(|fault| {
            let at = tally.sent;
            let within = format!("seed {seed}, within the first {at} requests, {way:?}");
            let (request, error) = match fault {
                Fault::Request(request, error) => (request, error),
                Fault::Core(error) => {
                    let all: String = requests.iter().map(|one| format!("\n\n{one}")).collect();
                    return format!("{within}: {error}, after these:{all}");
                }
            };
            let fails = |wire: &mut Wire, shorter: &Request| {
                wire.judge(way, shorter)
                    .err()
                    .filter(|_| wire.check_workers().is_ok())
            };
            let shortest = shrink::shrink(&request, |shorter| fails(&mut wire, shorter).is_some());
            let error = fails(&mut wire, &shortest).unwrap_or(error);
            format!("{within}: {error}\n\n{shortest}")
        })?;
        if tally.sent % (LOOK * BATCH as u64) == 0 {
            wire.check_workers()
                .map_err(|error| format!("seed {seed}: {error}"))?;
        }
    }
    wire.check_workers()
        .map_err(|error| format!("seed {seed}: {error}"))?;
    if let Length::Time(_) = length {
        println!("\n{core}: seed {seed}: {tally:?}");
    }
    // If no request got through, nothing would be shown.
    let enough = tally.answered * 2 > tally.sent
        && tally.admitted * 20 > tally.sent
        && tally.malformed * 20 > tally.sent;
    match enough {
        true => Ok(()),
        false => Err(format!(
            "too few are answered, admitted or refused: {tally:?}"
        )),
    }
}

/// What is wrong.
enum Fault {
    /// With this request.
    Request(Request, String),
    /// With the core, after one of many.
    Core(String),
}

/// Sends these, and checks what comes back.
fn batch(wire: &mut Wire, way: Way, requests: &[Request], tally: &mut Tally) -> Result<(), Fault> {
    let answers = wire.exchange(way, requests).map_err(Fault::Core)?;
    tally.sent += requests.len() as u64;
    for (request, answer) in requests.iter().zip(answers) {
        let judged = match answer {
            Some(seen) => {
                tally.answered += 1;
                tally.admitted += u64::from(seen.code == "1");
                tally.malformed += u64::from(seen.code == "-6");
                admission::check(&seen)
            }
            // Whether the core answers it in another way.
            None => wire.missed(way, request),
        };
        judged.map_err(|error| Fault::Request(request.clone(), error))?;
    }
    Ok(())
}
