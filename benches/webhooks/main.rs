//! `make bench-http`: http_authorize compared with the same script using OpenSIPS's rest_client and
//! json.
//!
//! Both run in the same OpenSIPS, query the same endpoint, and get the same load from SIPp, in
//! turns. See docs/benchmarks.md.

mod contender;
mod credentials;
mod endpoint;
mod load;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use harness::instance::{Instance, tail};
use harness::measure::{self, machine};

use contender::{Contender, MEMORY, NEEDED, Setup};
use endpoint::Endpoint;
use load::{Load, Seen, send};
use report::{Case, Measured};

/// How long the endpoint takes to answer, ms.
const LATENCIES: [u64; 2] = [20, 200];

/// Requests a second.
const RATES: [u32; 3] = [500, 1500, 3000];

/// The pause between two loads, so that leftovers of one do not count for the next: at least the
/// longest timeout of the transactions it leaves behind.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench-http: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let seconds = measure::setting("DURATION", 5_u32)?.clamp(1, 60);
    let rounds = measure::setting("ROUNDS", 3_u32)?.clamp(1, 20);
    let workers = measure::setting("WORKERS", 4_u32)?.clamp(1, 64);
    println!("machine: {}", machine::description());
    let mut core = match measure::opensips(&NEEDED) {
        Ok(core) => core,
        Err(reason) => {
            println!("nothing is measured: {reason}");
            return Ok(());
        }
    };
    core.arguments = MEMORY.map(str::to_owned).to_vec();
    println!("{core}, {workers} UDP workers");
    println!("        {}", core.binary.display());
    println!("module: {}", harness::module().display());
    println!(
        "load: SIPp, REGISTER with digest credentials, {seconds} s each, {rounds} rounds, medians"
    );

    let folder = tempfile::Builder::new()
        .prefix("auth_web-bench-")
        .tempdir()
        .map_err(|e| e.to_string())?;
    let endpoint = Endpoint::start(folder.path())?;
    let url = endpoint.url();
    println!("endpoint: {url} (examples/endpoint)\n");
    let mut contestants = Vec::new();
    for contender in Contender::BOTH {
        let setup = Setup {
            contender,
            url: &url,
            workers,
        };
        let place = folder.path().join(contender.name());
        contestants.push(Contestant {
            contender,
            instance: Instance::start(&core, &setup, &place).map_err(|e| e.to_string())?,
        });
    }
    let authorization = credentials::authorization();
    let mut cases = Vec::new();
    for latency in LATENCIES {
        endpoint.set_latency(Duration::from_millis(latency))?;
        for rate in RATES {
            let load = Load {
                rate,
                seconds,
                authorization: &authorization,
            };
            let mut case = Case::new(latency, rate);
            for round in 0..rounds {
                for contestant in in_turns(&contestants, round) {
                    let measured = contestant.measure(load, folder.path())?;
                    case.add(contestant.contender, measured);
                }
            }
            eprint!("{}", case.progress());
            cases.push(case);
        }
    }
    print!("{}", report::Report(&cases));
    for contestant in &contestants {
        contestant.complain();
    }
    Ok(())
}

/// Each round begins with the other contender.
fn in_turns(contestants: &[Contestant], round: u32) -> Vec<&Contestant> {
    let mut order: Vec<&Contestant> = contestants.iter().collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// One of the two, running.
struct Contestant {
    contender: Contender,
    instance: Instance,
}

impl Contestant {
    /// Measures one load. It is preceded by a second at a third of the rate and a second at the
    /// full rate, which create connections and threads and are not counted.
    fn measure(&self, load: Load<'_>, folder: &Path) -> Result<Measured, String> {
        let port = self.instance.port;
        let files = |name: &str| {
            let folder = folder.join(name);
            let _ = std::fs::remove_dir_all(&folder);
            folder
        };
        for rate in [load.rate / 3, load.rate] {
            let warm_up = Load {
                rate,
                seconds: 1,
                ..load
            };
            send(warm_up, port, &files("warm-up"))?;
        }
        sleep(PAUSE);
        let before = machine::cpu_seconds(self.instance.pid());
        let seen: Seen = send(load, port, &files("load"))?;
        let cpu = machine::cpu_seconds(self.instance.pid()) - before;
        sleep(PAUSE);
        Ok(Measured { seen, cpu })
    }

    /// Whatever a core has logged is part of the result: normally nothing.
    fn complain(&self) {
        let log = self.instance.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("WARNING"))
            .collect();
        if !lines.is_empty() {
            let name = self.contender.name();
            println!(
                "\n{name} logged {} errors and warnings, the last:",
                lines.len()
            );
            println!("{}", tail(&lines.join("\n"), 3));
        }
    }
}
