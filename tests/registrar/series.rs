//! What jambonz's portal and dashboards show: alerts in a real InfluxDB, read back by its own client, and metrics as a
//! server of statsd gets them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use harness::influx::{self, Influx, PASSWORD};
use harness::instance::Instance;
use harness::ports;
use harness::registrar::Site;
use harness::secrecy;
use harness::server::wait_for;
use libtest_mimic::{Completion, Trial};
use serde_json::{Map, Value};

use super::device::{Device, Request, expect, refused};
use super::group::{Group, Scenario};
use super::jambonz;

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[("metrics over a connection", over_tcp)];

/// They need InfluxDB as well.
const OF_INFLUX: &[Scenario] = &[
    ("alerts in InfluxDB, and metrics", shown),
    ("alerts wait for InfluxDB, and nobody else does", outage),
];

/// Those that can be tried on this machine, of [`OF_INFLUX`].
pub fn of_influx() -> &'static [Scenario] {
    match influx::missing() {
        Some(_) => &[],
        None => OF_INFLUX,
    }
}

/// The others, with the reason.
pub fn ignored() -> Vec<Trial> {
    let Some(reason) = influx::missing() else {
        return Vec::new();
    };
    let trial = |(name, _): &Scenario| {
        let reason = reason.clone();
        Trial::ignorable_test(*name, move || Ok(Completion::ignored_with(reason)))
    };
    OF_INFLUX.iter().map(trial).collect()
}

/// How long an alert may take, the time for which a server that fails is left alone included.
const SOON: Duration = Duration::from_secs(30);

/// How long a device may wait for its answer, whatever hangs: the endpoint itself answers at once.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Accounts whose webhooks fail.
const FAILING: &str = "
REPLACE INTO jambones.webhooks VALUES
    ('w500', 'FAILS', 'GET', NULL, NULL), ('wgone', 'NOBODY', 'POST', NULL, NULL);
REPLACE INTO jambones.accounts VALUES
    ('a-fails', 'fails', 'fails.example', 'w500', 1, 'secret', 5),
    ('a-gone', 'gone', 'gone.example', 'wgone', 1, 'secret', 5);
";

/// A registrar over jambonz's tables, and the URLs of the webhooks that fail.
fn site(
    group: &Group,
    settings: &[(&'static str, String)],
) -> Result<(Site, String, String), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let fails = group.setting.endpoint()?.fault("500");
    // All trials share jambonz's tables.
    static NOBODY: OnceLock<u16> = OnceLock::new();
    let nobody = format!("http://127.0.0.1:{}/auth", NOBODY.get_or_init(ports::free));
    let views = ["jambonz-view.sql", "jambonz-registrar-view.sql"];
    let tables = FAILING.replace("FAILS", &fails).replace("NOBODY", &nobody);
    jambonz::install(group, &site, &tables, &views)?;
    site.settings = settings.to_vec();
    Ok((site, fails, nobody))
}

/// A device with good credentials is answered with this status, and at once.
fn ask(site: &Site, user: &str, realm: &str, status: u16) -> Result<(), String> {
    let mut device = Device::new(site, user, realm)?;
    let begun = Instant::now();
    let answer = device.authorize(&Request::register(), "secret")?;
    expect(answer, status).map_err(|e| format!("{user}@{realm}: {e}"))?;
    match begun.elapsed() {
        took if took < AT_ONCE => Ok(()),
        took => Err(format!("{user}@{realm} has waited for {took:?}")),
    }
}

/// A row without its time.
fn row(pairs: &[(&str, &str)]) -> Map<String, Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_string(), Value::from(*value)))
        .collect()
}

/// Fails unless InfluxDB soon has this alert.
fn has_alert(influx: &Influx, wanted: &Map<String, Value>) -> Result<(), String> {
    let mut rows = Ok(Vec::new());
    let found = wait_for(SOON, || {
        rows = influx.rows("alerts", "alerts");
        let rows = rows.as_ref().ok()?;
        let without_time = |row: &Map<String, Value>| {
            let mut row = row.clone();
            row.remove("time");
            row
        };
        rows.iter()
            .any(|it| without_time(it) == *wanted)
            .then_some(())
    });
    found.ok_or_else(|| format!("{wanted:?} is not in {rows:?}"))
}

fn connection_failure(account: &str, url: &str) -> Map<String, Value> {
    row(&[
        ("account_sid", account),
        ("alert_type", "webhook-connection-failure"),
        ("message", &format!("failed to connect to {url}")),
    ])
}

/// Fails unless a statistic soon has at least this value.
fn counts(site: &Site, name: &str, least: u64) -> Result<(), String> {
    let mut value = Ok(0);
    let reached = wait_for(SOON, || {
        value = site.mi().statistic(name);
        value.as_ref().is_ok_and(|it| *it >= least).then_some(())
    });
    reached.ok_or_else(|| format!("{name} is {value:?}, not {least}"))
}

fn says(instance: &Instance, words: &str) -> Result<(), String> {
    let found = wait_for(SOON, || instance.log().contains(words).then_some(()));
    found.ok_or_else(|| format!("{words:?} is not in the log"))
}

/// What a server of statsd gets: each metric without its value, if that is a time.
struct Metrics(UdpSocket);

impl Metrics {
    fn listen() -> Result<Metrics, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let limit = Some(Duration::from_millis(100));
        socket.set_read_timeout(limit).map_err(|e| e.to_string())?;
        Ok(Metrics(socket))
    }

    fn server(&self) -> Result<String, String> {
        let address = self.0.local_addr().map_err(|e| e.to_string())?;
        Ok(format!("udp:{address}"))
    }

    /// Fails unless all of these soon come.
    fn expect(&self, wanted: &[&str]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut buffer = [0; 2048];
        let all = wait_for(SOON, || {
            if let Ok(length) = self.0.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                seen.extend(text.lines().map(plain));
            }
            wanted.iter().all(|it| seen.contains(*it)).then_some(())
        });
        all.ok_or_else(|| format!("not all of {wanted:?} in {seen:?}"))
    }
}

/// A metric, with MS in place of a time of up to a minute.
fn plain(line: &str) -> String {
    match line
        .split_once(':')
        .and_then(|(name, rest)| Some((name, rest.split_once("|h")?)))
    {
        Some((name, (value, rest))) if value.parse().is_ok_and(|ms: u32| ms < 60_000) => {
            format!("{name}:MS|h{rest}")
        }
        _ => line.to_string(),
    }
}

fn shown(group: &Group) -> Result<(), String> {
    let (influx, metrics) = (Influx::start(&group.setting.folder())?, Metrics::listen()?);
    let settings = [
        ("TIME_SERIES_URL", influx.url()),
        ("STATS_SERVER", metrics.server()?),
        ("STATS_PREFIX", "eu.".to_string()),
        ("STATS_TAGS", "site:here".to_string()),
        ("SITE_NETWORKS", "127.0.0.0/8".to_string()),
        ("CHECKIN_INTERVAL", "3600000".to_string()),
    ];
    let (site, fails, nobody) = site(group, &settings)?;
    // Two registrations that somebody has made before, of which one has ended.
    for (score, user) in [("9000000000000", "early"), ("1000", "ended")] {
        let member = format!("user:{user}@a.example");
        site.redis.cli(&["ZADD", "active-user", score, &member])?;
    }
    let mut instance = site.start(&group.core)?;
    // The endpoint answers with 500 and is asked by GET, whose query has what the device sent; nobody listens; and
    // the second device of an account that may have one.
    ask(&site, "john", "fails.example", 503)?;
    has_alert(
        &influx,
        &row(&[
            ("account_sid", "a-fails"),
            ("alert_type", "webhook-failure"),
            ("message", &format!("{fails} returned 500")),
        ]),
    )?;
    ask(&site, "john", "gone.example", 503)?;
    has_alert(&influx, &connection_failure("a-gone", &nobody))?;
    ask(&site, "one", "limited.example", 200)?;
    let mut two = Device::new(&site, "two", "limited.example")?;
    refused(
        two.ask(&Request::register())?,
        503,
        "Max Devices Registered",
    )?;
    let text = "you have exceeded your account limit of 1 registered devices; please consider upgrading your plan";
    has_alert(
        &influx,
        &row(&[
            ("account_sid", "a5"),
            ("alert_type", "account-device-limit"),
            ("message", text),
        ]),
    )?;
    let rows = influx.rows("alerts", "alerts")?;
    if rows.len() != 3 {
        return Err(format!("three alerts were raised: {rows:?}"));
    }
    counts(&site, "alerts_raised", 3)?;
    counts(&site, "alerts_written", 3)?;
    // Admitted, refreshed, and with a wrong password.
    let mut device = Device::new(&site, "mary", "a.example")?;
    device.register()?;
    expect(device.ask(&Request::register())?, 200)?;
    let mut wrong = Device::new(&site, "john", "a.example")?;
    expect(wrong.authorize(&Request::register(), "wrong")?, 403)?;
    metrics.expect(&[
        "eu.sbc.users.count:1|g|#site:here",
        "eu.featureservers:0|g|#site:here",
        "eu.rtpservers:0|g|#site:here",
        "eu.sbc.registration.total.response_time:MS|h|#site:here,status:401",
        "eu.sbc.registration.total.response_time:MS|h|#site:here,status:200",
        "eu.sbc.registration.total.response_time:MS|h|#site:here,status:403",
        "eu.sbc.registration.total.response_time:MS|h|#site:here,status:503",
        "eu.sbc.registration.cached.response_time:MS|h|#site:here,status:200",
        "eu.app.hook.response_time:MS|h|#site:here,hook_type:auth,status:200",
        "eu.app.hook.response_time:MS|h|#site:here,hook_type:auth,status:403",
    ])?;
    counts(&site, "metrics_sent", 10)?;
    for name in ["alerts_lost", "metrics_lost"] {
        match site.mi().statistic(name)? {
            0 => {}
            lost => return Err(format!("{name} is {lost}")),
        }
    }
    let shown = site.mi().run("auth_web_config", serde_json::json!({}))?;
    if shown.to_string().contains(PASSWORD) {
        return Err("the password of InfluxDB is in auth_web_config".to_string());
    }
    secrecy::check(&instance.log(), [PASSWORD])?;
    instance.check_workers()
}

fn outage(group: &Group) -> Result<(), String> {
    let influx = Influx::start(&group.setting.folder())?;
    influx.pause();
    let settings = [("TIME_SERIES_URL", influx.url())];
    let (site, _, nobody) = site(group, &settings)?;
    let mut instance = site.start(&group.core)?;
    // It refuses.
    ask(&site, "john", "gone.example", 503)?;
    says(&instance, &format!("alerts in {}: ", influx.shown()))?;
    influx.resume()?;
    has_alert(&influx, &connection_failure("a-gone", &nobody))?;
    says(
        &instance,
        &format!("alerts in {}: answers again", influx.shown()),
    )?;
    // It hangs.
    influx.hang()?;
    for _ in 0..3 {
        ask(&site, "john", "gone.example", 503)?;
    }
    ask(&site, "mary", "a.example", 200)?;
    influx.go_on()?;
    let mut rows = Ok(Vec::new());
    let all = wait_for(SOON, || {
        rows = influx.rows("alerts", "alerts");
        rows.as_ref()
            .is_ok_and(|rows| rows.len() >= 4)
            .then_some(())
    });
    all.ok_or_else(|| format!("four alerts were raised, each at its time: {rows:?}"))?;
    counts(&site, "alerts_written", 4)?;
    // Somebody writes something else there: what it can't take is lost, and not tried for ever.
    influx.query(None, "DROP DATABASE alerts")?;
    influx.query(None, "CREATE DATABASE alerts")?;
    influx.query(Some("alerts"), "INSERT alerts message=1i")?;
    ask(&site, "john", "gone.example", 503)?;
    counts(&site, "alerts_lost", 1)?;
    says(&instance, "takes none of 1 alerts: status 400: ")?;
    // Somebody drops it: it is made anew.
    influx.query(None, "DROP DATABASE alerts")?;
    ask(&site, "john", "gone.example", 503)?;
    has_alert(&influx, &connection_failure("a-gone", &nobody))?;
    secrecy::check(&instance.log(), [PASSWORD])?;
    instance.check_workers()
}

fn over_tcp(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let server = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = server.local_addr().map_err(|e| e.to_string())?.port();
    site.settings = vec![("STATS_SERVER", format!("tcp:127.0.0.1:{port}"))];
    let mut instance = site.start(&group.core)?;
    let (stream, _) = server.accept().map_err(|e| e.to_string())?;
    let limit = stream.set_read_timeout(Some(SOON));
    limit.map_err(|e| e.to_string())?;
    Device::new(&site, "mary", "a.example")?.register()?;
    let lines = BufReader::new(stream).lines();
    let mut lines = lines.map_while(Result::ok).map(|line| plain(&line));
    let wanted = "sbc.registration.total.response_time:MS|h|#status:200";
    if !lines.any(|line| line == wanted) {
        return Err(format!("{wanted} does not come"));
    }
    // The server is gone: devices are answered as before, and what is lost is counted.
    drop((server, lines));
    for _ in 0..3 {
        ask(&site, "john", "a.example", 200)?;
    }
    let lost = wait_for(SOON, || {
        ask(&site, "john", "a.example", 200).ok()?;
        let lost = site.mi().statistic("metrics_lost");
        lost.is_ok_and(|lost| lost > 0).then_some(())
    });
    lost.ok_or("no metric is lost")?;
    says(&instance, &format!(":metrics: tcp:127.0.0.1:{port}: "))?;
    instance.check_workers()
}
