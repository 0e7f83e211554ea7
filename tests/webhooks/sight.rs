//! What an administrator sees of webhooks: statistics, as the management interface and Prometheus get them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::device::{Device, LIMIT, Question};
use harness::endpoint::Endpoint;
use harness::instance::Instance;
use harness::mi::Mi;
use harness::ports;
use harness::redis::{self, Redis};
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::ignored;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::faults::{at, register, register_as};
use super::setting::{ROUTES, Setting, USERS, script};

/// The total time-out here, in milliseconds.
const TIMEOUT: i64 = 1000;

/// How long a number may lag behind an answer.
const SOON: Duration = Duration::from_secs(20);

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let has_page = core.module("prometheus.so").is_some() && core.module("httpd.so").is_some();
    let mut trials = Vec::new();
    if core.is_opensips() && !has_page {
        let name = format!("{core}: statistics for Prometheus");
        trials.push(ignored(
            name,
            "this OpenSIPS has no modules httpd and prometheus".to_string(),
        ));
    }
    trials.push(setting.trial(core, "statistics", statistics));
    let name = "events, reports and the log";
    trials.push(match redis::missing() {
        Some(reason) => ignored(format!("{core}: {name}"), reason),
        None => setting.trial(core, name, events),
    });
    if core.is_opensips() {
        trials.push(setting.trial(core, "the route of an event", route_of_an_event));
    }
    trials
}

/// A core with its management interface and, if it has the modules, a page for Prometheus.
struct Seen {
    instance: Instance,
    mi: Mi,
    /// The port of the page.
    page: Option<u16>,
}

/// The lines that have Prometheus served: those that are shipped. For a core that can.
fn prometheus(core: &Core) -> Result<(String, Option<u16>), String> {
    let has = |file: &str| core.is_opensips() && core.module(file).is_some();
    if !has("httpd.so") || !has("prometheus.so") {
        return Ok((String::new(), None));
    }
    let port = ports::free();
    let lines = shipped("prometheus.inc")?.replace("8888", &port.to_string());
    Ok((lines, Some(port)))
}

/// The text of a file of `opensips-cfg`.
fn shipped(file: &str) -> Result<String, String> {
    let path = harness::root().join("opensips-cfg").join(file);
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// What the dashboard asks for.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(query)) = members.get("expr").or(members.get("definition")) {
                found.push(query.clone());
            }
            members.values().for_each(|member| queries(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|it| queries(it, found)),
        _ => {}
    }
}

/// The names of metrics in a query.
fn metrics_of(query: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(|c| !is_name(c));
    let metrics = words.filter(|word| word.starts_with("opensips_"));
    metrics.map(str::to_string).collect()
}

/// Each query of the dashboard asks for what the page has, and by labels that it has; and it shows all that
/// the page has.
fn dashboard(page: &str) -> Result<(), String> {
    let dashboard = shipped("grafana.json")?;
    let dashboard: Value = serde_json::from_str(&dashboard).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    if all.len() < 30 {
        return Err(format!("queries of the dashboard: {all:?}"));
    }
    let lines: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("opensips_"))
        .collect();
    let name = |line: &str| {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        line[..end].to_string()
    };
    let exported: BTreeSet<String> = lines.iter().map(|line| name(line)).collect();
    let mut asked = BTreeSet::new();
    for query in &all {
        let metrics = metrics_of(query);
        if metrics.is_empty() {
            return Err(format!("{query:?} asks for nothing of OpenSIPS"));
        }
        for metric in metrics {
            let has = |label: &str| {
                let label = format!("{metric}{{{label}=\"");
                lines.iter().any(|line| line.starts_with(&label))
            };
            let by = ["code", "le"].into_iter().filter(|label| {
                query.contains(&format!("{label}=")) || query.contains(&format!("by ({label})"))
            });
            if let Some(label) = by.clone().find(|label| !has(label)) {
                return Err(format!("{query:?}: {metric} has no label {label}"));
            }
            if !exported.contains(&metric) {
                return Err(format!("{query:?}: {metric} is not exported"));
            }
            asked.insert(metric);
        }
    }
    let unseen: Vec<_> = exported.difference(&asked).collect();
    match unseen.is_empty() {
        true => Ok(()),
        false => Err(format!("the dashboard does not show {unseen:?}")),
    }
}

fn start(setting: &Setting, core: &Core, module: &Path, script: Script) -> Result<Seen, String> {
    start_with(setting, core, module, script, ROUTES)
}

fn start_with(
    setting: &Setting,
    core: &Core,
    module: &Path,
    script: Script,
    routes: &str,
) -> Result<Seen, String> {
    let folder = setting.folder();
    let socket = folder.join("mi");
    let (lines, page) = prometheus(core)?;
    let routes = format!(
        "loadmodule \"mi_datagram.so\"\n\
         modparam(\"mi_datagram\", \"socket_name\", \"{}\")\n{lines}{routes}",
        socket.display()
    );
    let script = script.running(module, &routes);
    let instance = Instance::start(core, &script, &folder).map_err(|e| e.to_string())?;
    let mi = Mi::new(&socket);
    Ok(Seen { instance, mi, page })
}

impl Seen {
    /// Fails unless a line with all these words is soon in the log.
    fn says(&self, words: &[&str]) -> Result<(), String> {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        let found = wait_for(SOON, || self.instance.log().lines().any(has).then_some(()));
        found.ok_or_else(|| format!("no line with {words:?} in:\n{}", self.instance.log()))
    }

    /// Fails unless a statistic soon has this value.
    fn expect(&self, name: &str, wanted: u64) -> Result<(), String> {
        let mut value = Ok(0);
        let reached = wait_for(SOON, || {
            value = self.mi.statistic(name);
            (value == Ok(wanted)).then_some(())
        });
        reached.ok_or_else(|| format!("{name} is {value:?}, not {wanted}"))
    }

    /// The numbers of a group.
    fn group(&self, name: &str) -> Result<serde_json::Map<String, Value>, String> {
        let result = self
            .mi
            .run("get_statistics", json!({ "statistics": [name] }))?;
        match result {
            Value::Object(numbers) if !numbers.is_empty() => Ok(numbers),
            other => Err(format!("get_statistics {name} answers {other}")),
        }
    }

    /// What Prometheus would read.
    fn metrics(&self, port: u16) -> Result<String, String> {
        let failed = |e: std::io::Error| format!("the page for Prometheus: {e}");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
        stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .map_err(failed)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }
}

fn statistics(setting: &Setting, core: &Core) -> Result<(), String> {
    let with = || {
        script()
            .workers(2)
            .set("http_timeout", TIMEOUT)
            .set("http_breaker_failures", 0)
            .set("nonce_check", 0)
    };
    let module = harness::module();
    let mut seen = start(setting, core, &module, with())?;
    let device = Device::new(seen.instance.port)?;
    let url = setting.endpoint()?.url();
    let nobody = format!("http://127.0.0.1:{}/", ports::free());
    device.ask(&at(&url))?.expect("1")?;
    device.ask(&at(&nobody))?.expect("-5")?;
    let slow = setting.slow()?;
    let hanging = device.send(&at(&slow.fault("hang-before")))?;
    seen.expect("http_in_flight", 1)?;
    let reply = device.receive(LIMIT).map_err(|e| e.to_string())?;
    if reply.header("Call-ID") != hanging {
        return Err(format!("another answer: {reply:?}"));
    }
    reply.expect("-5")?;
    device.ask(&at(&slow.fault("500")))?.expect("-5")?;
    // No endpoint: nobody is asked.
    device.ask(&register("async"))?.expect("-1")?;
    for (name, wanted) in [
        ("http_requests", 4),
        ("http_admitted", 1),
        ("http_refused_5", 3),
        ("http_refused_1", 1),
        ("http_failures", 3),
        ("http_timeouts", 1),
        ("http_unreachable", 1),
        ("http_bad_answers", 1),
        ("http_left_alone", 0),
        ("http_in_flight", 0),
        ("http_time_count", 4),
        ("http_time_le_inf", 4),
    ] {
        seen.expect(name, wanted)?;
    }
    let times = |name: &str| seen.mi.statistic(&format!("http_time_{name}"));
    let bounds = [
        "le_1", "le_5", "le_10", "le_25", "le_50", "le_100", "le_250", "le_500",
    ];
    let bounds = bounds
        .into_iter()
        .chain(["le_1000", "le_2500", "le_5000", "le_inf"]);
    let counts = bounds.map(times).collect::<Result<Vec<_>, _>>()?;
    // The one that hangs takes its time-out, of which the client leaves a little.
    if !counts.is_sorted() || counts[7] > 3 || times("sum_us")? < 500_000 {
        return Err(format!("response times: {counts:?}"));
    }
    if let Some(port) = seen.page {
        let page = seen.metrics(port)?;
        for line in [
            "# TYPE opensips_http_refused counter",
            "opensips_http_refused{code=\"-5\"} 3",
            "# TYPE opensips_http_time_ms_bucket counter",
            "opensips_http_time_ms_bucket{le=\"inf\"} 4",
            "# TYPE opensips_http_in_flight gauge",
        ] {
            if !page.lines().any(|it| it == line) {
                return Err(format!("no line {line:?} in:\n{page}"));
            }
        }
        dashboard(&page)?;
    }
    if core.is_opensips() {
        let names = json!({ "statistics": ["http_refused_5", "http_in_flight"] });
        seen.mi.run("reset_statistics", names)?;
        seen.expect("http_refused_5", 0)?;
        // It counts on, also on the threads.
        device.ask(&at(&nobody))?.expect("-5")?;
        seen.expect("http_refused_5", 1)?;
        seen.expect("http_time_count", 5)?;
    }
    seen.instance.check_workers()?;
    drop(seen);
    as_auth_jwt(setting, core, &with())
}

/// Under the name of auth_jwt the module is seen as auth_web as well.
fn as_auth_jwt(setting: &Setting, core: &Core, script: &Script) -> Result<(), String> {
    if !core.is_opensips() {
        return Ok(());
    }
    let folder = setting.folder();
    let module = folder.join("auth_jwt.so");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::os::unix::fs::symlink(harness::module(), &module))
        .map_err(|e| e.to_string())?;
    let mut seen = start(setting, core, &module, script.clone())?;
    let device = Device::new(seen.instance.port)?;
    device.ask(&register("async"))?.expect("-1")?;
    let value = |name: &str| {
        let group = format!("{name}:");
        let numbers = seen.group(&group)?;
        let number = numbers.get(&format!("{group}http_refused_1"));
        number
            .map(|number| number.to_string().replace('"', ""))
            .ok_or_else(|| format!("{name} has no http_refused_1: {numbers:?}"))
    };
    for name in ["auth_jwt", "auth_web"] {
        let counted = wait_for(SOON, || (value(name) == Ok("1".into())).then_some(()));
        counted.ok_or_else(|| format!("{name}: {:?}", value(name)))?;
    }
    seen.instance.check_workers()
}

/// Events and lines of the log a second here.
const RATE: usize = 4;

/// What the script does with each event: it writes one line.
const EVENT_ROUTES: &str = r#"
event_route[E_AUTH_WEB_DENIED] {
    xlog("EVENT denied $param(function) $param(code) $param(source) $param(user) $param(realm) $param(reason)\n");
}
event_route[E_AUTH_WEB_BAN] {
    xlog("EVENT ban $param(source) $param(seconds) $param(realm)\n");
}
event_route[E_AUTH_WEB_ENDPOINT] {
    xlog("EVENT endpoint $param(url) $param(state)\n");
}
event_route[E_AUTH_WEB_STORE] {
    xlog("EVENT store $param(what) $param(state)\n");
}
event_route[E_AUTH_WEB_KEYS] {
    xlog("EVENT keys $param(url) $param(state)\n");
}
event_route[E_AUTH_WEB_ALERT] {
    xlog("EVENT alert '$param(type)' '$param(account)' '$param(service_provider)' $param(message) '$param(detail)'\n");
}
"#;

/// A token that needs keys to be judged.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJqb2huIn0.AAAA";

fn events(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let mut own = Endpoint::start(&setting.folder(), USERS, &[])?;
    let url = own.url().replace("://", "://user:s3cret@");
    let rate = i64::try_from(RATE).unwrap_or(1);
    // No InfluxDB: that is told by a process that serves no requests.
    let nobody = format!("http://user:s3cret@127.0.0.1:{}", ports::free());
    let mut script = script()
        .workers(1)
        .set("http_breaker_failures", 1)
        .set("http_breaker_time", 1)
        .set(
            "cachedb_url",
            format!("redis://127.0.0.1:{}/", redis.port).as_str(),
        )
        .set(
            "jwks_url",
            format!("{}no-keys?key=s3cret", own.url()).as_str(),
        )
        .set("log_rate", rate)
        .set("event_rate", rate)
        .set("alert_account_avp", "$avp(account)")
        .set("alerts_url", nobody.as_str())
        .set("nonce_check", 0);
    let has_events = core.is_opensips();
    if core.module("event_route.so").is_some() {
        script = script.load("event_route.so");
    }
    let routes = ROUTES.replacen(
        "route {",
        "route {\n    $avp(account) = \"a1\";\n    if ($rU == \"alert\") {\n        \
         alert_raise(\"\", \"a2\", \"carrier off\", \"401\", \"sp\");\n        alert_raise(\"no-carrier\");\n        \
         alert_raise(\"Not a type\");\n        $var(rc) = $rc;\n        route(answer);\n    }\n    \
         if ($rU == \"keys\") {\n        jwt_authorize($hdr(X-Token), $avp(grant), $avp(who));\n        \
         $var(rc) = $rc;\n        route(answer);\n    }",
        1,
    );
    let routes = match has_events {
        true => format!("{routes}{EVENT_ROUTES}"),
        false => routes,
    };
    let mut seen = start_with(setting, core, &harness::module(), script, &routes)?;
    let device = Device::new(seen.instance.port)?;
    // Admitted; denied; and banned.
    device.ask(&at(&url))?.expect("1")?;
    let bad = Question {
        user: "nobody".to_string(),
        ..at(&url)
    };
    let id = device
        .ask(&bad)?
        .expect("-7")?
        .header("Call-ID")
        .to_string();
    seen.says(&["INFO", ":http_authorize: admitted (1) 127.0.0.1; call-id="])?;
    let call_id = format!("call-id=\"{id}\"");
    seen.says(&[
        "NOTICE",
        ":http_authorize: refused (-7) 127.0.0.1: ",
        &call_id,
        "user=\"nobody\" realm=\"a.example\"",
    ])?;
    device.ask(&Question::register("keys", "john", "a.example").with("X-Token", TOKEN))?;
    seen.says(&[":jwt_authorize: refused (-6) 127.0.0.1: ", "kid=\"k1\""])?;
    let address = setting.address();
    Device::at(&address, seen.instance.port)?
        .ask(&to_be_banned(&url))?
        .expect("-1")?;
    seen.says(&[&format!("{address} is banned for 2 s")])?;
    device
        .ask(&Question::register("alert", "john", "a.example"))?
        .expect("-1")?;
    seen.says(&[":alert_raise: no alert is raised: type \"Not a type\" is none"])?;
    own.pause();
    device.ask(&at(&url))?.expect("-5")?;
    seen.says(&[":outage: endpoint http://127.0.0.1:", "left alone"])?;
    own.resume()?;
    let answers = || device.ask(&at(&url)).and_then(|reply| reply.expect("1"));
    wait_for(SOON, || answers().ok()).ok_or("the endpoint is not asked again")?;
    seen.says(&[":outage: endpoint http://127.0.0.1:", "it answers again"])?;
    redis.pause();
    device.ask(&at(&url))?.expect("-5")?;
    seen.says(&[":outage: the CacheDB can't be asked: "])?;
    redis.resume()?;
    wait_for(SOON, || answers().ok()).ok_or("Redis is not asked again")?;
    seen.says(&[":outage: the CacheDB answers again, after "])?;
    seen.says(&[":outage: keys from http://127.0.0.1:", "/no-keys: "])?;
    if has_events {
        let shown = own.url();
        for event in [
            "EVENT denied http_authorize -7 127.0.0.1 nobody a.example ".to_string(),
            "EVENT denied jwt_authorize -6 127.0.0.1 john a.example ".to_string(),
            format!("EVENT endpoint {shown} down"),
            format!("EVENT endpoint {shown} up"),
            "EVENT store cachedb down".to_string(),
            "EVENT store cachedb up".to_string(),
            "EVENT store alerts down".to_string(),
            format!("EVENT ban {address} 2 a.example"),
            format!("EVENT keys {shown}no-keys failing"),
            "EVENT alert '' 'a2' 'sp' carrier off '401'".to_string(),
            "EVENT alert 'no-carrier' 'a1' '' no-carrier ''".to_string(),
            format!(
                "EVENT alert 'webhook-connection-failure' 'a1' '' failed to connect to {shown} ''"
            ),
        ] {
            seen.says(&[&event])?;
        }
        let status = seen
            .mi
            .run("sr_list_status", json!({ "group": "auth_web" }))?;
        let reports = seen
            .mi
            .run("sr_list_reports", json!({ "group": "auth_web" }))?;
        for (what, word) in [(&status, "answers again"), (&reports, "left alone")] {
            if !what.to_string().contains(word) {
                return Err(format!("no {word:?} in {what}"));
            }
        }
    }
    flood(&seen, &device, &bad)?;
    let log = seen.instance.log();
    if log.contains("s3cret") {
        return Err(format!("a secret is in the log:\n{log}"));
    }
    seen.instance.check_workers()
}

/// A route that is refused as well, and more often than what it is told of.
const REFUSED_ROUTE: &str = r#"
event_route[E_AUTH_WEB_DENIED] {
    xlog("EVENT denied $param(code)\n");
    jwt_script_authorize("garbage", "key", $avp(told));
    jwt_script_authorize("garbage", "key", $avp(told));
}
"#;

/// What the route of an event asks raises no other one: there would be no end of it.
fn route_of_an_event(setting: &Setting, core: &Core) -> Result<(), String> {
    const CALLS: usize = 20;
    let own = Endpoint::start(&setting.folder(), USERS, &[])?;
    let url = own.url();
    let mut script = script()
        .workers(2)
        .set("event_rate", 1_000_000)
        .set("nonce_check", 0);
    if core.module("event_route.so").is_some() {
        script = script.load("event_route.so");
    }
    let routes = format!("{ROUTES}{REFUSED_ROUTE}");
    let mut seen = start_with(setting, core, &harness::module(), script, &routes)?;
    let device = Device::new(seen.instance.port)?;
    let bad = Question {
        user: "nobody".to_string(),
        ..at(&url)
    };
    for _ in 0..CALLS {
        device.ask(&bad)?.expect("-7")?;
    }
    let told = |log: &str| log.matches("EVENT denied -7").count();
    let all = wait_for(SOON, || (told(&seen.instance.log()) >= CALLS).then_some(()));
    let log = seen.instance.log();
    all.ok_or_else(|| format!("{} of {CALLS} events", told(&log)))?;
    device.ask(&at(&url))?.expect("1")?;
    match log.matches("EVENT denied").count() {
        CALLS => seen.instance.check_workers(),
        many => Err(format!("{many} events of {CALLS} refusals")),
    }
}

/// A REGISTER of a user whose endpoint wants its source banned for two seconds.
fn to_be_banned(url: &str) -> Question {
    register_as("async", "ban2", "wrong").with("X-URL", url)
}

/// A flood costs a few lines, and one that says how many are missing.
fn flood(seen: &Seen, device: &Device, bad: &Question) -> Result<(), String> {
    const CALLS: usize = 60;
    let before = seen.instance.log_length();
    let began = Instant::now();
    for _ in 0..CALLS {
        device.ask(bad)?.expect("-7")?;
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap_or(CALLS) + 2;
    // The line comes with a later call, once the second is over.
    let told = || {
        seen.instance
            .log_since(before)
            .contains("were not logged (log_rate)")
    };
    let told = wait_for(SOON, || {
        let asked = device.ask(bad).and_then(|reply| reply.expect("-7"));
        (asked.is_ok() && told()).then_some(())
    });
    let log = seen.instance.log_since(before);
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let all = usize::try_from(began.elapsed().as_secs()).unwrap_or(CALLS) + 2;
    let (lines, events) = (count(": refused (-7) "), count("EVENT denied"));
    if lines > RATE * all || events > RATE * all {
        return Err(format!(
            "{lines} lines and {events} events in {seconds} to {all} s"
        ));
    }
    if lines < CALLS && told.is_none() {
        return Err(format!(
            "{lines} lines, and nobody says that some are missing:\n{log}"
        ));
    }
    Ok(())
}
