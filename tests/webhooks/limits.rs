//! Where a worker would have to wait for something other than an endpoint: threads, and name
//! servers.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use harness::core::Core;
use harness::database::program;
use harness::device::{Device, LIMIT, Question};
use harness::setting::ignored;
use libtest_mimic::Trial;

use super::faults::{at, meanwhile, register};
use super::setting::{Setting, script};

/// Calls that may be under way in one process here, and calls that are started at once.
const MAX_INFLIGHT: i64 = 8;
const CALLS: usize = 24;

/// The total time-out here, in milliseconds.
const TIMEOUT: i64 = 2000;

/// The address of the name server that never answers.
const NAME_SERVER: (&str, u16) = ("127.9.9.9", 53);

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let name = "a name server that never answers";
    vec![
        setting.trial(core, "more than http_max_inflight", overload),
        setting.trial(
            core,
            "more than http_max_inflight_endpoint_total",
            overload_of_all,
        ),
        match missing() {
            None => setting.trial(core, name, silent_name_server),
            Some(reason) => ignored(format!("{core}: {name}"), reason),
        },
    ]
}

fn overload(setting: &Setting, core: &Core) -> Result<(), String> {
    let script = script()
        .workers(1)
        .set("http_timeout", TIMEOUT)
        .set("http_max_inflight", MAX_INFLIGHT)
        .set("http_breaker_failures", 0)
        .set("nonce_check", 0);
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let question = at(&setting.slow()?.fault("hang-before"));
    let mut under_way = Vec::new();
    for _ in 0..CALLS {
        under_way.push(device.send(&question)?);
    }
    // Calls that find no free thread are told at once, before those that wait for an answer.
    let mut resumed = Vec::new();
    while !under_way.is_empty() {
        let reply = device
            .receive(LIMIT)
            .map_err(|e| format!("{} calls were not resumed: {e}", under_way.len()))?;
        let id = reply.header("Call-ID").to_string();
        let known = under_way.iter().position(|other| *other == id);
        under_way.swap_remove(known.ok_or_else(|| format!("resumed twice: {reply:?}"))?);
        reply.expect("-5")?;
        resumed.push(id);
    }
    let log = instance.log();
    let refused = log
        .matches("8 jobs are running, which is the limit")
        .count();
    if refused != CALLS - MAX_INFLIGHT.unsigned_abs() as usize {
        return Err(format!("{refused} of {CALLS} calls were refused"));
    }
    // There are free threads again.
    device.ask(&at(&setting.endpoint()?.url()))?.expect("1")?;
    instance.check_workers()
}

/// However many workers there are, an endpoint gets no more than that at a time.
fn overload_of_all(setting: &Setting, core: &Core) -> Result<(), String> {
    const ROUNDS: usize = 2;
    let script = script()
        .workers(4)
        .set("http_timeout", TIMEOUT)
        .set("http_max_inflight_endpoint_total", MAX_INFLIGHT)
        .set("http_breaker_failures", 0)
        .set("nonce_check", 0);
    let mut instance = setting.start(core, &script)?;
    let most = usize::try_from(MAX_INFLIGHT).unwrap_or(0);
    let question = at(&setting.slow()?.fault("hang-before"));
    let other = at(&setting.endpoint()?.url());
    let mut refused = 0;
    for round in 1..=ROUNDS {
        let devices: Vec<_> = (0..CALLS)
            .map(|_| Device::new(instance.port))
            .collect::<Result<_, _>>()?;
        let begin = Instant::now();
        for device in &devices {
            device.send(&question)?;
        }
        // Another endpoint has room meanwhile.
        Device::new(instance.port)?.ask(&other)?.expect("1")?;
        for device in &devices {
            device
                .receive(LIMIT)
                .map_err(|e| e.to_string())?
                .expect("-5")?;
        }
        let log = instance.log();
        let now = log
            .matches("8 requests to this endpoint are under way already in all")
            .count();
        // Two that want the last place at the same moment may both not get it. On a busy machine some calls come
        // when others are over: each takes its time-out, less what the client gives up earlier.
        let each = u128::from(TIMEOUT.unsigned_abs()) * 9 / 10;
        let times = usize::try_from((begin.elapsed().as_millis() / each).max(1)).unwrap_or(1);
        let made = CALLS.saturating_sub(now - refused);
        if !(most / 2..=most * times).contains(&made) {
            return Err(format!("round {round}: {made} of {CALLS} calls were made"));
        }
        refused = now;
    }
    instance.check_workers()
}

/// Why a core cannot be given a name server of its own, if so: it takes a mount namespace, and the
/// DNS port.
fn missing() -> Option<String> {
    let allowed = program("unshare").is_some_and(|unshare| {
        let mut command = Command::new(unshare);
        command.args(["--mount", "true"]);
        command.output().is_ok_and(|output| output.status.success())
    });
    match (allowed, UdpSocket::bind(NAME_SERVER)) {
        (false, _) => Some("no right to a mount namespace".to_string()),
        (true, Err(error)) => Some(format!("{}:{}: {error}", NAME_SERVER.0, NAME_SERVER.1)),
        (true, Ok(_)) => None,
    }
}

/// The same core, in a mount namespace of its own with another resolv.conf.
fn with_name_server(setting: &Setting, core: &Core) -> Result<Core, String> {
    let folder = setting.folder();
    let (resolv, wrapper) = (folder.join("resolv.conf"), folder.join("core"));
    let address = NAME_SERVER.0;
    std::fs::create_dir_all(&folder)
        .and_then(|()| {
            let options = "options timeout:5 attempts:1";
            std::fs::write(&resolv, format!("nameserver {address}\n{options}\n"))
        })
        .and_then(|()| {
            let mount = format!("mount --bind {} /etc/resolv.conf", resolv.display());
            let run = format!("exec {} \"$@\"", core.binary.display());
            let text =
                format!("#!/bin/sh\nexec unshare --mount sh -c '{mount} && {run}' sh \"$@\"\n");
            std::fs::write(&wrapper, text)
        })
        .and_then(|()| std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)))
        .map_err(|e| e.to_string())?;
    Ok(Core {
        binary: wrapper,
        ..core.clone()
    })
}

fn silent_name_server(setting: &Setting, core: &Core) -> Result<(), String> {
    // Other trials may use it at the same time: silence can be shared.
    let server = UdpSocket::bind(NAME_SERVER);
    let script = script()
        .workers(1)
        .set("http_url", setting.slow()?.url().as_str())
        .set("http_timeout", TIMEOUT)
        .set("http_connect_timeout", TIMEOUT)
        .set("nonce_check", 0);
    let core = with_name_server(setting, core)?;
    let mut instance = setting.start(&core, &script)?;
    let device = Device::new(instance.port)?;
    let urls = ["http://one.example.org/", "http://two.example.org/"];
    let questions: Vec<Question> = urls.iter().cycle().take(10).map(|url| at(url)).collect();
    meanwhile(&device, &questions, "-5")?;
    meanwhile(&device, &[register("async")], "1")?;
    let log = instance.log();
    for url in urls {
        if !log
            .lines()
            .any(|line| line.contains(url) && line.contains("timed out"))
        {
            return Err(format!("the log does not say why {url} failed"));
        }
    }
    drop(server);
    instance.check_workers()
}
