//! Hours of traffic, good and bad, while everything that the registrar asks fails in turn, and OpenSIPS itself:
//! `make soak`.
//!
//! Time is divided into rounds of SIPp. In a calm one each good request is admitted and each bad one refused.
//! While something fails, a good one may also be told to come again; a bad one is never admitted. What fails
//! comes back, and good requests must be admitted again within [`RECOVERY`]. At rest after a calm round, memory,
//! descriptors and threads of each process are looked at.

mod provider;
mod traffic;

use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::Backend;
use harness::endpoint::Endpoint;
use harness::instance::{Footprint, Instance, tail};
use harness::measure::{self, machine};
use harness::memory;
use harness::registrar::{CROWD, SECRET, Setting, Site};
use harness::server::wait_for;
use serde_json::Value;

use super::crowd;
use super::part::{self, Kind, Part, Way};
use provider::{Manner, Provider};
use traffic::{Excuse, Seen, Traffic};

/// Of a round in which all is well, and of one in which something fails: longer than any time-out.
const CALM: Duration = Duration::from_secs(3);
const FAULT: Duration = Duration::from_secs(4);

/// Of a round that looks whether good requests are admitted again.
const LOOK: Duration = Duration::from_secs(1);

/// How long that may take after what failed is back: a provider is not asked again at once.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long OpenSIPS may take to end: by itself, once a worker was killed, or when it is told to.
const END: Duration = Duration::from_secs(60);

/// By how much a process may seem to grow, once everything has failed once, and from the middle of its life to its
/// end: memory that the allocator and the libraries have not touched before, in KiB; and connections and threads
/// that are kept for a while.
const GROWTH: usize = 1024;
const KEPT: usize = 16;

/// How long it may take until threads and connections that are not needed have ended.
const QUIET: Duration = Duration::from_secs(30);

/// How often reloads follow each other while that is tried.
const RELOADS: Duration = Duration::from_millis(100);

/// What is done to the registrar, in this order, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A server fails.
    Server(Kind, Way),
    /// The provider of keys fails.
    Provider(Manner),
    /// The provider replaces its key; what the former one has signed is refused from then on.
    Rotation,
    /// Caches are emptied all the time.
    Reloads,
    /// OpenSIPS is told to end, and starts again.
    Restart,
    /// A worker is killed.
    Worker,
}

const SERVERS: [Kind; 3] = [Kind::Redis, Kind::Database, Kind::Endpoint];

impl Fault {
    /// Those of one cycle. OpenSIPS itself fails in every fifth only, so that its processes live long enough
    /// to show whether they grow.
    fn cycle(number: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for way in Way::ALL {
            faults.extend(SERVERS.map(|kind| Fault::Server(kind, way)));
        }
        faults.extend([
            Fault::Provider(Manner::Hangs),
            Fault::Rotation,
            Fault::Provider(Manner::Refuses),
            Fault::Reloads,
        ]);
        if number.is_multiple_of(5) {
            faults.splice(0..0, [Fault::Worker, Fault::Restart]);
        }
        faults
    }

    fn excuse(self) -> Excuse {
        match self {
            Fault::Restart | Fault::Worker => Excuse::Nobody,
            Fault::Provider(_) | Fault::Rotation => Excuse::Keys,
            Fault::Server(..) | Fault::Reloads => Excuse::None,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Server(kind, way) => write!(f, "{kind} {way}"),
            Fault::Provider(Manner::Hangs) => f.write_str("the provider hangs"),
            Fault::Provider(_) => f.write_str("the provider refuses"),
            Fault::Rotation => f.write_str("the provider's key is replaced"),
            Fault::Reloads => f.write_str("reloads"),
            Fault::Restart => f.write_str("OpenSIPS restarts"),
            Fault::Worker => f.write_str("a worker is killed"),
        }
    }
}

/// What one process holds at rest.
struct Held {
    pid: u32,
    kib: usize,
    files: usize,
    threads: usize,
}

/// All that is running.
struct Soak<'a> {
    core: &'a Core,
    setting: &'a Setting,
    site: Site,
    redis: Part<'static>,
    endpoint: Endpoint,
    provider: Provider,
    traffic: Traffic,
    instance: Instance,
    /// What its processes held after each calm round.
    samples: Vec<Vec<Held>>,
    /// Whether something of a running OpenSIPS has grown.
    growths: usize,
    /// Whether any has lived long enough to tell.
    is_judged: bool,
    /// The longest time that it took until good requests were admitted again.
    slowest: Duration,
    total: Seen,
    calm: Seen,
    calm_time: Duration,
}

/// Runs for as many minutes as `MINUTES` says, and prints what happens.
pub fn run(needed: &[&str]) -> ExitCode {
    match soak(needed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("\nFAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

fn soak(needed: &[&str]) -> Result<(), String> {
    let minutes = measure::setting("MINUTES", 10_u64)?.clamp(1, 100_000);
    println!("machine: {}", machine::description());
    let mut core = match measure::opensips(needed) {
        Ok(core) => core,
        Err(reason) => {
            println!("nothing is tried: {reason}");
            return Ok(());
        }
    };
    if let Some(reason) = super::super::missing(&core, Kind::Redis).or_else(harness::sipp::missing)
    {
        println!("nothing is tried: {reason}");
        return Ok(());
    }
    core.arguments.extend(["-m", "512"].map(str::to_string));
    println!("{core}, 2 UDP workers, {minutes} minutes\n");
    let setting = Setting::with_crowd(0);
    let mut soak = Soak::start(&core, &setting)?;
    let outcome = soak.go_on(Duration::from_secs(60 * minutes));
    let log = soak.instance.log();
    outcome.map_err(|e| format!("{e}\n{}", tail(&log, 25)))?;
    soak.finish()
}

impl<'a> Soak<'a> {
    fn start(core: &'a Core, setting: &'a Setting) -> Result<Soak<'a>, String> {
        let endpoint = Endpoint::start(&setting.folder(), &crowd::users(CROWD), &[])?;
        let provider = Provider::start()?;
        let mut site = setting.site(core, Backend::Mysql)?;
        site.database.sql(&format!(
            "UPDATE http_endpoints SET url = '{}' WHERE realm = '{CROWD}';",
            endpoint.url()
        ))?;
        site.database.sql(&traffic::profiles(&provider.url()))?;
        let (redis, url) = part::redis(Kind::Redis, &setting.folder())?;
        site.settings = vec![
            ("REDIS_URL", url),
            ("REDIS_TIMEOUT", "1000".to_string()),
            ("ACCOUNT_GRACE", "600".to_string()),
            ("LOG_LEVEL", "1".to_string()),
        ];
        let traffic = Traffic::new(site.udp, setting.folder(), &provider);
        let instance = site.start(core)?;
        Ok(Soak {
            core,
            setting,
            site,
            redis,
            endpoint,
            provider,
            traffic,
            instance,
            samples: Vec::new(),
            growths: 0,
            is_judged: false,
            slowest: Duration::ZERO,
            total: Seen::default(),
            calm: Seen::default(),
            calm_time: Duration::ZERO,
        })
    }

    fn go_on(&mut self, whole: Duration) -> Result<(), String> {
        let begin = Instant::now();
        println!("{}", Seen::HEADINGS);
        for cycle in 0.. {
            for fault in Fault::cycle(cycle) {
                if begin.elapsed() >= whole {
                    return self.be_calm().map(drop);
                }
                self.be_calm()?;
                self.suffer(fault).map_err(|e| format!("{fault}: {e}"))?;
            }
        }
        Ok(())
    }

    /// A round in which all must be right, and what is held after it.
    fn be_calm(&mut self) -> Result<(), String> {
        let round = self.traffic.begin(&self.provider, Excuse::None)?;
        sleep(CALM);
        let seen = round.end()?;
        self.instance.check_workers()?;
        seen.is_right()?;
        self.total.add(&seen);
        self.calm.add(&seen);
        self.calm_time += CALM;
        let held = self.held();
        let largest = held.iter().map(|one| one.kib).max().unwrap_or(0);
        println!(
            "{}",
            seen.row(&format!("all is well ({largest} KiB)"), CALM)
        );
        self.samples.push(held);
        Ok(())
    }

    /// A round in which something fails, and further ones until it is served again.
    fn suffer(&mut self, fault: Fault) -> Result<(), String> {
        let excuse = fault.excuse();
        let round = self.traffic.begin(&self.provider, excuse)?;
        sleep(LOOK / 2);
        let begin = Instant::now();
        self.do_it(fault)?;
        sleep(FAULT.saturating_sub(begin.elapsed()));
        let back = Instant::now();
        let took = begin.elapsed() + LOOK / 2;
        let seen = round.end()?.excused(excuse);
        println!("{}", seen.row(&fault.to_string(), took));
        self.total.add(&seen);
        seen.is_safe(excuse)?;
        if !matches!(fault, Fault::Worker | Fault::Restart) {
            self.instance.check_workers()?;
        }
        loop {
            let begin = Instant::now();
            let round = self.traffic.begin(&self.provider, excuse)?;
            sleep(LOOK);
            let seen = round.end()?.excused(excuse);
            self.total.add(&seen);
            // By now somebody is there.
            seen.is_safe(if excuse == Excuse::Nobody {
                Excuse::None
            } else {
                excuse
            })?;
            let right = seen.is_right();
            if right.is_ok() {
                self.slowest = self.slowest.max(begin - back);
                return Ok(());
            }
            if back.elapsed() > RECOVERY {
                return right.map_err(|e| format!("{RECOVERY:?} after its end, {e}"));
            }
        }
    }

    fn do_it(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Server(kind, way) => {
                let mut part = match kind {
                    Kind::Database => Part::Database(self.setting),
                    Kind::Endpoint => Part::Endpoint(&mut self.endpoint),
                    _ => return strike(&mut self.redis, way),
                };
                strike(&mut part, way)
            }
            Fault::Provider(manner) => {
                self.provider.behave(manner);
                // Keys have to be asked for: by tokens of a key that nobody has seen.
                self.provider.rotate();
                self.site.mi().reload()?;
                sleep(FAULT);
                self.provider.behave(Manner::Answers);
                Ok(())
            }
            Fault::Rotation => {
                self.provider.rotate();
                Ok(())
            }
            Fault::Reloads => {
                let begin = Instant::now();
                while begin.elapsed() < FAULT {
                    self.site.mi().reload()?;
                    sleep(RELOADS);
                }
                Ok(())
            }
            Fault::Restart => {
                self.judge();
                self.replace(|instance| {
                    let (status, log) = instance.terminate(END)?;
                    match status.success() {
                        true => check_log(&log),
                        false => Err(format!("it ended with {status}\n{}", tail(&log, 25))),
                    }
                })
            }
            Fault::Worker => {
                self.judge();
                let worker = self.worker()?.to_string();
                let killed = Command::new("kill").args(["-KILL", &worker]).status();
                killed.map_err(|e| e.to_string())?;
                let begin = Instant::now();
                match self.instance.ended_within(END) {
                    Some(status) => {
                        let took = begin.elapsed().as_millis();
                        println!("(a worker was killed: OpenSIPS ends after {took} ms, {status})");
                        self.replace(|_| Ok(()))
                    }
                    None => {
                        println!("(a worker was killed: OpenSIPS goes on)");
                        self.replace(Instance::kill)
                    }
                }
            }
        }
    }

    /// The first process that reads requests.
    fn worker(&self) -> Result<u64, String> {
        let answer = self.site.mi().run("ps", Value::Null)?;
        let processes = answer["Processes"].as_array();
        let is_worker = |one: &&Value| {
            let what = one["Type"].as_str().unwrap_or_default();
            what.starts_with("SIP receiver")
        };
        let worker = processes.and_then(|all| all.iter().find(is_worker));
        let pid = worker.and_then(|worker| worker["PID"].as_u64());
        pid.ok_or_else(|| format!("no worker: {answer}"))
    }

    /// Another OpenSIPS in place of the one that `end` ends.
    fn replace(&mut self, end: impl FnOnce(Instance) -> Result<(), String>) -> Result<(), String> {
        let next = || self.site.start(self.core);
        // There is always one: a value that is swapped out is ended first, and the port is free then.
        let folder = self.setting.folder();
        let placeholder = Instance::start(self.core, &super::watch::Plain, &folder);
        let placeholder = placeholder.map_err(|e| e.to_string())?;
        end(std::mem::replace(&mut self.instance, placeholder))?;
        self.instance = next()?;
        Ok(())
    }

    /// What each process holds, once it holds no more than is kept.
    fn held(&self) -> Vec<Held> {
        let look = || self.instance.footprint();
        let middle = self.middle();
        let is_quiet = |one: &Footprint| {
            let before = middle.and_then(|held| held.iter().find(|held| held.pid == one.pid));
            before.is_none_or(|before| {
                one.files <= before.files + KEPT && one.threads <= before.threads + KEPT
            })
        };
        let quiet = wait_for(QUIET, || {
            let held = look();
            held.iter().all(is_quiet).then_some(held)
        });
        let held = quiet.unwrap_or_else(look);
        // What passed the script through its preprocessor is never waited for.
        let is_running = |one: &Held| one.files > 0;
        let of = |one: Footprint| Held {
            pid: one.pid,
            kib: memory::own(one.pid).unwrap_or(0),
            files: one.files,
            threads: one.threads,
        };
        held.into_iter().map(of).filter(is_running).collect()
    }

    /// The sample with which later ones are compared, once there is one.
    fn middle(&self) -> Option<&Vec<Held>> {
        let warm = Fault::cycle(1).len();
        self.samples.get(warm.max(self.samples.len() / 2))
    }

    /// Whether the processes of the OpenSIPS that runs have grown since the middle of its life.
    fn judge(&mut self) {
        let (Some(middle), Some(last)) = (self.middle(), self.samples.last()) else {
            self.samples.clear();
            return;
        };
        let mut growths = 0;
        println!("\n| process | KiB of its own | descriptors | threads |\n|---|---|---|---|");
        for now in last {
            let Some(then) = middle.iter().find(|held| held.pid == now.pid) else {
                println!("| {} | it is new |", now.pid);
                growths += 1;
                continue;
            };
            let grows = now.kib > then.kib + GROWTH
                || now.files > then.files + KEPT
                || now.threads > then.threads + KEPT;
            growths += usize::from(grows);
            println!(
                "| {} | {} → {} | {} → {} | {} → {} |{}",
                now.pid,
                then.kib,
                now.kib,
                then.files,
                now.files,
                then.threads,
                now.threads,
                if grows { " it has grown" } else { "" }
            );
        }
        println!();
        self.is_judged = true;
        self.growths += growths;
        self.samples.clear();
    }

    fn finish(mut self) -> Result<(), String> {
        self.judge();
        let (status, log) = self.instance.terminate(END)?;
        println!("\nin all: {}", self.total.sums());
        println!(
            "while all was well: {:.0} requests of devices a second, of which each was answered right",
            self.calm.answered() as f64 / self.calm_time.as_secs_f64()
        );
        println!(
            "served again after at most {:.1} s",
            self.slowest.as_secs_f64()
        );
        if !status.success() {
            return Err(format!("OpenSIPS ended with {status}\n{}", tail(&log, 25)));
        }
        check_log(&log)?;
        match self.growths {
            0 if !self.is_judged => {
                println!("too short to tell whether processes grow: that takes two cycles");
                Ok(())
            }
            0 => Ok(()),
            number => Err(format!("{number} processes have grown, or are new")),
        }
    }
}

/// A server fails for some time.
fn strike(part: &mut Part<'_>, way: Way) -> Result<(), String> {
    let struck = part.strike(way)?;
    sleep(FAULT);
    part.restore(struck)
}

/// No crash, no internal error, and no secret.
fn check_log(log: &str) -> Result<(), String> {
    let marks = ["panicked", "exited by a signal", "internal error", SECRET];
    match log
        .lines()
        .find(|line| marks.iter().any(|mark| line.contains(mark)))
    {
        Some(line) => Err(format!("in the log is {line}")),
        None => Ok(()),
    }
}
