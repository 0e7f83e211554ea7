//! `cache_mode` "preload": what a million profiles cost, compared with a thousand.

use std::time::{Duration, Instant};

use harness::database::Database;
use harness::keys::Key;
use harness::measure::table::Table;
use harness::measure::{machine, median};
use harness::server::wait_for;
use harness::tokens::{now, token};

use crate::call::Call;
use crate::place::{Place, secret};
use crate::probe::{LOOP, Probe, Setting};

/// Loops before the measurement begins: by then a worker has seen most of the pages of the
/// snapshot.
const WARM_UP: u32 = 100;

/// The size of the small table for comparison.
const FEW: u32 = 1000;

/// How long a reload may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The cost of one number of profiles.
struct Cost {
    profiles: u32,
    /// Seconds until the core answers its first request.
    start: f64,
    /// The size of all profiles in bytes, and the seconds that reading them again took.
    reload: Option<(f64, f64)>,
    /// MiB of all processes, shared memory counted once.
    memory: f64,
    /// MiB of the largest process, excluding shared memory.
    own: f64,
    /// The peak memory of any one process, MiB.
    peak: f64,
    /// Microseconds per call: profile from the snapshot; cached profile; made-up tag.
    lookups: [f64; 3],
    /// Queries that made-up tags cost.
    queries: Option<u64>,
}

/// Measures both, and returns a table.
///
/// # Errors
/// Fails if something does not start.
pub fn run(place: &Place, profiles: u32, rounds: u32) -> Result<String, String> {
    let mut table = Table::new(
        1,
        &[
            "profiles",
            "start s",
            "reload s",
            "bytes each",
            "memory MiB",
            "own MiB",
            "peak MiB",
            "snapshot us",
            "at hand us",
            "made up us",
            "queries",
        ],
    );
    for profiles in [FEW, profiles] {
        let database = place.database(profiles)?;
        let cost = cost(place, &database, profiles, rounds)?;
        let or_not = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
        let [snapshot, at_hand, made_up] = cost.lookups;
        table.row(vec![
            cost.profiles.to_string(),
            format!("{:.2}", cost.start),
            or_not(cost.reload.map(|(_, seconds)| format!("{seconds:.2}"))),
            or_not(
                cost.reload
                    .map(|(bytes, _)| format!("{:.0}", bytes / f64::from(cost.profiles))),
            ),
            format!("{:.0}", cost.memory),
            format!("{:.1}", cost.own),
            format!("{:.0}", cost.peak),
            format!("{snapshot:.2}"),
            format!("{at_hand:.2}"),
            format!("{made_up:.2}"),
            or_not(cost.queries.map(|queries| queries.to_string())),
        ]);
    }
    Ok(format!(
        "\ncache_mode=preload, jwt_authorize HS256, tokens at first sight\n\n{table}\
         memory: of all processes of the core, what they share counted once. own: the largest\n\
         process, without what is shared. peak: the largest that a process was, what is shared\n\
         included. snapshot: profiles drawn at random, looked up in the snapshot; at hand: one that\n\
         this process has at hand; made up: tags that do not exist. queries: what the made-up tags\n\
         cost in the database.\n"
    ))
}

fn cost(place: &Place, database: &Database, profiles: u32, rounds: u32) -> Result<Cost, String> {
    let reload = reload(place, database)?;
    let started = Instant::now();
    // Nothing is reloaded while calls are measured, and few profiles are cached, so that each is
    // looked up.
    let setting = [
        ("cache_mode", "preload".into()),
        ("cache_ttl", 3600.into()),
        ("cache_size", 10.into()),
    ];
    let probe = start(place, database, &setting, 1)?;
    let start = started.elapsed().as_secs_f64();
    let mut random = Random(u64::from(profiles));
    let token_of = |number: u32, jti: u64| {
        let claims = format!(
            r#"{{"tag":"tag{number}","exp":{},"jti":"{jti:016x}"}}"#,
            now() + 3600
        );
        token(&Key::Secret(secret(number).into_bytes()), "HS256", &claims)
    };
    let mut jti = 0;
    let mut tokens = |numbers: &[u32]| -> Vec<String> {
        jti += 1;
        numbers.iter().map(|n| token_of(*n, jti)).collect()
    };
    let mut measured = [const { Vec::new() }; 3];
    let mut queries = None;
    for _ in 0..WARM_UP {
        let known: Vec<u32> = (0..LOOP).map(|_| 1 + random.below(profiles)).collect();
        probe.measure(Call::Database, &tokens(&known))?;
    }
    for _ in 0..rounds {
        let known: Vec<u32> = (0..LOOP).map(|_| 1 + random.below(profiles)).collect();
        let unknown: Vec<u32> = known.iter().map(|n| n + profiles).collect();
        measured[0].push(probe.measure(Call::Database, &tokens(&known))?);
        let at_hand: Vec<String> = (0..LOOP).flat_map(|_| tokens(&known[..1])).collect();
        measured[1].push(probe.measure(Call::Database, &at_hand)?);
        let before = place.queries(database);
        measured[2].push(probe.measure_refused(Call::Database, &tokens(&unknown))?);
        let asked = place.queries(database).zip(before).map(|(a, b)| a - b);
        queries = queries.zip(asked).map(|(a, b)| a + b).or(asked);
    }
    let pid = probe.instance.pid();
    let (memory, own) = machine::memory(pid);
    let mib = |kib: u64| kib as f64 / 1024.0;
    Ok(Cost {
        profiles,
        start,
        reload,
        memory: mib(memory),
        own: mib(own),
        peak: mib(machine::peak(pid)),
        lookups: measured.map(median),
        queries,
    })
}

fn start(
    place: &Place,
    database: &Database,
    setting: &Setting<'_>,
    log_level: i32,
) -> Result<Probe, String> {
    let folder = place.folder.path().join("preload");
    let module = harness::module();
    let routes = include_str!("loop.cfg");
    Probe::start(
        &place.core,
        &module,
        database,
        setting,
        routes,
        log_level,
        &folder,
    )
}

/// Bytes and seconds of a reload, as logged by the module at its highest level.
fn reload(place: &Place, database: &Database) -> Result<Option<(f64, f64)>, String> {
    let setting = [("cache_mode", "preload".into()), ("cache_ttl", 1.into())];
    let probe = start(place, database, &setting, 4)?;
    Ok(wait_for(PATIENCE, || {
        let log = probe.instance.log();
        let line = log
            .lines()
            .find(|line| line.contains(" bytes of profiles in "))?;
        let (bytes, time) = line.split_once(" bytes of profiles in ")?;
        let bytes = bytes.rsplit(' ').next()?.parse().ok()?;
        Some((bytes, seconds(time.trim())?))
    }))
}

/// A duration as Rust prints it: `1.5s`, `20ms`, `300µs`.
fn seconds(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

/// xorshift64: any sequence that jumps around will do.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).unwrap_or(0)
    }
}
