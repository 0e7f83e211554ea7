//! Nothing that a SIP worker does waits: opensips-cfg/registrar.cfg under load, while what it asks
//! hangs, refuses connections, or is out of reach.
//!
//! One trial for each OpenSIPS and each dead part, half a minute each. `make test` runs those of one
//! server each on the newest OpenSIPS; with `OUTAGES=all` they all run, for about ten minutes on two
//! processors. With `OUTAGES=table` they run one after
//! the other on the newest OpenSIPS (or the release that `OPENSIPS` names), and print what
//! docs/outages.md shows: `make bench-outages`. With `OUTAGES=soak` everything fails in turn, for as long as
//! `MINUTES` says: `make soak`.

mod outages {
    pub mod crowd;
    pub mod part;
    pub mod soak;
    pub mod trial;
    pub mod watch;
}

use std::process::ExitCode;

use harness::core::{self, Core};
use harness::database::Backend;
use harness::measure::{self, machine};
use harness::redis;
use harness::setting::ignored;
use libtest_mimic::{Arguments, Failed, Trial};

use outages::part::Kind;
use outages::trial;

/// Modules of OpenSIPS that the script needs.
const NEEDED: [&str; 4] = [
    "db_mysql.so",
    "dialog.so",
    "mi_datagram.so",
    "uac_registrant.so",
];

fn main() -> ExitCode {
    match std::env::var("OUTAGES").as_deref() {
        Ok("table") => return table(),
        Ok("soak") => return outages::soak::run(&NEEDED),
        _ => {}
    }
    let arguments = Arguments::from_args();
    let is_all = std::env::var("OUTAGES").is_ok_and(|mode| mode == "all");
    let mut cores = core::opensips();
    cores.retain(Core::is_served);
    let newest = measure::opensips(&NEEDED).map(|core| core.to_string());
    let is_chosen = |core: &Core, kind: Kind| {
        let is_plain = [Kind::Redis, Kind::Database, Kind::Endpoint].contains(&kind);
        is_all
            || is_plain
                && newest
                    .as_ref()
                    .is_ok_and(|newest| *newest == core.to_string())
    };
    let is_chosen = &is_chosen;
    let trials = cores.iter().flat_map(|core| {
        Kind::ALL.into_iter().map(move |kind| {
            let name = format!("{core}: {kind}");
            let left_out = || "it takes half a minute: OUTAGES=all runs it".to_string();
            let reason = missing(core, kind);
            match reason.or_else(|| (!is_chosen(core, kind)).then(left_out)) {
                Some(reason) => ignored(name, reason),
                None => {
                    let core = core.clone();
                    let run = move || trial::run(&core, kind).and_then(|measured| measured.check());
                    Trial::test(name, move || run().map_err(Failed::from))
                }
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Why that part cannot be tried on this core, if so.
fn missing(core: &Core, kind: Kind) -> Option<String> {
    NEEDED
        .iter()
        .find(|file| core.module(file).is_none())
        .map(|file| format!("this OpenSIPS has no {file}"))
        .or_else(|| Backend::Mysql.missing())
        .or_else(|| match kind {
            Kind::Cluster => redis::Cluster::missing(),
            _ => redis::missing(),
        })
}

/// Prints what was measured, as rows of Markdown.
fn table() -> ExitCode {
    println!("machine: {}", machine::description());
    let core = match measure::opensips(&NEEDED) {
        Ok(core) => core,
        Err(reason) => {
            println!("nothing is measured: {reason}");
            return ExitCode::SUCCESS;
        }
    };
    println!("{core}, 2 UDP workers, {} calls a second\n", trial::RATE);
    println!("{}", trial::HEADINGS);
    let mut all = ExitCode::SUCCESS;
    for kind in Kind::ALL {
        let measured = match missing(&core, kind) {
            Some(reason) => Err(reason),
            None => trial::run(&core, kind),
        };
        let checked = measured.and_then(|measured| {
            print!("{}", measured.rows());
            measured.check()
        });
        if let Err(error) = checked {
            eprintln!("{kind}: {error}");
            all = ExitCode::FAILURE;
        }
    }
    all
}
