//! One part fails in every way, and comes back.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::Backend;
use harness::endpoint::Endpoint;
use harness::instance::{Instance, tail};
use harness::load::Call;
use harness::registrar::Setting;
use harness::server::wait_for;

use super::crowd::{self, Kind as Caller};
use super::part::{self, Kind, Part, Way};
use super::watch::{Plain, Seen, Watch};

/// Calls a second; as most are challenged first, and a call has an ACK, half as many requests more.
pub const RATE: u32 = 300;

/// The load before anything fails.
const CALM: Duration = Duration::from_millis(1000);

/// After its return, how long a part may still be taken for dead: 2 s, and as long again for busy
/// machines.
const RECOVERY: Duration = Duration::from_secs(4);

/// How long after the return of one part nothing else happens.
const REST: Duration = Duration::from_millis(3500);

/// How late a call may be refused after the return of what it needs: in the table it is 2 s.
const LATE: Duration = Duration::from_millis(3000);

/// How long calls may be under way when all is well.
const SETTLED: Duration = Duration::from_millis(400);

/// Of a hundred OPTIONS so many take less than half of the time-out of what is dead. If workers waited
/// for it, more would take all of it; how long the slowest takes, a busy machine decides as well, and
/// `make bench-outages` shows.
const PROMPT: usize = 95;

/// How much longer than the time-out an answer may take on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

/// Connections that two workers may keep, by the limits of the module: each to three nodes of a
/// Redis Cluster, and to MariaDB.
const KEPT: usize = 2 * (16 * 3 + 8);

/// One load at a time: what is measured is the registrar, not the machine.
static LOADED: Mutex<()> = Mutex::new(());

/// How long it may take until threads that are not needed have ended.
const QUIET: Duration = Duration::from_secs(30);

/// The head of the table.
pub const HEADINGS: &str = "\
| what | how | OPTIONS, longest | 99 % | plain OpenSIPS, longest | answers of what needs it, longest | refused | served again after | descriptors | threads |
|---|---|---|---|---|---|---|---|---|---|";

/// How many different lines of the log a failure shows.
const MOST_LINES: usize = 30;

/// When a part was dead; without a way, the time before, when all was well.
struct Outage {
    way: Option<Way>,
    begin: Instant,
    back: Instant,
}

/// What was seen while a part failed in every way.
pub struct Measured {
    kind: Kind,
    outages: Vec<Outage>,
    seen: Seen,
    /// Descriptors and threads of all processes under load before, at most during the outages, and
    /// at rest after them.
    held: [(usize, usize); 3],
    log: String,
}

/// Runs it once.
///
/// # Errors
/// Fails if something can't be started.
pub fn run(core: &Core, kind: Kind) -> Result<Measured, String> {
    let setting = Setting::with_crowd(0);
    let mut first = Endpoint::start(&setting.folder(), &crowd::users(crowd::FIRST), &[])?;
    let second = Endpoint::start(&setting.folder(), &crowd::users(crowd::SECOND), &[])?;
    let mut site = setting.site(core, Backend::Mysql)?;
    let accounts = crowd::accounts(&first.url(), &second.url());
    site.database.sql(&accounts)?;
    let (redis, url) = part::redis(kind, &setting.folder())?;
    site.settings = vec![
        ("REDIS_URL", url),
        ("REDIS_TIMEOUT", kind.redis_timeout().to_string()),
        ("ACCOUNT_GRACE", "600".to_string()),
        ("LOG_LEVEL", "2".to_string()),
    ];
    crowd::next_hop(site.next_hop)?;
    let mut instance = site.start(core)?;
    let plain = Instance::start(core, &Plain, &setting.folder()).map_err(|e| e.to_string())?;
    let mut part = match kind {
        Kind::Database => Part::Database(&setting),
        Kind::Endpoint => Part::Endpoint(&mut first),
        _ => redis,
    };
    let outcome = disturb(kind, &mut part, &instance, plain.port);
    let (outages, seen, before, during) =
        outcome.map_err(|e| format!("{e}\n{}", tail(&instance.log(), 25)))?;
    let after = || Some(instance.held()).filter(|after| is_within(*after, before));
    let after = wait_for(QUIET, after).unwrap_or_else(|| instance.held());
    instance.check_workers()?;
    Ok(Measured {
        kind,
        outages,
        seen,
        held: [before, during, after],
        log: instance.log(),
    })
}

type Disturbed = (Vec<Outage>, Seen, (usize, usize), (usize, usize));

fn disturb(
    kind: Kind,
    part: &mut Part<'_>,
    instance: &Instance,
    plain: u16,
) -> Result<Disturbed, String> {
    let _alone = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let watch = Watch::start(instance.port, plain, RATE)?;
    let begin = Instant::now();
    let before = most_held(instance, CALM);
    let mut during = before;
    let mut outages = vec![Outage {
        way: None,
        begin,
        back: Instant::now(),
    }];
    for way in Way::ALL {
        let begin = Instant::now();
        let struck = part.strike(way)?;
        let left = kind.outage().saturating_sub(begin.elapsed());
        during = most(during, most_held(instance, left));
        part.restore(struck)?;
        let back = Instant::now();
        outages.push(Outage {
            way: Some(way),
            begin,
            back,
        });
        during = most(during, most_held(instance, REST));
        part.tidy()?;
    }
    Ok((outages, watch.stop()?, before, during))
}

/// What was logged, each line once, and how often: what fails is logged for every request.
fn distinct(log: &str) -> String {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for line in log.lines() {
        let (_, text) = line.split_once("] ").unwrap_or(("", line));
        *lines.entry(text).or_default() += 1;
    }
    let lines = lines.into_iter().take(MOST_LINES);
    lines
        .map(|(text, times)| format!("{times} times: {text}\n"))
        .collect()
}

/// The most that is held within this time.
fn most_held(instance: &Instance, time: Duration) -> (usize, usize) {
    let end = Instant::now() + time;
    let mut held = instance.held();
    while Instant::now() < end {
        sleep(Duration::from_millis(100));
        held = most(held, instance.held());
    }
    held
}

fn most(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0.max(other.0), one.1.max(other.1))
}

fn is_within(after: (usize, usize), before: (usize, usize)) -> bool {
    after.0 <= before.0 + KEPT && after.1 <= before.1
}

fn longest<'a>(calls: impl Iterator<Item = &'a Call>) -> Duration {
    calls.map(|call| call.delay).max().unwrap_or_default()
}

impl Measured {
    /// The calls sent between the beginning of an outage and this time after it.
    fn calls<'a>(&self, calls: &'a [Call], outage: &Outage, after: Duration) -> Vec<&'a Call> {
        let (begin, end) = (outage.begin, outage.back + after);
        let within = |call: &&Call| call.sent >= begin && call.sent < end;
        calls.iter().filter(within).collect()
    }

    fn is_needed_by(&self, call: &Call) -> bool {
        self.kind.is_needed_by(Caller::of(call.number))
    }

    fn is_refused(call: &Call) -> bool {
        call.status != Some(Caller::of(call.number).usual())
    }

    /// How long after its return the last call was sent that was refused.
    fn recovery(&self, outage: &Outage) -> Duration {
        // Calls that are under way when the next outage begins are not meant.
        let later = self.calls(&self.seen.load.calls, outage, REST - SETTLED);
        let refused = later
            .into_iter()
            .filter(|call| self.is_needed_by(call) && Self::is_refused(call));
        let since = refused.map(|call| call.sent.saturating_duration_since(outage.back));
        since.max().unwrap_or_default()
    }

    /// Fails if anybody had to wait, or something was refused that does not need the part.
    ///
    /// # Errors
    /// Fails with what it was.
    pub fn check(&self) -> Result<(), String> {
        let problems = self.problems();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "{}\n{}{}",
                problems.join("\n"),
                self.rows(),
                distinct(&self.log)
            )),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let (pulse, plain) = (&self.seen.pulse, &self.seen.plain);
        let prompt = pulse.percentile(PROMPT);
        if prompt > self.kind.timeout() / 2 || pulse.unanswered > pulse.sent / 100 {
            problems.push(format!(
                "{PROMPT} % of OPTIONS took up to {prompt:?}, the longest {:?}, {} had no answer; of a \
                 plain OpenSIPS {:?}, {}",
                pulse.longest(),
                pulse.unanswered,
                plain.longest(),
                plain.unanswered
            ));
        }
        let limit = self.kind.timeout() + SLACK;
        let mut odd: BTreeMap<String, usize> = BTreeMap::new();
        for call in &self.seen.load.calls {
            let caller = Caller::of(call.number);
            let excused = self.outages.iter().any(|outage| {
                // Those that were under way when it began, as well.
                outage.way.is_some()
                    && call.sent + CALM >= outage.begin
                    && call.sent < outage.back + RECOVERY
            });
            let may_fail = excused && self.is_needed_by(call);
            let is_usual = call.status == Some(caller.usual());
            // A nonce may have been used up without an answer that says so: the device is challenged
            // again.
            let is_failure = matches!(call.status, Some(401 | 407 | 503));
            let is_excused = may_fail && is_failure;
            if !is_usual && !is_excused {
                let entry = odd.entry(format!("{caller:?} got {:?}", call.status));
                *entry.or_default() += 1;
            }
            if call.delay > limit {
                let entry = odd.entry(format!("{caller:?} took more than {limit:?}"));
                *entry.or_default() += 1;
            }
        }
        problems.extend(
            odd.into_iter()
                .map(|(what, times)| format!("{times} {what}")),
        );
        for outage in &self.outages {
            let took = self.recovery(outage);
            if outage.way.is_some() && took >= LATE {
                let how = outage.way.map_or(String::new(), |way| way.to_string());
                problems.push(format!("{how}: served again after {took:?}"));
            }
        }
        let [before, _, after] = self.held;
        if !is_within(after, before) {
            problems.push(format!("left over: {before:?} before, {after:?} after"));
        }
        problems
    }

    /// One row for each way.
    pub fn rows(&self) -> String {
        let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
        let [before, during, after] = self.held;
        let mut rows = String::new();
        for outage in &self.outages {
            let rest = if outage.way.is_some() {
                REST
            } else {
                Duration::ZERO
            };
            let pulses = self.calls(&self.seen.pulse.calls, outage, rest);
            let plain = self.calls(&self.seen.plain.calls, outage, rest);
            let how = outage.way.map_or("well".to_string(), |way| way.to_string());
            let mut delays: Vec<Duration> = pulses.iter().map(|call| call.delay).collect();
            delays.sort_unstable();
            let rank = (delays.len() * 99).div_ceil(100).saturating_sub(1);
            let calls = self.calls(&self.seen.load.calls, outage, Duration::ZERO);
            let needing: Vec<&Call> = calls
                .into_iter()
                .filter(|call| self.is_needed_by(call))
                .collect();
            let refused = needing.iter().filter(|call| Self::is_refused(call)).count();
            _ = writeln!(
                rows,
                "| {} | {how} | {} | {} | {} | {} | {refused} of {} | {} | {} → {} → {} | {} → {} → {} |",
                self.kind,
                ms(longest(pulses.iter().copied())),
                ms(delays.get(rank).copied().unwrap_or_default()),
                ms(longest(plain.into_iter())),
                ms(longest(needing.iter().copied())),
                needing.len(),
                match outage.way {
                    Some(_) => ms(self.recovery(outage)),
                    None => "".to_string(),
                },
                before.0,
                during.0,
                after.0,
                before.1,
                during.1,
                after.1,
            );
        }
        rows
    }
}
