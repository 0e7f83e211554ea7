//! A large number of calls to an endpoint that fails in every way at random.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::Duration;

use harness::core::Core;
use harness::device::{Device, LIMIT, Question};
use harness::endpoint::Endpoint;
use harness::instance::{Footprint, Instance, tail};
use harness::memory;
use harness::server::wait_for;

use super::faults::register;
use super::setting::{Setting, USERS, script};

/// The total number of calls.
const CALLS: usize = 10_000;

/// Calls under way at the same time; their requests fit into a socket's buffer.
const WINDOW: usize = 100;

/// The time-out in milliseconds, which a third of the calls reach.
const TIMEOUT: i64 = 300;

/// By when idle threads must have ended, and idle connections be closed.
const IDLE: Duration = Duration::from_secs(60);

/// Descriptors that a process keeps for good after its first call: the one that resumes calls.
const KEPT: usize = 1;

/// How much memory may grow while the second half of the calls is served, in KiB. In the first half
/// the allocator takes what so many threads at once need; one answer leaked per call in the second
/// half would exceed this.
const GROWTH: usize = 16 * 1024;

/// The name of the trial.
pub const NAME: &str = "10,000 calls to an endpoint that does everything wrong";

/// The trial.
pub fn run(setting: &Setting, core: &Core) -> Result<(), String> {
    let endpoint = Endpoint::start(&setting.folder(), USERS, &["--fault", "random"])?;
    let script = script()
        .log_level(1)
        .set("http_url", endpoint.url().as_str())
        .set("http_timeout", TIMEOUT)
        // One process serves all, so that the first half shows what it needs.
        .workers(1)
        // Every call is to meet the faults.
        .set("http_breaker_failures", 0)
        .set("nonce_check", 0);
    let mut instance = setting.start(core, &script)?;
    let fresh = settled(&instance);
    for is_second in [false, true] {
        let before = resident(&instance);
        let codes = send(&instance, CALLS / 2)?;
        // Some are admitted: one fault in ten is none at all.
        if codes.admitted == 0 || codes.failed == 0 {
            return Err(format!("{codes:?}"));
        }
        if is_second {
            compare(&before, &resident(&instance))?;
        }
    }
    let left_over = || {
        let now = instance.footprint();
        let more = now.iter().zip(&fresh).any(|(now, before)| {
            now.pid != before.pid || now.files > before.files + KEPT || now.threads > before.threads
        });
        if more { None } else { Some(()) }
    };
    wait_for(IDLE, left_over).ok_or_else(|| {
        let now = instance.footprint();
        format!("left over: {fresh:?} before, {now:?} after")
    })?;
    instance.check_workers()
}

/// The name of the trial in which a core is ended.
pub const ENDED: &str = "a core that is ended in the middle of many calls";

/// How often that is done.
const ENDS: usize = 8;

/// How long a core may take to end. It takes well under a second; the limit is for busy machines.
const END: Duration = Duration::from_secs(30);

/// Workers are interrupted by SIGTERM wherever they are, and exit in the handler.
pub fn end(setting: &Setting, core: &Core) -> Result<(), String> {
    let endpoint = Endpoint::start(&setting.folder(), USERS, &["--latency", "5"])?;
    for round in 0..ENDS {
        let script = script()
            .log_level(3)
            .set("http_url", endpoint.url().as_str())
            .set("nonce_check", 0);
        let instance = setting.start(core, &script)?;
        let device = Device::new(instance.port)?;
        for call in 0..40 * (round + 1) {
            device.send(&register(["async", "plain"][call % 2]))?;
        }
        let (status, log) = instance.terminate(END)?;
        let bad = [
            "segfault",
            "CRITICAL",
            "internal error",
            "panicked",
            "by a signal",
        ];
        if !status.success() || bad.iter().any(|word| log.contains(word)) {
            return Err(format!("round {round}, {status}: {}", tail(&log, 20)));
        }
    }
    Ok(())
}

/// What the processes hold once all are running: the first answer comes before that.
fn settled(instance: &Instance) -> Vec<Footprint> {
    loop {
        let first = instance.footprint();
        sleep(Duration::from_millis(300));
        let second = instance.footprint();
        if format!("{first:?}") == format!("{second:?}") {
            return second;
        }
    }
}

fn compare(before: &[(u32, usize)], after: &[(u32, usize)]) -> Result<(), String> {
    for ((pid, before), (_, after)) in before.iter().zip(after) {
        if *after > before + GROWTH {
            return Err(format!("process {pid} grew from {before} to {after} KiB"));
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Codes {
    admitted: usize,
    failed: usize,
}

/// Sends that many calls; each must be answered exactly once.
fn send(instance: &Instance, calls: usize) -> Result<Codes, String> {
    let device = Device::new(instance.port)?;
    let question: Question = register("async");
    let mut under_way = HashSet::new();
    let mut codes = Codes::default();
    let mut sent = 0;
    while sent < calls || !under_way.is_empty() {
        while sent < calls && under_way.len() < WINDOW {
            under_way.insert(device.send(&question)?);
            sent += 1;
        }
        let reply = device
            .receive(LIMIT)
            .map_err(|e| format!("{} of {sent} calls were not resumed: {e}", under_way.len()))?;
        if !under_way.remove(reply.header("Call-ID")) {
            return Err(format!("resumed twice: {reply:?}"));
        }
        match reply.code() {
            "1" => codes.admitted += 1,
            "-5" => codes.failed += 1,
            _ => return Err(format!("{reply:?}\n{}", tail(&instance.log(), 20))),
        }
    }
    Ok(codes)
}

/// The private memory of each process in KiB.
fn resident(instance: &Instance) -> Vec<(u32, usize)> {
    let pids = instance.footprint().into_iter().map(|process| process.pid);
    pids.map(|pid| (pid, memory::own(pid).unwrap_or(0)))
        .collect()
}
